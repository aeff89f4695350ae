"""Generated input: the same bytes for the same seed, and a truth that an independent reading confirms."""

from __future__ import annotations

import gzip
import hashlib
import itertools
from datetime import date
from pathlib import Path

import pytest

from quintet.errors import InputError, VerifyError
from quintet.timeseries.generator import Scale, generate, repair
from quintet.timeseries.lineprotocol import LineParser
from quintet.timeseries.truth import FILE_NAME, Truth

SMALL = Scale(sensors=3, meters=2, services=2, machines=2)
Points = dict[tuple[tuple[str, str], ...], dict[int, float]]


def read(folder: Path) -> tuple[Points, int, int]:
    """What is in the files, read line after line: the last value counts; points sent; lines refused."""
    found: Points = {}
    sent = refused = 0
    parser = LineParser()
    for file in sorted((folder / "by_day").iterdir()):
        parsed = parser.parse(gzip.decompress(file.read_bytes()))
        refused += len(parsed.errors)
        sent += len(parsed.batch)
        columns = zip(
            parsed.batch.series.tolist(), parsed.batch.timestamps.tolist(), parsed.batch.values.tolist(), strict=True
        )
        for series, time, value in columns:
            found.setdefault(parsed.batch.labels[series], {})[time] = value
    return found, sent, refused


def checksums(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_same_seed_gives_the_same_bytes_and_another_one_other_series(tmp_path: Path) -> None:
    for name, seed in (("one", 3), ("two", 3), ("three", 4)):
        generate(tmp_path / name, days=1, seed=seed, scale=SMALL)
    assert checksums(tmp_path / "one") == checksums(tmp_path / "two") != checksums(tmp_path / "three")
    assert Truth.read(tmp_path / "three" / FILE_NAME).site != Truth.read(tmp_path / "one" / FILE_NAME).site


def test_the_truth_is_what_reading_every_line_finds(tmp_path: Path) -> None:
    truth = generate(tmp_path, days=3, seed=11, scale=SMALL)
    found, sent, refused = read(tmp_path)
    assert (sent, refused) == (truth.expect["points_sent"], truth.expect["refused_lines"])
    assert sum(map(len, found.values())) == truth.expect["points_stored"]
    expired = {labels: points for labels, points in found.items() if ("__name__", "meter_reading_kwh") in labels}
    assert sum(map(len, expired.values())) == truth.expect["points_expired"]
    kept = {labels: points for labels, points in found.items() if labels not in expired}
    assert len(kept) == truth.expect["series_kept"]
    for labels, points in kept.items():
        metric = dict(labels)["__name__"]
        text = ",".join(f"{name}={value}" for name, value in labels if name != "__name__")
        facts = truth.series[metric][text]
        values = [points[time] for time in sorted(points)]
        assert len(values) == facts.points
        assert (min(values), max(values)) == (facts.number(facts.low), facts.number(facts.high)), labels
        assert (values[-1], max(points)) == (facts.number(facts.last), facts.last_at * 10**9)
        assert round(sum(values) * 10**facts.places) == facts.total
        assert sum(after < before for before, after in itertools.pairwise(values)) == facts.resets


def test_every_kind_of_defect_occurs(tmp_path: Path) -> None:
    truth = generate(tmp_path, days=4, seed=5)
    assert set(truth.defects) == {"late", "out_of_order", "repeated", "corrected", "broken"}
    assert min(truth.defects.values()) > 10
    assert truth.expect["points_sent"] > truth.expect["points_stored"] > truth.expect["points_kept"] > 0
    resets = {metric: sum(facts.resets for facts in found.values()) for metric, found in truth.series.items()}
    assert resets["power_energy_wh"] > 0
    assert resets["web_requests"] > 0
    expected = 4 * 24 * 60
    assert all(facts.points < expected for facts in truth.series["web_latency_seconds"].values()), "it has gaps"
    assert {facts.points for facts in truth.series["power_energy_wh"].values()} == {expected}
    assert all(facts.low == facts.high for facts in truth.series["machine_rated_kw"].values())


def test_broken_lines_stay_far_below_the_gate(tmp_path: Path) -> None:
    truth = generate(tmp_path, days=2, seed=1)
    shares = [file["refused_lines"] / file["lines"] for file in truth.files.values()]
    assert 0 < max(shares) < 0.005


def test_a_poison_day_is_broken_and_can_be_repaired(tmp_path: Path) -> None:
    truth = generate(tmp_path, days=2, seed=2, scale=SMALL, poison_day=2)
    assert truth.poison is not None
    _, _, refused = read(tmp_path)
    assert refused >= truth.poison["broken_lines"] > 0.15 * truth.files[truth.poison["file"]]["lines"]
    assert repair(tmp_path).name == "2025-01-02.lp.gz"
    _, sent, refused = read(tmp_path)
    assert (sent, refused) == (truth.expect["points_sent"], truth.expect["refused_lines"])


def test_what_cannot_be_generated_is_refused_with_a_remedy(tmp_path: Path) -> None:
    generate(tmp_path / "once", days=1, scale=SMALL, start=date(2026, 2, 28))
    with pytest.raises(InputError, match="holds an input already"):
        generate(tmp_path / "once", days=1)
    with pytest.raises(InputError, match="no day 9 in 3 days"):
        generate(tmp_path / "new", days=3, poison_day=9)
    with pytest.raises(InputError, match="no poison day"):
        repair(tmp_path / "once")


@pytest.mark.parametrize("text", ["", "[]", '{"format": 2}', '{"format": 1}', '{"format": 1, "series": {"m": 1}}'])
def test_a_damaged_truth_is_named_with_a_remedy(text: str, tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text(text, encoding="utf-8")
    with pytest.raises(VerifyError, match="quintet generate timeseries"):
        Truth.read(tmp_path / FILE_NAME)
