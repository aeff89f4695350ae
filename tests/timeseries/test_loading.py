"""From files to points and back to the truth, against the service over a real store: loading, care, backup, proof."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from lab_service import SECRETS, TOKENS, lab_with_door
from services import served

from quintet import alerts
from quintet.check import Check
from quintet.errors import GateError, InputError, LabError, ServiceDownError, VerifyError
from quintet.settings import Lab
from quintet.timeseries import Options, Store, loading, upkeep
from quintet.timeseries.fingerprint import fingerprint
from quintet.timeseries.generator import Scale, generate, repair
from quintet.timeseries.inputfiles import pieces
from quintet.timeseries.labclient import LabClient
from quintet.timeseries.model import DAY
from quintet.timeseries.reset import reset
from quintet.timeseries.truth import Truth
from quintet.timeseries.verify import checks

SMALL = Scale(sensors=3, meters=2, services=2, machines=2)


@dataclass(frozen=True)
class Works:
    """A lab with the service over an open store, and a folder of input."""

    lab: Lab
    store: Store
    input: Path

    def put(self, name: str, *lines: str) -> Path:
        path = self.input / name
        path.parent.mkdir(parents=True, exist_ok=True)
        body = "".join(f"{line}\n" for line in lines).encode()
        path.write_bytes(gzip.compress(body) if name.endswith(".gz") else body)
        return path

    def send(self, run_id: str = "run", *, again: bool = False, **bounds: str) -> dict[str, object]:
        return loading.send_files(str(self.input), run_id, again=again, lab_file=str(self.lab.file), **bounds)

    def gate(self, run_id: str = "run") -> dict[str, object]:
        return loading.raise_refused(run_id, lab_file=str(self.lab.file))

    @property
    def points(self) -> int:
        return fingerprint(self.store).points


@pytest.fixture
def works(tmp_path: Path) -> Iterator[Works]:
    options = Options(background=False, retention=1825 * DAY, warm=tmp_path / "warm", warm_after=30 * DAY)
    with Store.open(tmp_path / "store", options) as store, served(store, tokens=TOKENS) as client:
        lab = lab_with_door(tmp_path / "lab", client.base_url.port or 0)
        (tmp_path / "files").mkdir()
        yield Works(lab, store, tmp_path / "files")


def test_each_content_is_sent_once_under_whatever_name(works: Works) -> None:
    works.put("2026-01-01.lp", "a v=1 1", "a v=2 2")
    works.put("by_day/2026-01-02.lp.gz", "a v=3 3")
    assert (first := works.send())["sent"] == 2
    assert first["points"] == 3
    works.put("renamed.lp", "a v=3 3")
    assert {name: works.send()[name] for name in ("sent", "known", "points")} == {"sent": 0, "known": 3, "points": 0}
    assert works.send(again=True)["sent"] == 2, "two contents under three names"
    assert works.points == 3


def test_a_file_of_a_later_name_corrects_an_earlier_one(works: Works) -> None:
    works.put("2026-01-02.lp", "a v=20 1")
    works.put("2026-01-01.lp", "a v=10 1")
    works.send()
    assert works.store.scan((), 0, 2).values.tolist() == [20.0]


def test_days_bound_what_is_sent(works: Works) -> None:
    for day in (1, 2, 3):
        works.put(f"2026-01-0{day}.lp", f"a v=1 {day}")
    works.put("notes.lp", "a v=1 9")
    assert works.send(from_="2026-01-02", to="2026-01-02")["files"] == 1
    assert works.points == 1
    with pytest.raises(InputError, match="no day"):
        works.send(from_="yesterday")


def test_days_that_are_filled_in_one_by_one_or_again_are_the_run_of_all_at_once(works: Works) -> None:
    generate(works.input, days=3, seed=5, scale=SMALL)
    works.send()
    whole = fingerprint(works.store)
    reset(works.lab)
    assert works.send("history", to="2024-12-31")["sent"] == 1
    for day in ("2025-01-01", "2025-01-02", "2025-01-03"):
        assert works.send(day, from_=day, to=day)["sent"] == 1
    assert fingerprint(works.store) == whole
    works.send("again", again=True)
    assert fingerprint(works.store) == whole


def test_a_few_broken_lines_are_left_out_and_told_with_their_numbers(works: Works) -> None:
    good = [f"a v={number} {number}" for number in range(1, 60)]
    works.put("2026-01-01.lp", *good[:20], 'a v="text" 5', *good[20:])
    told = works.send()
    assert (told["points"], told["refused_lines"], told["refused"]) == (59, 1, [])
    assert works.gate() == {"refused_lines": 1}
    report = json.loads(Path(str(told["report"])).read_text(encoding="utf-8"))
    assert [error["line"] for error in report["files"][0]["errors"]] == [21]
    (alert,) = alerts.read(works.lab)
    assert alert.alert.severity == "warning"
    assert "line 21" in alert.alert.detail


def test_nothing_of_a_poison_file_is_written_and_the_good_ones_are(works: Works) -> None:
    works.put("2026-01-01.lp", *(f"a v={number} {number}" for number in range(1, 10)), "a v= 10")
    works.put("2026-01-02.lp", "b v=1 1")
    assert works.send()["refused"] == ["2026-01-01.lp"]
    with pytest.raises(GateError, match=r"2026-01-01\.lp: 1 of 10 lines are broken, first: line 10: .*\n") as refusal:
        works.gate()
    assert "Correct them" in refusal.value.remedy
    assert [dict(labels)["__name__"] for labels in works.store.series((), 0, 99)] == ["b_v"]
    works.put("2026-01-01.lp", *(f"a v={number} {number}" for number in range(1, 11)))
    assert works.send("next")["sent"] == 1
    assert works.gate("next") == {"refused_lines": 0}
    assert works.points == 11


def test_a_file_that_is_cut_short_is_refused_as_a_whole(works: Works) -> None:
    path = works.put("2026-01-01.lp.gz", *(f"a v={number} {number}" for number in range(1, 5000)))
    path.write_bytes(path.read_bytes()[:-200])
    works.send()
    assert works.points == 0
    with pytest.raises(GateError, match="cannot be read to its end"):
        works.gate()


def test_without_the_service_nothing_is_taken_for_sent(tmp_path: Path) -> None:
    lab = lab_with_door(tmp_path / "lab", 1)
    (tmp_path / "a.lp").write_text("a v=1 1\n", encoding="utf-8")
    with pytest.raises(ServiceDownError, match="quintet doctor"):
        loading.send_files(str(tmp_path), "run", lab_file=str(lab.file))
    assert loading.known_files(lab) == []
    with pytest.raises(LabError, match="no report"):
        loading.raise_refused("run", lab_file=str(lab.file))


def test_a_ledger_that_a_kill_has_cut_short_costs_one_file_only(works: Works) -> None:
    works.put("2026-01-01.lp", "a v=1 1")
    works.put("2026-01-02.lp", "a v=1 2")
    works.send()
    ledger = works.lab.path("data") / "landing" / "timeseries" / "ledger.jsonl"
    ledger.write_bytes(ledger.read_bytes()[:-9])
    assert works.send()["sent"] == 1
    assert works.send()["sent"] == 0


def test_an_empty_folder_and_one_that_is_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no \*\.lp"):
        loading.check_input(str(tmp_path))
    with pytest.raises(InputError, match="cannot be read"):
        loading.check_input(str(tmp_path / "absent"))


def test_pieces_end_with_a_line_and_together_are_the_file(tmp_path: Path) -> None:
    body = b"".join(b"a v=%d %d\n" % (number, number) for number in range(1, 500)) + b"a v=1 500"
    (tmp_path / "a.lp").write_bytes(body)
    found = list(pieces(tmp_path / "a.lp", 100))
    assert b"".join(found) == body
    assert all(piece.endswith(b"\n") for piece in found[:-1])
    (tmp_path / "long.lp").write_bytes(b"x" * 500)
    with pytest.raises(InputError, match="a line is longer"):
        list(pieces(tmp_path / "long.lp", 100))


def proof(works: Works, truth: Truth) -> list[Check]:
    with LabClient(works.lab, "reader") as client:
        known = {entry["file"] for entry in loading.known_files(works.lab)}
        return [check for check in checks(truth, client, lambda: known) if not check.ok]


def test_generated_input_comes_out_as_its_truth_says_and_a_changed_point_is_found(works: Works) -> None:
    truth = generate(works.input, days=2, seed=3, scale=SMALL, poison_day=2)
    lab_file = str(works.lab.file)
    works.send()
    with pytest.raises(GateError, match="2025-01-02"):
        works.gate()
    assert proof(works, truth), "a day is missing"
    repair(works.input)
    works.send("second")
    upkeep.retain(lab_file=lab_file)
    upkeep.compact(lab_file=lab_file)
    upkeep.move_tiers(lab_file=lab_file)
    assert proof(works, truth) == []
    assert works.points == truth.expect["points_kept"]
    assert works.store.stats().blocks_by_tier.get("warm", 0) > 0
    with LabClient(works.lab, "writer") as client:
        client.write(
            f"climate,site={truth.site},hall=h0,sensor=t00 temperature_celsius=99.9 {truth.begin}000000000".encode()
        )
    assert {check.name for check in proof(works, truth)} == {
        f"climate_temperature_celsius: {figure}" for figure in ("sum", "greatest")
    }
    reset(works.lab)
    assert works.points == 0
    assert loading.known_files(works.lab) == []


def test_a_backup_is_restored_and_compared_and_old_ones_go(works: Works) -> None:
    lab_file = str(works.lab.file)
    works.put("a.lp", *(f"a,k={number % 3} v={number} {number}" for number in range(1, 100)))
    works.send()
    for number in range(3):
        made = upkeep.back_up(f"manual__2026-01-0{number + 1}T00:00:00+00:00", lab_file=lab_file)
        found = upkeep.drill(made, lab_file=lab_file)
        assert (found["compared"], found["series"], found["points"]) == (True, 3, 99)
    assert len(upkeep.prune(2, lab_file=lab_file)["removed"]) == 1
    assert [path.is_dir() for path in upkeep.backups(works.lab)] == [True, True]
    assert not list(works.lab.path("run").glob("drill-*"))
    assert not list((works.store.path.parent / "store-snapshots").iterdir())
    with pytest.raises(VerifyError, match="the store held 98 points"):
        upkeep.drill({**made, "fingerprint": {**made["fingerprint"], "points": 98}}, lab_file=lab_file)


def test_a_damaged_backup_is_found_by_the_drill(works: Works) -> None:
    works.put("a.lp", *(f"a v={number} {number}" for number in range(1, 100)))
    works.send()
    made = upkeep.back_up("one", lab_file=str(works.lab.file))
    (block,) = (Path(made["path"]) / "blocks").glob("*.block")
    body = bytearray(block.read_bytes())
    body[len(body) // 2] ^= 1
    block.write_bytes(bytes(body))
    with pytest.raises(LabError, match=block.name):
        upkeep.drill(made, lab_file=str(works.lab.file))


def test_a_wrong_token_says_what_to_do(works: Works) -> None:
    works.lab.file.with_name("secrets.yaml").write_text(yaml.safe_dump(dict.fromkeys(SECRETS, "other")))
    with pytest.raises(LabError, match="make install"):
        upkeep.compact(lab_file=str(works.lab.file))
