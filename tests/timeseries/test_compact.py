"""Compaction, deletion, retention, tiers and snapshots change where points lie, never which ones are there."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from batches import ALL, HOUR, QUIET, START, Points, batch, expected, found, regular, series, stored
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quintet.timeseries import Batch, Matcher, Store
from quintet.timeseries.errors import StoreError

A, B = series(host="a"), series(host="b")
#: Windows of one, four and sixteen hours.
OPTIONS = replace(QUIET, block_span=HOUR, level_factor=4, levels=3)


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("**/*.block")}


def hours(store: Store, count: int, *, each: int = 2) -> list[Batch]:
    """Append an hour after the other, each in `each` flushes."""
    parts = []
    for index in range(count * each):
        part = regular(8, 30, start=START + index * HOUR // each, step=HOUR // each // 30, seed=index)
        parts.append(part)
        store.append(part)
        store.flush()
    return parts


def test_blocks_of_one_window_become_one_and_their_files_go(tmp_path: Path) -> None:
    with Store.open(tmp_path, OPTIONS) as store:
        parts = hours(store, 2, each=3)
        before = files(tmp_path)
        report = store.compact()
        assert (report.blocks_in, report.blocks_out, report.points) == (6, 2, 2 * 3 * 8 * 30)
        assert report.bytes_out < report.bytes_in
        assert store.stats().blocks_by_level == {1: 2}
        assert len(before) == 6
        assert not files(tmp_path) & before
        assert stored(store) == expected(*parts)
        assert store.compact().blocks_in == 0, "nothing is left to do"
    with Store.open(tmp_path, OPTIONS) as store:
        assert stored(store) == expected(*parts)


def test_windows_that_are_over_are_merged_to_wider_ones(tmp_path: Path) -> None:
    with Store.open(tmp_path, OPTIONS) as store:
        parts = hours(store, 38, each=1)
        store.compact()
        levels = store.stats().blocks_by_level
        assert levels[3] == 2
        assert sum(levels.values()) <= 2 + 3 + 4
        assert stored(store) == expected(*parts)


def test_a_late_point_goes_into_the_wide_block_of_its_time(tmp_path: Path) -> None:
    with Store.open(tmp_path, OPTIONS) as store:
        parts = hours(store, 38, each=1)
        store.compact()
        late = batch({parts[0].labels[0]: [(START + 1, -1.0), (int(parts[0].timestamps[0]), -2.0)]})
        store.append(late)
        store.flush()
        before = store.stats().blocks_by_level
        report = store.compact()
        assert (report.blocks_in, report.blocks_out) == (2, 1)
        assert store.stats().blocks_by_level == {level: count for level, count in before.items() if level}
        assert stored(store) == expected(*parts, late)


def test_history_far_back_in_one_batch_is_cut_to_its_windows(tmp_path: Path) -> None:
    times = START - np.arange(100) * 30 * 24 * HOUR
    history = Batch((A,), np.zeros(100, np.uint32), times, np.arange(100.0))
    with Store.open(tmp_path, OPTIONS) as store:
        store.append(history)
        store.flush()
        assert store.stats().blocks <= 16
        store.compact()
        assert store.stats().blocks <= 100
        assert stored(store) == expected(history)
        stats = store.explain([], START - 60 * 24 * HOUR, START)
        assert stats.blocks_read == 2


@pytest.mark.parametrize("flushed", [False, True])
def test_deleted_points_are_gone_at_once_and_after_everything_that_follows(tmp_path: Path, flushed: bool) -> None:
    points = batch({A: [(START + index, 1.0) for index in range(10)], B: [(START + index, 2.0) for index in range(10)]})
    wanted = {
        A: {START + index: 1.0 for index in range(10) if not 3 <= index < 6},
        B: {START + index: 2.0 for index in range(10)},
    }
    with Store.open(tmp_path, OPTIONS) as store:
        store.append(points)
        if flushed:
            store.flush()
        assert store.delete([Matcher("host", "=", "a")], START + 3, START + 6) == 1
        assert stored(store) == wanted
        assert store.stats().tombstones == 1
    with Store.open(tmp_path, OPTIONS) as store:
        assert stored(store) == wanted
        store.compact()
        assert stored(store) == wanted
        assert (store.stats().tombstones, store.stats().points_blocks) == (0, 17)


def test_points_appended_after_a_deletion_stay(tmp_path: Path) -> None:
    with Store.open(tmp_path, OPTIONS) as store:
        store.append(batch({A: [(START, 1.0), (START + 1, 1.0)]}))
        store.delete([], START, START + 2)
        store.append(batch({A: [(START, 2.0)]}))
        assert stored(store) == {A: {START: 2.0}}
        store.flush()
        assert stored(store) == {A: {START: 2.0}}
        store.compact()
        assert stored(store) == {A: {START: 2.0}}


def test_a_deleted_series_is_no_longer_listed_and_not_read(tmp_path: Path) -> None:
    with Store.open(tmp_path, OPTIONS) as store:
        store.append(batch({A: [(START, 1.0)], B: [(START, 1.0)]}))
        store.delete([Matcher("host", "=", "a")], *ALL)
        assert store.series([], *ALL) == [B]
        assert store.explain([], *ALL).chunks_read == 1
        assert store.delete([Matcher("host", "=", "nobody")], *ALL) == 0
        store.delete([], *ALL)
        store.compact()
        assert (store.stats().blocks, store.stats().series, stored(store)) == (0, 0, {})


def test_a_tombstone_of_blocks_that_are_compacted_already_takes_their_points_off_the_disk(tmp_path: Path) -> None:
    with Store.open(tmp_path, OPTIONS) as store:
        hours(store, 2, each=1)
        store.compact()
        store.delete([Matcher("sensor", "=~", "s000[0-3]")], *ALL)
        report = store.compact()
        assert (report.blocks_in, report.points) == (2, 2 * 4 * 30)
        assert store.stats().tombstones == 0


def test_retention_removes_blocks_that_are_wholly_older(tmp_path: Path) -> None:
    with Store.open(tmp_path, replace(OPTIONS, retention=3 * HOUR)) as store:
        parts = hours(store, 6, each=1)
        assert store.retain(START + 6 * HOUR) == 3
        assert stored(store) == expected(*parts[3:])
        assert len(files(tmp_path)) == 3


def test_old_blocks_move_to_the_warm_folder_and_are_read_there(tmp_path: Path) -> None:
    options = replace(OPTIONS, warm=tmp_path / "warm", warm_after=2 * HOUR)
    with Store.open(tmp_path / "store", options) as store:
        parts = hours(store, 4, each=1)
        assert store.move_tiers(START + 4 * HOUR) == 2
        assert store.stats().blocks_by_tier == {"warm": 2, "hot": 2}
        assert len(files(tmp_path / "warm")) == len(files(tmp_path / "store")) == 2
        assert stored(store) == expected(*parts)
    with pytest.raises(StoreError, match=r"lies in the tier 'warm'.*Options\(warm=folder\)"):
        Store.open(tmp_path / "store", OPTIONS)
    with Store.open(tmp_path / "store", options) as store:
        assert stored(store) == expected(*parts)
        store.snapshot(tmp_path / "snapshot")
    with Store.open(tmp_path / "snapshot", OPTIONS) as store:
        assert stored(store) == expected(*parts)


def test_a_snapshot_is_a_store_and_a_restore_shares_no_file_with_it(tmp_path: Path) -> None:
    with Store.open(tmp_path / "store", OPTIONS) as store:
        first, second = regular(5, 50), regular(5, 50, start=START + HOUR)
        store.append(first)
        store.snapshot(tmp_path / "snapshot")
        store.append(second)
        store.compact()
    Store.restore(tmp_path / "snapshot", tmp_path / "restored")
    shutil.rmtree(tmp_path / "snapshot")
    with Store.open(tmp_path / "restored", OPTIONS) as store:
        assert stored(store) == expected(first)
        store.append(second)
        assert stored(store) == expected(first, second)


def test_readers_keep_what_they_planned_while_blocks_are_replaced(tmp_path: Path) -> None:
    with Store.open(tmp_path, OPTIONS) as store:
        parts = hours(store, 2)
        reading = store._read([], *ALL)
        store.delete([], *ALL)
        store.compact()
        assert stored(store) == {}
        assert found(reading.scan()) == expected(*parts)


def test_a_block_that_no_manifest_names_is_removed_at_open(tmp_path: Path) -> None:
    with Store.open(tmp_path, OPTIONS) as store:
        parts = hours(store, 1)
    stray = tmp_path / "blocks" / "0000000099.block"
    stray.write_bytes(b"half")
    (tmp_path / "blocks" / "0000000098.block.tmp").write_bytes(b"half")
    with Store.open(tmp_path, OPTIONS) as store:
        assert stored(store) == expected(*parts)
    assert not stray.exists()
    assert not list(tmp_path.glob("blocks/*.tmp"))


SERIES = [series(host=host, role=role) for host in "abc" for role in ("x", "y")]
POINT = st.tuples(st.integers(0, 5), st.integers(0, 40), st.integers(0, 9))
STEP = st.one_of(
    st.lists(POINT, min_size=1, max_size=30).map(lambda points: ("append", points)),
    st.sampled_from([("flush", None), ("compact", None), ("reopen", None)]),
    st.tuples(st.sampled_from("abc"), st.integers(0, 40), st.integers(1, 20)).map(lambda what: ("delete", what)),
)
#: Times of the steps are quarters of an hour: ten hours, ten windows.
QUARTER = HOUR // 4


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STEP, min_size=1, max_size=25))
def test_any_sequence_of_work_leaves_what_a_plain_mapping_would(tmp_path: Path, steps: list) -> None:  # type: ignore[type-arg]
    folder = tmp_path / "store"
    shutil.rmtree(folder, ignore_errors=True)
    model: Points = {}
    store = Store.open(folder, replace(OPTIONS, head_points=50))
    try:
        for verb, what in steps:
            if verb == "append":
                one = Batch(
                    tuple(SERIES),
                    np.array([index for index, _, _ in what], np.uint32),
                    np.array([START + time * QUARTER for _, time, _ in what], np.int64),
                    np.array([float(value) for _, _, value in what]),
                )
                store.append(one)
                for labels, points in expected(one).items():
                    model.setdefault(labels, {}).update(points)
            elif verb == "delete":
                host, start, length = what
                low, high = START + start * QUARTER, START + (start + length) * QUARTER
                store.delete([Matcher("host", "=", host)], low, high)
                for labels in [labels for labels in model if ("host", host) in labels]:
                    model[labels] = {time: one for time, one in model[labels].items() if not low <= time < high}
            elif verb == "reopen":
                store.close()
                store = Store.open(folder, replace(OPTIONS, head_points=50))
            else:
                getattr(store, verb)()
            model = {labels: points for labels, points in model.items() if points}
            assert stored(store) == model
        low, high = START + 7 * QUARTER, START + 23 * QUARTER
        cut = {key: {time: one for time, one in points.items() if low <= time < high} for key, points in model.items()}
        assert found(store.scan([], low, high)) == {key: points for key, points in cut.items() if points}
    finally:
        store.close()


def test_blocks_shrink_sensor_data_more_than_ten_times(tmp_path: Path) -> None:
    with Store.open(tmp_path, replace(QUIET, block_span=24 * HOUR)) as store:
        store.append(regular(50, 4000))
        store.flush()
        store.compact()
        stats = store.stats()
        assert 16 * stats.points_blocks / stats.bytes_blocks > 25
