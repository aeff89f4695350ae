"""From the log to one replica to a question: acknowledged, stored with its offset, read exactly on after a restart."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from batches import ALL, HOUR, QUIET, SECOND, START, Points, batch, expected, found, regular, series
from hypothesis import given, settings
from hypothesis import strategies as st

from quintet.timeseries import Batch, Matcher, Options
from quintet.timeseries.cluster.log import LogReader, LogWriter
from quintet.timeseries.cluster.record import Deletion, encode_batch, encode_deletion
from quintet.timeseries.cluster.replica import Freshness, Replica
from quintet.timeseries.cluster.topics import Settings, Topics, create_topics
from quintet.timeseries.errors import StoreError

SHARDS = 4
A, B = series(host="a"), series(host="b")


@pytest.fixture
def topic(broker: Settings, topics: Topics) -> str:
    create_topics(broker, topics, shards=SHARDS)
    return topics.points


@pytest.fixture
def writer(broker: Settings, topic: str) -> Iterator[LogWriter]:
    made = LogWriter(broker, SHARDS, topic)
    yield made
    made.close()


def read_all(reader: LogReader, replica: Replica, last: int) -> None:
    """Take the shard's records up to an offset."""
    reader.add(replica.shard, replica.position)
    while replica.position <= last:
        for messages in reader.read(100, 1).values():
            replica.take([(one.offset(), one.value()) for one in messages])
    reader.remove(replica.shard)


def test_what_is_acknowledged_is_in_the_replicas(
    tmp_path: Path, broker: Settings, topic: str, writer: LogWriter
) -> None:
    points = regular(40, 50)
    offsets = writer.write(points)
    assert set(offsets) == set(range(SHARDS)), "forty series reach every shard"
    reader = LogReader(broker, topic)
    together: Points = {}
    for shard in range(SHARDS):
        with Replica(tmp_path / str(shard), shard, options=QUIET, topic=topic) as replica:
            read_all(reader, replica, offsets[shard])
            together |= found(replica.scan([], *ALL))
            assert replica.label_names() == ["__name__", "room", "sensor"], "the offset is not seen"
    reader.close()
    assert together == expected(points)


Entry = tuple[int, bytes]


def log_of(*contents: Batch | Deletion | bytes) -> list[Entry]:
    """Records with their offsets, as a partition holds them."""
    records: list[bytes] = []
    for one in contents:
        match one:
            case Batch():
                records += encode_batch(one)
            case Deletion():
                records.append(encode_deletion(one))
            case _:
                records.append(one)
    return list(enumerate(records))


#: Nothing calls bytes of the log synced, so a cut anywhere in it is a torn tail.
UNSYNCED = replace(QUIET, durability="interval", interval_ms=60_000)


def opened(folder: Path, options: Options = QUIET) -> Replica:
    return Replica(folder, 0, options=options, topic="t")


def test_a_replica_goes_on_where_its_store_ends(tmp_path: Path) -> None:
    parts = [regular(5, 20, start=START + index * 200 * SECOND, seed=index) for index in range(6)]
    log = log_of(*parts)
    with opened(tmp_path) as replica:
        replica.take(log[:4])
        replica.store.flush()
    with opened(tmp_path) as replica:
        assert replica.position == 4, "the offset is in a block"
        replica.take(log[4:5])
    with opened(tmp_path) as replica:
        assert replica.position == 5, "the offset is in the log of the store"
        assert replica.take(log) == len(parts[5]), "what is stored is passed over"
        assert found(replica.scan([], *ALL)) == expected(*parts)


