"""What was appended comes out: from memory, from the log after a restart, from blocks, and from all at once."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from batches import ALL, HOUR, QUIET, SECOND, START, batch, expected, found, regular, series, stored

from quintet.timeseries import Batch, LabelTable, Matcher, Options, Store, batch_of, wal
from quintet.timeseries.blockset import BlockSet
from quintet.timeseries.errors import (
    CardinalityError,
    MatcherError,
    PointsRefusedError,
    StoreClosedError,
    StoreError,
    StoreLockedError,
)

A, B = series(host="a"), series(host="b")


def test_points_are_seen_when_append_returns(tmp_path: Path) -> None:
    with Store.open(tmp_path, QUIET) as store:
        assert store.append(batch({A: [(START, 1.5)], B: [(START, 2.5), (START + 1, 3.5)]})) == 3
        assert stored(store) == {A: {START: 1.5}, B: {START: 2.5, START + 1: 3.5}}


def test_points_come_back_from_the_log_after_closing(tmp_path: Path) -> None:
    points = regular(20, 50)
    with Store.open(tmp_path, QUIET) as store:
        store.append(points)
    for _ in range(3):
        with Store.open(tmp_path, QUIET) as store:
            assert stored(store) == expected(points)
            assert store.stats().blocks == 0


def test_appends_after_a_restart_use_the_numbers_of_the_series_from_before(tmp_path: Path) -> None:
    first, second = batch({A: [(START, 1.0)], B: [(START, 2.0)]}), batch({B: [(START + 1, 3.0)], A: [(START + 1, 4.0)]})
    with Store.open(tmp_path, QUIET) as store:
        store.append(first)
    with Store.open(tmp_path, QUIET) as store:
        store.append(second)
    with Store.open(tmp_path, QUIET) as store:
        assert stored(store) == expected(first, second)


def test_points_come_out_of_blocks_and_memory_together(tmp_path: Path) -> None:
    parts = [regular(30, 40, start=START + index * 400 * SECOND, seed=index) for index in range(4)]
    with Store.open(tmp_path, QUIET) as store:
        for part in parts:
            store.append(part)
            if part is not parts[-1]:
                store.flush()
        assert store.stats().blocks == 3
        assert stored(store) == expected(*parts)
    with Store.open(tmp_path, QUIET) as store:
        assert stored(store) == expected(*parts)


def test_the_last_written_of_equal_times_counts_wherever_both_lie(tmp_path: Path) -> None:
    versions = [batch({A: [(START + index, float(version)) for index in range(version, 5)]}) for version in range(5)]
    with Store.open(tmp_path, QUIET) as store:
        for version in versions:
            store.append(version)
            store.flush()
        store.append(batch({A: [(START + 4, 8.0), (START + 4, 9.0)]}))
        wanted = {A: {START: 0.0, START + 1: 1.0, START + 2: 2.0, START + 3: 3.0, START + 4: 9.0}}
        assert stored(store) == wanted
        store.compact()
        assert stored(store) == wanted


def test_a_full_head_becomes_a_block_and_its_log_goes(tmp_path: Path) -> None:
    options = Options(head_points=1000, background=False)
    with Store.open(tmp_path, options) as store:
        parts = [regular(10, 60, start=START + index * 600 * SECOND, seed=index) for index in range(4)]
        for part in parts:
            store.append(part)
        stats = store.stats()
        assert (stats.blocks, stats.points_blocks, stats.points_head) == (2, 2400, 0)
        assert stats.bytes_wal < 100
        assert stored(store) == expected(*parts)


def test_the_first_and_the_last_nanosecond_of_time_can_be_stored(tmp_path: Path) -> None:
    low, high = ALL
    edges = batch({A: [(high - 1, 1.0), (0, 2.0), (low, 3.0), (-1, 4.0)]})
    with Store.open(tmp_path, QUIET) as store:
        store.append(edges)
        for _ in range(2):
            assert stored(store) == expected(edges)
            assert found(store.scan([], low - 5, high + 5)) == expected(edges)
            store.flush()
            store.compact()


def test_points_out_of_order_and_of_every_bit_pattern_are_kept(tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    times = START + random.permutation(5000)
    bits = random.integers(0, 2**64 - 1, 5000, np.uint64)
    with Store.open(tmp_path, QUIET) as store:
        store.append(Batch((A,), np.zeros(5000, np.uint32), times, bits.view(np.float64)))
        for _ in range(2):
            scan = store.scan([], *ALL)
            order = np.argsort(times)
            np.testing.assert_array_equal(scan.timestamps, times[order])
            np.testing.assert_array_equal(scan.values.view(np.uint64), bits[order])
            store.flush()
            store.compact()


@pytest.mark.parametrize("flushed", [False, True])
def test_intervals_are_half_open(tmp_path: Path, flushed: bool) -> None:
    with Store.open(tmp_path, QUIET) as store:
        store.append(batch({A: [(START + index, float(index)) for index in range(10)]}))
        if flushed:
            store.flush()
        assert found(store.scan([], START + 2, START + 4)) == {A: {START + 2: 2.0, START + 3: 3.0}}
        assert found(store.scan([], START + 10, START + 20)) == {}
        assert found(store.scan([], START, START)) == {}


MATCHERS = [
    ([Matcher("host", "=", "a")], {"a"}),
    ([Matcher("host", "!=", "a")], {"b", "ab", ""}),
    ([Matcher("host", "=~", "a|b")], {"a", "b"}),
    ([Matcher("host", "=~", "a.*")], {"a", "ab"}),
    ([Matcher("host", "!~", "a.*")], {"b", ""}),
    ([Matcher("host", "=", "")], {""}),
    ([Matcher("host", "!=", "")], {"a", "b", "ab"}),
    ([Matcher("host", "=~", ".*")], {"a", "b", "ab", ""}),
    ([Matcher("absent", "=", "")], {"a", "b", "ab", ""}),
    ([Matcher("absent", "=~", ".+")], set()),
    ([Matcher("__name__", "=", "temperature"), Matcher("host", "=~", ".*b")], {"b", "ab"}),
    ([Matcher("__name__", "=", "other")], set()),
]


@pytest.mark.parametrize("flushed", [False, True])
@pytest.mark.parametrize(("matchers", "hosts"), MATCHERS)
def test_matchers_mean_what_they_mean_in_prometheus(
    tmp_path: Path, matchers: list[Matcher], hosts: set[str], flushed: bool
) -> None:
    with Store.open(tmp_path, QUIET) as store:
        store.append(batch({series(host=host): [(START, 1.0)] for host in ("a", "b", "ab", "")}))
        if flushed:
            store.flush()
        assert {dict(labels).get("host", "") for labels in store.series(matchers, *ALL)} == hosts
        assert {dict(labels).get("host", "") for labels in store.scan(matchers, *ALL).labels} == hosts


def test_a_matcher_that_does_not_compile_is_refused(tmp_path: Path) -> None:
    with Store.open(tmp_path, QUIET) as store:
        store.append(batch({A: [(START, 1.0)]}))
        with pytest.raises(MatcherError, match="does not compile"):
            store.scan([Matcher("host", "=~", "(")], *ALL)


def test_a_scan_touches_only_blocks_and_chunks_of_its_interval_and_series(tmp_path: Path) -> None:
    with Store.open(tmp_path, QUIET) as store:
        for index in range(3):
            store.append(regular(50, 10, start=START + index * HOUR, seed=index))
            store.flush()
        wanted = [Matcher("sensor", "=", "s0007")]
        stats = store.explain(wanted, START + HOUR, START + 2 * HOUR)
        assert stats == store.scan(wanted, START + HOUR, START + 2 * HOUR).stats
        assert (stats.blocks_total, stats.blocks_read, stats.chunks_total, stats.chunks_read) == (3, 1, 150, 1)
        assert (stats.points, stats.head_points) == (10, 0)
        assert 0 < stats.bytes_read < 200


def test_a_query_gives_arrow_columns(tmp_path: Path) -> None:
    with Store.open(tmp_path, QUIET) as store:
        store.append(batch({A: [(START, 1.5)], B: [(START, 2.5)]}))
        assert store.query([Matcher("host", "=", "b")], *ALL).to_pylist() == [
            {
                "series": 'temperature{host="b"}',
                "labels": [("__name__", "temperature"), ("host", "b")],
                "timestamp": store.query([], *ALL)["timestamp"][0].as_py(),
                "value": 2.5,
            }
        ]
        assert str(store.query([], *ALL)["timestamp"].type) == "timestamp[ns, tz=UTC]"


@pytest.mark.parametrize("plain", [False, True])
def test_arrow_columns_of_a_query_can_be_appended(tmp_path: Path, plain: bool) -> None:
    points = [regular(7, 30), batch({A: [(START, -0.0), (START + 1, float("inf"))]})]
    with Store.open(tmp_path / "one", QUIET) as one, Store.open(tmp_path / "other", QUIET) as other:
        for part in points:
            one.append(part)
        table = one.query([], *ALL)
        if plain:
            maps = pa.array([list(row) for row in table["labels"].to_pylist()], pa.map_(pa.string(), pa.string()))
            table = table.set_column(1, "labels", maps).drop_columns("series")
        halves = pa.concat_tables([table.slice(100), table.slice(0, 100)])
        assert other.append(batch_of(halves)) == table.num_rows
        assert stored(other) == expected(*points)
    assert len(batch_of(table.slice(0, 0))) == 0


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"labels": None}, "Give the columns labels, timestamp and value"),
        ({"timestamp": pa.array(["now"])}, "the table is none of points"),
        ({"value": pa.array([None], pa.float64())}, "has nulls"),
        ({"labels": pa.array([[("a", "")]], pa.map_(pa.string(), pa.string()))}, "name no series"),
    ],
)
def test_a_table_that_is_none_of_points_is_refused(changed: dict[str, Any], told: str) -> None:
    columns = {
        "labels": pa.array([[("a", "b")]], pa.map_(pa.string(), pa.string())),
        "timestamp": pa.array([1], pa.timestamp("s")),
        "value": pa.array([1]),
    }
    good = batch_of(pa.table(columns))
    assert (good.labels, good.timestamps.tolist(), good.values.tolist()) == (((("a", "b"),),), [SECOND], [1.0])
    with pytest.raises(PointsRefusedError, match=told):
        batch_of(pa.table({name: column for name, column in {**columns, **changed}.items() if column is not None}))


def test_labels_and_cardinality_count_what_memory_and_blocks_hold(tmp_path: Path) -> None:
    with Store.open(tmp_path, QUIET) as store:
        store.append(batch({A: [(START, 1.0)], series("load", host="a"): [(START, 1.0)]}))
        store.flush()
        store.append(batch({B: [(START, 1.0)], A: [(START + 1, 1.0)]}))
        assert store.label_names() == ["__name__", "host"]
        assert store.label_values("host") == ["a", "b"]
        figures = store.cardinality()
        assert (figures.series, figures.by_metric) == (3, {"temperature": 2, "load": 1})
        assert figures.by_label == {"__name__": 2, "host": 2}
        assert store.stats().series == 3


def test_a_batch_that_would_make_too_many_series_is_refused_whole(tmp_path: Path) -> None:
    with Store.open(tmp_path, Options(max_series=2, background=False)) as store:
        store.append(batch({A: [(START, 1.0)]}))
        store.flush()
        store.append(batch({B: [(START, 1.0)], A: [(START + 1, 2.0)]}))
        before = stored(store)
        with pytest.raises(CardinalityError, match="metric 'load'") as refusal:
            store.append(batch({A: [(START + 2, 1.0)], series("load"): [(START, 1.0)]}))
        assert refusal.value.metric == "load"
        assert stored(store) == before
    with Store.open(tmp_path, Options(max_series=2, background=False)) as store, pytest.raises(CardinalityError):
        store.append(batch({series("load"): [(START, 1.0)]}))


BAD = {
    "lengths": Batch((A,), np.zeros(2, np.uint32), np.zeros(1, np.int64), np.zeros(1)),
    "series": Batch((A,), np.ones(1, np.uint32), np.zeros(1, np.int64), np.zeros(1)),
    "time": Batch((A,), np.zeros(1, np.uint32), np.full(1, 2**63 - 1), np.zeros(1)),
    "order": Batch(((("b", "1"), ("a", "1")),), np.zeros(1, np.uint32), np.zeros(1, np.int64), np.zeros(1)),
    "no labels": Batch(((),), np.zeros(1, np.uint32), np.zeros(1, np.int64), np.zeros(1)),
    "no text": Batch(((("a", "\udc80"),),), np.zeros(1, np.uint32), np.zeros(1, np.int64), np.zeros(1)),
}


def of_table(table: LabelTable, *points: tuple[int, int, float]) -> Batch:
    """Points as (number in the table, time, value)."""
    columns = [np.array(column) for column in zip(*points, strict=True)]
    return Batch(table, columns[0].astype(np.uint32), columns[1].astype(np.int64), columns[2].astype(np.float64))


def test_of_a_table_of_labels_the_series_with_points_are_made_whatever_is_flushed_between(tmp_path: Path) -> None:
    table = LabelTable()
    for index in range(5):
        table.add(series(sensor=str(index)))
    batches = [of_table(table, (1, START, 1.0), (3, START, 2.0)), of_table(table, (3, START + 1, 3.0))]
    with Store.open(tmp_path, QUIET) as store:
        for one in batches:
            store.append(one)
        assert store.stats().series == 2
        store.flush()
        table.add(series(sensor="5"))
        other = LabelTable()
        other.add(series(sensor="of another table"))
        batches += [of_table(table, (5, START, 4.0), (1, START + 2, 5.0)), of_table(other, (0, START, 6.0))]
        for one in batches[2:]:
            store.append(one)
        assert store.stats().series == 4
        assert stored(store) == expected(*batches)
    with Store.open(tmp_path, QUIET) as store:
        assert stored(store) == expected(*batches)


def test_a_table_with_a_series_too_many_goes_on_with_the_others(tmp_path: Path) -> None:
    table = LabelTable()
    for index in range(3):
        table.add(series(sensor=str(index)))
    with Store.open(tmp_path, replace(QUIET, max_series=2)) as store:
        first = of_table(table, (0, START, 1.0), (1, START, 1.0))
        store.append(first)
        with pytest.raises(CardinalityError):
            store.append(of_table(table, (1, START + 1, 2.0), (2, START + 1, 2.0)))
        second = of_table(table, (0, START + 2, 3.0))
        store.append(second)
        assert stored(store) == expected(first, second), "nothing of the refused batch is there"


def test_a_batch_narrowed_to_its_own_series_is_the_same_points() -> None:
    table = LabelTable()
    for index in range(9):
        table.add(series(sensor=str(index)))
    whole = of_table(table, (7, START, 1.0), (2, START, 2.0), (7, START + 1, 3.0))
    narrow = whole.narrowed()
    assert narrow.labels == (table[2], table[7])
    assert expected(narrow) == expected(whole)
    assert narrow.narrowed() is narrow


@pytest.mark.parametrize("name", BAD)
def test_a_malformed_batch_is_refused_whole(tmp_path: Path, name: str) -> None:
    with Store.open(tmp_path, QUIET) as store:
        with pytest.raises(PointsRefusedError):
            store.append(BAD[name])
        assert stored(store) == {}
    with Store.open(tmp_path, QUIET) as store:
        assert stored(store) == {}


def test_points_older_than_the_window_are_refused_and_counted(tmp_path: Path) -> None:
    with Store.open(tmp_path, Options(out_of_order_window=HOUR, background=False)) as store:
        store.append(batch({A: [(START, 1.0)]}))
        accepted = store.append(batch({A: [(START - HOUR - 1, 2.0), (START - HOUR, 3.0), (START + 1, 4.0)]}))
        assert accepted == 2
        assert stored(store) == {A: {START - HOUR: 3.0, START: 1.0, START + 1: 4.0}}
        assert store.stats().refused_points == 1


def test_a_second_opener_is_told_who_has_the_store(tmp_path: Path) -> None:
    with Store.open(tmp_path, QUIET), pytest.raises(StoreLockedError, match="is open in process"):
        Store.open(tmp_path, QUIET)
    Store.open(tmp_path, QUIET).close()


def test_a_closed_store_refuses_work(tmp_path: Path) -> None:
    store = Store.open(tmp_path, QUIET)
    store.close()
    store.close()
    with pytest.raises(StoreClosedError):
        store.append(batch({A: [(START, 1.0)]}))
    with pytest.raises(StoreClosedError):
        store.scan([], *ALL)


@pytest.mark.parametrize("durability", ["batch", "interval"])
def test_threads_append_and_read_while_blocks_are_written_and_merged(tmp_path: Path, durability: str) -> None:
    options = Options(head_points=3000, merge_blocks=2, durability=durability, interval_ms=5)  # type: ignore[arg-type]
    batches = {
        worker: [regular(10, 20, start=START + index * HOUR, seed=worker * 100 + index) for index in range(40)]
        for worker in range(4)
    }
    for worker, own in batches.items():
        labels = tuple(series(worker=str(worker), sensor=str(index)) for index in range(10))
        batches[worker] = [Batch(labels, one.series, one.timestamps, one.values) for one in own]
    stop = threading.Event()
    with Store.open(tmp_path, options) as store:

        def write(worker: int) -> None:
            for index, one in enumerate(batches[worker]):
                store.append(one)
                mine = store.scan([Matcher("worker", "=", str(worker))], *ALL)
                assert len(mine.timestamps) == 200 * (index + 1), "own writes are seen"

        def read() -> int:
            seen = 0
            while not stop.is_set():
                now = len(store.scan([], *ALL).timestamps)
                assert now >= seen, "nothing that was seen goes away"
                seen = now
            return seen

        with ThreadPoolExecutor(5) as pool:
            reader = pool.submit(read)
            for done in [pool.submit(write, worker) for worker in batches]:
                done.result()
            stop.set()
            reader.result()
        wanted = expected(*[one for own in batches.values() for one in own])
        assert stored(store) == wanted
        assert store.stats().trouble == ""
    with Store.open(tmp_path, options) as store:
        assert stored(store) == wanted


def test_a_full_disk_is_trouble_that_is_told_and_ends_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    parts = [regular(10, 20, start=START + index * HOUR, seed=index) for index in range(9)]
    with Store.open(tmp_path, Options(head_points=400)) as store:
        with monkeypatch.context() as patch:
            patch.setattr(BlockSet, "add", full)
            with pytest.raises(StoreError, match=r"its memory is full: .*No space left on device"):
                list(map(store.append, parts))
            assert "No space left" in store.stats().trouble
            there = len(store.scan([], *ALL).timestamps)
            assert there >= 800, "what was accepted can be read"
        store.flush()
        store.append(parts[-1])
        store._worker.wake()
        assert len(store.scan([], *ALL).timestamps) == there + 200
    with Store.open(tmp_path, QUIET) as store:
        assert len(store.scan([], *ALL).timestamps) == there + 200


def test_threads_share_a_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = wal.os.fdatasync

    def slow(descriptor: int) -> None:
        time.sleep(0.002)  # as on a disk: on a file system in memory no thread would have to wait for another
        synced(descriptor)

    monkeypatch.setattr(wal.os, "fdatasync", slow)
    with Store.open(tmp_path, QUIET) as store, ThreadPoolExecutor(16) as pool:
        one = batch({A: [(START, 1.0)]})
        list(pool.map(lambda _: store.append(one), range(400)))
        assert 0 < store.stats().wal_syncs < 400
