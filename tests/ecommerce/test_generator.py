"""The input as files: the same bytes for the same seed, written once, poisoned and repaired."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("numpy", reason="the streaming environment has it")
pytest.importorskip("pyarrow", reason="the streaming environment has it")
import pyarrow.parquet as pq

import naive_shop as naive
from quintet.ecommerce.generator import Scale, generate, repair
from quintet.ecommerce.truth import FILE_NAME, Truth
from quintet.errors import InputError, VerifyError

if TYPE_CHECKING:
    from collections.abc import Mapping

TINY = Scale(rate=0.05, products=500, users=80)


def bytes_of(folder: Path) -> Mapping[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    for name, seed in (("one", 3), ("two", 3), ("three", 4)):
        generate(tmp_path / name, days=2, seed=seed, scale=TINY)
    one, two, three = (bytes_of(tmp_path / name) for name in ("one", "two", "three"))
    assert one == two
    assert set(one) == set(three)
    drawn = {"catalogue/products.parquet", "catalogue/queries.parquet", "catalogue/users.parquet", "truth.json"}
    drawn |= {f"by_day/2025-01-0{day}/{kind}.parquet" for day in (1, 2) for kind in ("page_view", "search")}
    assert {name for name in drawn if one[name] == three[name]} == set()


def test_an_input_is_written_once(small: tuple[Path, Truth]) -> None:
    with pytest.raises(InputError, match="holds an input already"):
        generate(small[0], days=1, scale=TINY)


@pytest.mark.parametrize("day", [0, 3])
def test_a_poison_day_lies_within_the_days(tmp_path: Path, day: int) -> None:
    with pytest.raises(InputError, match="Count days from 1"):
        generate(tmp_path, days=2, poison_day=day, scale=TINY)


def test_a_poisoned_day_is_broken_beyond_any_gate_and_repaired_to_the_bytes_without_poison(tmp_path: Path) -> None:
    whole, ill = tmp_path / "whole", tmp_path / "ill"
    expected = generate(whole, days=2, seed=3, scale=TINY).expect
    truth = generate(ill, days=2, seed=3, scale=TINY, poison_day=2)
    assert truth.expect == expected
    rows = naive.read(ill)
    for kind in ("page_view", "add_to_cart"):
        of_day = [row for row in rows[kind] if row["arrived_at"].day == 2]
        broken = sum(naive.broken_by(kind, row) is not None for row in of_day)
        assert broken >= 0.25 * len(of_day)
    assert {path.name for path in repair(ill)} == {"page_view.parquet", "add_to_cart.parquet"}
    assert bytes_of(ill / "by_day") == bytes_of(whole / "by_day")


def test_an_input_without_poison_is_not_repaired(small: tuple[Path, Truth]) -> None:
    with pytest.raises(InputError, match="has no poison day"):
        repair(small[0])


def test_the_truth_is_read_as_it_was_written(small: tuple[Path, Truth]) -> None:
    assert Truth.read(small[0] / FILE_NAME) == small[1]


def test_a_truth_of_another_form_is_refused(tmp_path: Path) -> None:
    file = tmp_path / FILE_NAME
    for text, told in (("{", "cannot be read"), ('{"format": 0}', "not of form 1"), ('{"format": 1}', "damaged")):
        file.write_text(text, encoding="utf-8")
        with pytest.raises(VerifyError, match=told):
            Truth.read(file)


def test_days_hold_what_arrived_on_them(small: tuple[Path, Truth]) -> None:
    for day in (small[0] / "by_day").iterdir():
        for file in day.iterdir():
            arrived = pq.read_table(file).column("arrived_at").to_pylist()
            assert {at.date().isoformat() for at in arrived} <= {day.name}
            assert arrived == sorted(arrived)


def test_it_answers_a_call_from_another_environment(tmp_path: Path) -> None:
    arguments = {"out": str(tmp_path / "out"), "days": 1, "seed": 5, "poison_day": None}
    done = subprocess.run(
        [sys.executable, "-m", "quintet.call", "quintet.ecommerce.generator:run"],
        input=json.dumps(arguments),
        capture_output=True,
        text=True,
        check=True,
    )
    told = json.loads(done.stdout.splitlines()[-1].removeprefix("RESULT "))
    assert told == Truth.read(tmp_path / "out" / FILE_NAME).expect
