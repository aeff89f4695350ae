"""Around the cluster: lines from a topic and their dead letters, the service over a router, one editor at a time."""

from __future__ import annotations

import gzip
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from batches import ALL, HOUR, QUIET, START, expected, found, regular, series
from clusters import Cluster
from confluent_kafka import Consumer, Message, Producer, TopicPartition
from services import served

from quintet.timeseries import Matcher, Options, Store
from quintet.timeseries.cluster.command import main
from quintet.timeseries.cluster.errors import LogError, PlacementError
from quintet.timeseries.cluster.ledger import PlacementEditor, PlacementFeed, read_placement
from quintet.timeseries.cluster.lines import LineIngest
from quintet.timeseries.cluster.offsets import LINES_OFFSET
from quintet.timeseries.cluster.placement import Placement
from quintet.timeseries.cluster.topics import Settings, Topics, create_topics
from quintet.timeseries.errors import StoreError

POINTS = Matcher("__name__", "!=", LINES_OFFSET)


def send(settings: Settings, topic: str, *bodies: tuple[bytes, dict[str, str]]) -> None:
    """Messages to partition 0, acknowledged."""
    producer = Producer({**settings, "enable.idempotence": True})
    for body, headers in bodies:
        producer.produce(topic, body, partition=0, headers=headers, timestamp=START // 1_000_000)
    assert producer.flush(30) == 0


def letters(settings: Settings, topic: str, count: int) -> list[Message]:
    """The dead letters."""
    consumer = Consumer({**settings, "group.id": "test", "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, 0, 0)])
    messages: list[Message] = []
    end = time.monotonic() + 60
    while len(messages) < count:
        assert time.monotonic() < end
        messages += consumer.consume(10, 0.2)
    consumer.close()
    return messages


def read_all(ingest: LineIngest, messages: int) -> None:
    end = time.monotonic() + 60
    while ingest.counts.messages < messages:
        assert time.monotonic() < end
        ingest.turn(0.2)


def test_lines_are_stored_with_their_offset_and_bad_ones_set_aside(
    tmp_path: Path, broker: Settings, topics: Topics
) -> None:
    create_topics(broker, topics, shards=1)
    good = (b"m,a=b f=1 1\nm,a=b f=2", {})
    send(broker, topics.lines, good, (b'm f=3 3\nnonsense\nm f="text" 4', {"precision": "s"}))
    packed = (gzip.compress(b"m f=5 5"), {"encoding": "gzip"})
    with Store.open(tmp_path, QUIET) as store, LineIngest(store, broker, topics) as ingest:
        read_all(ingest, 2)
        assert (ingest.counts.points, ingest.counts.dead) == (3, 1)
    send(broker, topics.lines, (b"not gzip", {"encoding": "gzip"}), (b"m f=1", {"precision": "h"}), packed)
    with Store.open(tmp_path, QUIET) as store:
        with LineIngest(store, broker, topics) as ingest:
            read_all(ingest, 3)
            assert (ingest.counts.points, ingest.counts.dead) == (1, 2)
        tagged, plain = series("m_f", a="b"), series("m_f")
        stored = found(store.scan([POINTS], *ALL))
        assert stored == {tagged: {1: 1.0, START: 2.0}, plain: {3_000_000_000: 3.0, 5: 5.0}}
    found_letters = letters(broker, topics.dlq, 3)
    assert [one.value() for one in found_letters] == [b'nonsense\nm f="text" 4', b"not gzip", b"m f=1"]
    headers = [dict(one.headers() or ()) for one in found_letters]
    assert headers[0]["reason"].startswith(b"line 2: ")
    assert headers[1]["source"] == f"{topics.lines}/0/2".encode()
    assert b"'h'" in headers[2]["reason"]


def test_a_store_that_cannot_take_a_message_sets_it_aside_and_takes_the_others(
    tmp_path: Path, broker: Settings, topics: Topics
) -> None:
    create_topics(broker, topics, shards=1)
    send(broker, topics.lines, (b"m f=1 1", {}), (b"m,host=a f=1 1", {}), (b"m f=2 2", {}))
    with Store.open(tmp_path, Options(background=False, max_series=2)) as store:
        with LineIngest(store, broker, topics) as ingest:
            read_all(ingest, 3)
        assert found(store.scan([POINTS], *ALL)) == {series("m_f"): {1: 1.0, 2: 2.0}}
    (letter,) = letters(broker, topics.dlq, 1)
    assert letter.value() == b"m,host=a f=1 1"


def test_lines_cannot_fill_a_store_that_refuses_late_points(tmp_path: Path, broker: Settings, topics: Topics) -> None:
    with (
        Store.open(tmp_path, Options(background=False, out_of_order_window=HOUR)) as store,
        pytest.raises(StoreError, match="out_of_order_window"),
    ):
        LineIngest(store, broker, topics)


def test_one_editor_at_a_time_changes_the_placement(broker: Settings, topics: Topics) -> None:
    create_topics(broker, topics, shards=2)
    assert read_placement(broker, topics) is None
    seen: list[int] = []
    feed = PlacementFeed(broker, topics, lambda placement: seen.append(placement.version))
    with PlacementEditor(broker, topics) as first:
        first.record(Placement(2, 1).joined("a", "http://a:1"))
        with PlacementEditor(broker, topics) as second:
            assert second.known().version == 1
            second.record(second.known().joined("b", "http://b:1"))
            with pytest.raises((PlacementError, LogError)):
                first.record(first.known().joined("c", "http://c:1"))
    assert feed.wait(2, 20).nodes.keys() == {"a", "b"}
    found_now = read_placement(broker, topics)
    assert found_now is not None
    assert found_now.nodes.keys() == {"a", "b"}, "what the first one tried is not seen"
    feed.close()
    assert seen[-1] == 2
    with pytest.raises(LogError, match="cannot change"):
        create_topics(broker, topics, shards=3)


@pytest.fixture
def cluster(tmp_path: Path, broker: Settings, topics: Topics) -> Iterator[Cluster]:
    made = Cluster(tmp_path, broker, topics, shards=3, replication=1)
    try:
        made.start("a")
        made.change(lambda placement: placement.joined("a", made.address("a")))
        yield made
    finally:
        made.close()


@pytest.mark.timeout(300)
def test_the_service_works_over_the_cluster_as_over_a_store(
    cluster: Cluster, broker: Settings, topics: Topics, capsys: pytest.CaptureFixture[str]
) -> None:
    with served(cluster.router) as client:
        lines = "\n".join(f"cpu,host=h{host} load={host} {START + second}" for host in range(9) for second in range(3))
        assert client.post("/write", content=lines).status_code == 204
        answer = client.get("/api/v1/query", params={"query": "sum(cpu_load)", "time": START / 1e9 + 1})
        assert answer.json()["data"]["result"][0]["value"][1] == "36"
        assert client.get("/api/v1/label/host/values").json()["data"] == [f"h{host}" for host in range(9)]
        assert "store_points_head" in client.get("/metrics").text
        assert client.get("/api/v1/query", params={"query": "sum("}).status_code == 400
    points = regular(12, 5)
    assert cluster.router.append(points) == 60
    cluster.router.flush()
    cluster.router.compact()
    assert cluster.router.retain(START) == cluster.router.move_tiers(START) == 0
    fits = [Matcher("__name__", "=", "temperature")]
    assert found(cluster.router.scan(fits, *ALL)) == expected(points)
    assert cluster.router.explain(fits, *ALL).points >= 60
    assert cluster.router.cardinality().by_metric == {"temperature": 12, "cpu_load": 9}
    assert cluster.router.stats().points_blocks >= 87
    with LineIngest(cluster.router, broker, topics) as ingest:
        send(broker, topics.lines, (b"from_kafka f=1 1", {}))
        read_all(ingest, 1)
    with LineIngest(cluster.router, broker, topics) as ingest:
        assert ingest.turn(0.5) == 0, "the offset is in the cluster"
    assert cluster.router.label_values("__name__")[:2] == ["cpu_load", "from_kafka_f"]
    kafka = ["--kafka", str(broker["bootstrap.servers"]), "--prefix", topics.prefix]
    assert main(["placement", "show", *kafka]) == 0
    assert "serves 3 of 3 shards" in capsys.readouterr().out
    assert main(["placement", "leave", "a", *kafka]) == 4
    assert "last node" in capsys.readouterr().err
