"""From the log to one replica to a question: acknowledged, stored with its offset, read exactly on after a restart."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from batches import ALL, QUIET, Points, expected, found, regular
from kafka_broker import broker, topics

from quintet.timeseries.cluster.log import LogReader, LogWriter
from quintet.timeseries.cluster.replica import Replica
from quintet.timeseries.cluster.topics import Settings, Topics, create_topics

__all__ = ["broker", "topics"]


SHARDS = 4


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