OPERATIONS = st.lists(
    st.one_of(
        st.lists(
            st.tuples(st.sampled_from("ab"), st.integers(0, 5), st.floats(-9, 9, width=16)), min_size=1, max_size=6
        ),
        st.tuples(st.sampled_from("ab"), st.integers(0, 5), st.integers(0, 6)),
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=25, deadline=None)
@given(OPERATIONS, st.data())
def test_reading_any_part_of_the_log_again_changes_nothing(operations: list[Any], data: st.DataObject) -> None:
    """The last record of the log that concerns a time of a series decides, however often those before it come again."""
    contents: list[Batch | Deletion] = []
    wanted: dict[str, dict[int, float]] = {}
    for one in operations:
        if isinstance(one, list):
            contents.append(batch({series(host=host): [(time, value)] for host, time, value in one}))
            for host, points in expected(contents[-1]).items():
                wanted.setdefault(dict(host)["host"], {}).update(points)
        else:
            host, start, end = one
            contents.append(Deletion((Matcher("host", "=", host),), start, end))
            kept = {time: value for time, value in wanted.get(host, {}).items() if not start <= time < end}
            wanted[host] = kept
    log = log_of(*contents)
    again = data.draw(st.integers(0, len(log)))
    reached = data.draw(st.integers(again, len(log)))
    with TemporaryDirectory() as folder, opened(Path(folder)) as replica:
        replica.take(log[:reached])
        replica._position = again  # the offset is lost, the points are not
        replica.take(log[again:])
        together = {dict(labels)["host"]: points for labels, points in found(replica.scan([], *ALL)).items()}
        assert together == {host: points for host, points in wanted.items() if points}


def test_an_offset_is_never_without_its_points_nor_points_without_their_offset(tmp_path: Path) -> None:
    """The store's log is cut at every record: what is left is a prefix of Kafka's log, and the offset names it."""
    parts = [batch({A: [(START + index, float(index))], B: [(START + index, 1.0)]}) for index in range(5)]
    log = log_of(*parts)
    with opened(tmp_path / "whole", UNSYNCED) as replica:
        for entry in log:
            replica.take([entry])
        shutil.copytree(tmp_path / "whole", tmp_path / "killed")
    (path,) = (tmp_path / "killed" / "wal").glob("*.wal")
    wal = path.read_bytes()
    seen = set()
    for size in range(len(wal), 40, -40):
        folder = tmp_path / f"cut{size}"
        shutil.copytree(tmp_path / "killed", folder)
        (folder / "wal" / path.name).write_bytes(wal[:size])
        with opened(folder) as cut:
            seen.add(cut.position)
            assert found(cut.scan([], *ALL)) == expected(*parts[: cut.position])
    assert seen == set(range(6))


def test_what_is_no_record_is_counted_and_passed_over(tmp_path: Path) -> None:
    good = batch({A: [(START, 1.0)]})
    bad_matcher = Deletion((Matcher("host", "=~", "("),), *ALL)
    no_labels = batch({(("host", ""),): [(START, 2.0)]})
    with opened(tmp_path, UNSYNCED) as replica:
        replica.take(log_of(b"hello", good, bad_matcher, no_labels, b""))
        assert (replica.position, replica.refused) == (5, 3 + 1)
        assert found(replica.scan([], *ALL)) == expected(good)


def test_one_refused_batch_among_many_takes_no_other_with_it(tmp_path: Path) -> None:
    parts = [batch({A: [(START + index, 1.0)]}) for index in range(3)]
    with opened(tmp_path) as replica:
        replica.take(log_of(parts[0], batch({(("host", ""),): [(START, 2.0)]}), parts[1], parts[2]))
        assert found(replica.scan([], *ALL)) == expected(*parts)
        assert replica.position == 4


def test_the_offset_outlives_retention(tmp_path: Path) -> None:
    with opened(tmp_path, replace(QUIET, retention=HOUR)) as replica:
        replica.take(log_of(batch({A: [(START, 1.0)]}), batch({A: [(START + 1, 1.0)]})))
        replica.store.flush()
        replica.store.compact()
        assert replica.store.retain(START + 10 * HOUR) == 1
        assert found(replica.scan([], *ALL)) == {}
    with opened(tmp_path) as replica:
        assert replica.position == 2


def test_a_snapshot_knows_where_the_log_goes_on(tmp_path: Path) -> None:
    parts = [batch({A: [(START + index, 1.0)]}) for index in range(4)]
    log = log_of(*parts)
    with opened(tmp_path / "one") as replica:
        replica.take(log[:2])
        replica.store.snapshot(tmp_path / "snapshot")
    with opened(tmp_path / "snapshot") as replica:
        assert replica.position == 2
        replica.take(log)
        assert found(replica.scan([], *ALL)) == expected(*parts)


def test_a_store_that_refuses_late_points_cannot_be_a_replica(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="out_of_order_window"):
        opened(tmp_path, replace(QUIET, out_of_order_window=HOUR))


def test_freshness_names_the_lag_and_since_when(tmp_path: Path) -> None:
    log = log_of(*(batch({A: [(START + index, 1.0)]}) for index in range(4)))
    with opened(tmp_path) as replica:
        assert replica.freshness() == Freshness(0, None, None)
        replica.take(log[:1])
        asked = time.monotonic() - 5
        replica.seen_end(3, asked)
        assert replica.freshness() == Freshness(1, 2, None)
        replica.take(log[1:3])
        replica.seen_end(4, time.monotonic())
        fresh = replica.freshness()
        assert (fresh.position, fresh.lag) == (3, 1)
        assert fresh.stale is not None
        assert 5 <= fresh.stale <= time.monotonic() - asked, "all that was in the log five seconds ago is stored"
        assert replica.wait(2, 0)
        assert not replica.wait(3, 0.01)
