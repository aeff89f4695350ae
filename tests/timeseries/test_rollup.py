"""Rollups: what they answer is what the points answer, whatever happened between, and outlives the points."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from batches import ALL, HOUR, MINUTE, QUIET, SECOND, START, batch, found, regular, series
from naive_store import NaiveStore
from services import served
from test_corruption import DAMAGES
from test_downsample import assert_alike, buckets, rows

from quintet.timeseries import Batch, Matcher, Options, Rollup, Store, backup
from quintet.timeseries.errors import CorruptionError, PointsRefusedError
from quintet.timeseries.model import DAY, MAX_TIME, MIN_TIME

A = series(host="a")
LABELS = tuple(series(metric, host=f"h{host}") for metric in ("cpu", "memory") for host in range(4))
ROLLUPS = (Rollup(HOUR), Rollup(4 * HOUR), Rollup(5 * MINUTE), Rollup(DAY))
OPTIONS = replace(QUIET, head_points=500, block_span=6 * HOUR, level_factor=3, segment_bytes=20_000, rollups=ROLLUPS)
MATCHERS = [
    [],
    [Matcher("__name__", "=", "cpu")],
    [Matcher("host", "!=", "h1"), Matcher("zone", "=", "")],
    [Matcher("host", "=~", "h[0-2]")],
]
#: 2023-11-14T00:00:00Z
BEGIN = START // DAY * DAY
DAYS = 8


def random_batch(random: np.random.Generator, since: int) -> Batch:
    """Values of any bits, times in and out of order within some days, some of them twice."""
    count = int(random.integers(1, 300))
    values = random.integers(0, 2**64 - 1, count, np.uint64, endpoint=True)
    plain = random.random(count) < 0.9
    values[plain] = np.round(random.normal(20, 5, int(plain.sum())), 1).view(np.uint64)
    times = BEGIN + random.integers(0, DAYS * 24 * 12, count) * 5 * MINUTE + random.integers(0, 3, count) * MINUTE
    late = random.random() < 0.5
    if late:  # within one day, as late points are
        times = BEGIN + int(random.integers(0, DAYS)) * DAY + times % DAY
    times = np.maximum(times, since)
    return Batch(LABELS, random.integers(0, len(LABELS), count).astype(np.uint32), times, values.view(np.float64))


def interval(random: np.random.Generator) -> tuple[int, int]:
    start, length = random.integers(0, DAYS * 24), random.integers(1, 60)
    return int(BEGIN + start * HOUR), int(BEGIN + (start + length) * HOUR)


def compare(store: Store, naive: NaiveStore, random: np.random.Generator) -> int:
    """Ask both; how often a rollup answered."""
    rolled = 0
    for matchers in MATCHERS:
        for step in (5 * MINUTE, HOUR, 2 * HOUR, 8 * HOUR, DAY):
            low, high = (BEGIN - DAY, BEGIN + (DAYS + 1) * DAY) if random.random() < 0.3 else interval(random)
            wanted = found(naive.scan(matchers, low // step * step, -(-high // step) * step))
            assert_alike(rows(store.downsample(matchers, low, high, step)), buckets(wanted, step))
            rolled += sum(one.source != "raw" for one in store.explain_downsample(matchers, low, high, step))
    return rolled


@pytest.mark.parametrize("background", [False, True])
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in (1, 2))])
def test_after_random_work_the_answer_is_that_of_the_points(tmp_path: Path, seed: int, background: bool) -> None:
    random = np.random.default_rng(seed)
    options = replace(OPTIONS, background=background, merge_blocks=3)
    naive = NaiveStore()
    store = Store.open(tmp_path, options)
    kinds = ["append", "delete", "flush", "compact", "roll up", "reopen", "retain"]
    since, rolled = BEGIN, 0
    try:
        for _ in range(60):
            match random.choice(kinds, p=[0.5, 0.1, 0.08, 0.08, 0.16, 0.06, 0.02]):
                case "append":
                    one = random_batch(random, since)
                    assert store.append(one) == naive.append(one)
                case "delete":
                    what = (MATCHERS[random.integers(0, len(MATCHERS))], *interval(random))
                    # Of points that are gone, whole buckets of every rollup are deleted.
                    low, high = (time if time >= since else time // DAY * DAY for time in what[1:])
                    store.delete(what[0], low, high)
                    naive.delete(what[0], low, high)
                case "flush":
                    store.flush()
                case "compact":
                    store.compact()
                case "roll up":
                    store.roll_up()
                    assert store.roll_up() == dict.fromkeys(("86400s", "14400s", "3600s", "300s"), 0)
                case "reopen":
                    store.close()
                    store = Store.open(tmp_path, options)
                case "retain":
                    since = max(since, BEGIN + int(random.integers(0, 3)) * DAY)
                    store.hide_before(since)
            if random.random() < 0.3:
                rolled += compare(store, naive, random)
        store.flush()
        store.roll_up()
        rolled += compare(store, naive, random)
        store.compact()
        compare(store, naive, random)
        assert store.stats().trouble == ""
        assert rolled > 20, "rollups have answered"
        assert all(time >= since for points in found(store.scan([], *ALL)).values() for time in points)
    finally:
        store.close()


DAILY = replace(QUIET, rollups=(Rollup(HOUR),))


def days(count: int, *, first: int = 0) -> Batch:
    return regular(4, count * 1440, start=BEGIN + first * DAY, step=MINUTE, seed=first)


def sources(store: Store, low: int, high: int, step: int = HOUR) -> list[tuple[str, int, int]]:
    """(source, first day, last day) of what would be read."""
    return [
        (one.source, (one.start - BEGIN) // DAY, (one.end - BEGIN) // DAY)
        for one in store.explain_downsample([], BEGIN + low * DAY, BEGIN + high * DAY, step)
    ]


def test_days_that_are_over_are_read_from_the_coarsest_rollup_that_fits_and_the_newest_from_points(
    tmp_path: Path,
) -> None:
    with Store.open(tmp_path, replace(QUIET, rollups=(Rollup(HOUR), Rollup(4 * HOUR)))) as store:
        store.append(days(3))
        assert sources(store, 0, 3) == [("raw", 0, 3)]
        assert store.roll_up() == {"14400s": 2, "3600s": 2}
        assert sources(store, 0, 3, HOUR) == [("3600s", 0, 2), ("raw", 2, 3)]
        assert sources(store, 0, 3, 8 * HOUR) == [("14400s", 0, 2), ("raw", 2, 3)]
        assert sources(store, 0, 3, 30 * MINUTE) == [("raw", 0, 3)]
        assert sources(store, 0, 1, HOUR) == [("3600s", 0, 1)]
        (touched,) = store.explain_downsample([], BEGIN, BEGIN + DAY, HOUR)
        assert 0 < touched.stats.points + touched.stats.head_points < 2 * 4 * 24 * 8, "few points stand for many"
        assert store.stats().rollup_points > 0


def test_only_what_changed_is_computed_anew_and_read_from_points_until_then(tmp_path: Path) -> None:
    with Store.open(tmp_path, DAILY) as store:
        store.append(days(5))
        assert store.roll_up() == {"3600s": 4}
        store.append(batch({series(sensor="s0000", room="r0"): [(BEGIN + DAY + 5, 99.0)]}))
        assert sources(store, 0, 5) == [("3600s", 0, 1), ("raw", 1, 2), ("3600s", 2, 4), ("raw", 4, 5)]
        store.flush()
        assert sources(store, 0, 5) == [("3600s", 0, 1), ("raw", 1, 2), ("3600s", 2, 4), ("raw", 4, 5)]
        assert store.roll_up() == {"3600s": 1}
        store.delete([Matcher("sensor", "=", "s0001")], BEGIN + 2 * DAY, BEGIN + 2 * DAY + 1)
        assert sources(store, 2, 3) == [("raw", 2, 3)]
        store.compact()
        assert sources(store, 2, 3) == [("raw", 2, 3)]
        assert store.roll_up() == {"3600s": 1}
        assert sources(store, 0, 5) == [("3600s", 0, 4), ("raw", 4, 5)]
        store.delete([Matcher("sensor", "=", "s0001")], *ALL)
        store.delete([Matcher("sensor", "=", "s0009")], *ALL)
        assert sources(store, 0, 5) == [("3600s", 0, 4), ("raw", 4, 5)], "whole days need no computing"
        wanted = buckets(found(store.scan([], *ALL)), HOUR)
        assert not any("s0001" in name for name, _ in wanted)
        assert_alike(rows(store.downsample([], *ALL, HOUR)), wanted)


def test_merging_blocks_leaves_rollups_up_to_date(tmp_path: Path) -> None:
    options = replace(DAILY, block_span=6 * HOUR, level_factor=4)
    with Store.open(tmp_path, options) as store:
        for day in range(9):
            store.append(days(1, first=day))
            store.flush()
        assert store.roll_up() == {"3600s": 8}
        store.append(batch({series(sensor="s0000", room="r0"): [(BEGIN + 3 * DAY, 99.0)]}))
        store.flush()
        assert store.compact().blocks_in >= 9
        assert max(store.stats().blocks_by_level) > 1, "blocks of several days"
        assert sources(store, 0, 9) == [("3600s", 0, 3), ("raw", 3, 4), ("3600s", 4, 8), ("raw", 8, 9)]
        assert store.roll_up() == {"3600s": 1}
        assert_alike(rows(store.downsample([], *ALL, HOUR)), buckets(found(store.scan([], *ALL)), HOUR))
    with Store.open(tmp_path, options) as store:
        assert store.roll_up() == {"3600s": 0}


def test_what_retention_removes_stays_in_the_rollup_and_a_deletion_takes_it_from_there(tmp_path: Path) -> None:
    now = BEGIN + 10 * DAY
    options = replace(DAILY, retention=4 * DAY, block_span=6 * HOUR)
    with Store.open(tmp_path, options) as store:
        store.append(days(10))
        store.flush()
        store.compact()
        wanted = buckets(found(store.scan([], *ALL)), HOUR)
        assert store.retain(now) > 0
        store.hide_before(now - 4 * DAY - 30 * MINUTE)
        assert min(store.scan([], *ALL).timestamps) == now - 4 * DAY - 30 * MINUTE
        assert_alike(rows(store.downsample([], *ALL, HOUR)), wanted)
    with Store.open(tmp_path, replace(options, rollups=())) as store:
        assert_alike(rows(store.downsample([], *ALL, HOUR)), wanted), "rollups stay though nobody names them"
        store.delete([Matcher("sensor", "=", "s0002")], BEGIN, BEGIN + HOUR + 1)
        left = {key: row for key, row in wanted.items() if "s0002" not in key[0] or key[1] >= BEGIN + 2 * HOUR}
        assert_alike(rows(store.downsample([], *ALL, HOUR)), left)


def test_a_rollup_forgets_what_is_older_than_its_own_retention(tmp_path: Path) -> None:
    with Store.open(tmp_path, replace(QUIET, rollups=(Rollup(HOUR, 3 * DAY),))) as store:
        store.append(days(10))
        store.roll_up()
        store.retain(BEGIN + 10 * DAY)
        assert sources(store, 0, 10) == [("raw", 0, 7), ("3600s", 7, 9), ("raw", 9, 10)]
        assert store.roll_up() == {"3600s": 0}


def test_the_ends_of_time_are_rolled_up(tmp_path: Path) -> None:
    ends = batch({A: [(MIN_TIME, 1.0), (0, 2.0), (MAX_TIME - 1, 3.0)]})
    with Store.open(tmp_path, replace(QUIET, rollups=(Rollup(DAY),))) as store:
        store.append(ends)
        store.roll_up(before=MAX_TIME)
        table = store.downsample([], *ALL, DAY)
        assert table["mean"].to_pylist() == [1.0, 2.0, 3.0]


def test_a_process_that_ends_while_it_rolls_up_leaves_the_points_as_the_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ended(*_: object) -> None:
        raise KeyboardInterrupt

    with Store.open(tmp_path, DAILY) as store:
        store.append(days(3))
        store.roll_up()
        store.append(batch({series(sensor="s0000", room="r0"): [(BEGIN + 5, 99.0)]}))
        with monkeypatch.context() as patch:
            patch.setattr(Store, "append", ended)
            with pytest.raises(KeyboardInterrupt):
                store.roll_up()
        wanted = buckets(found(store.scan([], *ALL)), HOUR)
        assert_alike(rows(store.downsample([], *ALL, HOUR)), wanted)
    with Store.open(tmp_path, DAILY) as store:
        assert_alike(rows(store.downsample([], *ALL, HOUR)), wanted)
        assert store.roll_up() == {"3600s": 1}
        assert_alike(rows(store.downsample([], *ALL, HOUR)), wanted)


@pytest.mark.parametrize("step", [0, 7 * HOUR, SECOND // 2, 36 * HOUR])
def test_a_step_that_does_not_fit_into_days_is_refused(step: int) -> None:
    with pytest.raises(PointsRefusedError, match="does not fit into days"):
        Rollup(step)


def test_a_damaged_rollup_is_told_with_its_file_and_what_to_do(tmp_path: Path) -> None:
    with Store.open(tmp_path, DAILY) as store:
        store.append(days(3))
        store.roll_up()
    for name in ("ROLLED", "MANIFEST"):
        file = tmp_path / "rollups" / "3600s" / name
        content = bytearray(file.read_bytes())
        content[40] ^= 1
        file.write_bytes(content)
        with pytest.raises(CorruptionError, match=f"3600s/{name}, offset 24: the checksum.*") as told:
            Store.open(tmp_path, DAILY)
        assert "rebuild-rollups" in told.value.remedy
        content[40] ^= 1
        file.write_bytes(content)
    Store.open(tmp_path, Options(background=False)).close()


@pytest.mark.parametrize("name", ["ROLLED", "MANIFEST", "blocks/*.block", "wal/*.wal"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_rollup_is_told_or_changes_nothing_and_is_rebuilt_from_points(
    tmp_path: Path, name: str, damage: str
) -> None:
    with Store.open(tmp_path, DAILY) as store:
        store.append(days(3))
        store.roll_up()
        wanted = rows(store.downsample([], *ALL, HOUR))
    file = next((tmp_path / "rollups" / "3600s").glob(name))
    change, _ = DAMAGES[damage]
    change(file, file.stat().st_size // 2)
    error = None
    try:
        with Store.open(tmp_path, DAILY) as store:
            assert_alike(rows(store.downsample([], *ALL, HOUR)), wanted)
    except CorruptionError as caught:
        error = caught
    assert error is None or "3600s" in str(error), "the file is named"
    rollups = backup.set_rollups_aside(tmp_path)
    with Store.open(tmp_path, replace(QUIET, rollups=tuple(rollups))) as store:
        store.roll_up()
        assert_alike(rows(store.downsample([], *ALL, HOUR)), wanted)
        assert sources(store, 0, 2) == [("3600s", 0, 2)]
    assert backup.check(tmp_path) == []


def test_a_snapshot_and_what_is_restored_of_it_have_the_rollups(tmp_path: Path) -> None:
    with Store.open(tmp_path / "store", DAILY) as store:
        store.append(days(5))
        store.hide_before(BEGIN + 2 * DAY)
        wanted = rows(store.downsample([], *ALL, HOUR))
        store.snapshot(tmp_path / "snapshot")
    Store.restore(tmp_path / "snapshot", tmp_path / "restored")
    assert backup.check(tmp_path / "restored") == []
    with Store.open(tmp_path / "restored", QUIET) as store:
        assert_alike(rows(store.downsample([], *ALL, HOUR)), wanted)
        assert sources(store, 0, 2) == [("3600s", 0, 2)]
    flip = next((tmp_path / "snapshot" / "rollups" / "3600s" / "blocks").glob("*.block"))
    content = bytearray(flip.read_bytes())
    content[20] ^= 4
    flip.write_bytes(content)
    with pytest.raises(CorruptionError, match="chunk 0"):
        Store.restore(tmp_path / "snapshot", tmp_path / "other")


def test_over_http_rollups_are_made_and_told_as_the_source(tmp_path: Path) -> None:
    with Store.open(tmp_path, DAILY) as store, served(store) as client:
        store.append(days(3))
        assert client.post("/admin/roll_up").json() == {"windows": {"3600s": 2}}
        asked = {"match[]": "temperature", "start": BEGIN / 1e9, "end": (BEGIN + 3 * DAY) / 1e9, "step": "2h"}
        found = client.get("/api/v1/downsample", params=asked).json()["data"]
    assert [one["source"] for one in found["touched"]] == ["3600s", "raw"]
    assert len(found["rows"]) == 4 * 36
