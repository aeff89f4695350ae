"""The shop's records in a real broker: all of them, in order for each key, with the times of their arrival."""

from __future__ import annotations

import shutil
import uuid
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("numpy", reason="the streaming environment has it")
pytest.importorskip("confluent_kafka", reason="the streaming environment has it")
import pyarrow.parquet as pq
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from topic_content import messages_of

from quintet.catalogue.ecommerce import EVENT_TOPICS
from quintet.ecommerce import sending
from quintet.ecommerce.sending import Pace, ahead, batches_of_files, rows_of, send
from quintet.ecommerce.truth import Truth
from quintet.errors import LabError
from quintet.streams.batchproducer import BatchProducer, Form

PARTITIONS = 3


@pytest.fixture(scope="module")
def servers(kafka_servers: str) -> str:
    return kafka_servers


@pytest.fixture
def topics(servers: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The shop's topics under names of this test's own, made."""
    mark = uuid.uuid4().hex[:8]
    own = {kind: replace(topic, name=f"{mark}.{topic.name}") for kind, topic in EVENT_TOPICS.items()}
    admin = AdminClient({"bootstrap.servers": servers})
    for made in admin.create_topics([NewTopic(topic.name, PARTITIONS, 1) for topic in own.values()]).values():
        made.result(timeout=30)
    monkeypatch.setattr(sending, "EVENT_TOPICS", own)
    return own


def test_all_records_arrive_once_with_their_times_and_the_order_of_their_keys(
    small: tuple[Path, Truth], servers: str, topics: dict[str, Any]
) -> None:
    forms = {topic.name: Form.of(topic, lambda _subject, _schema: 5) for topic in topics.values()}
    batches = list(batches_of_files(small[0]))
    for batch in batches:
        assert batch.malformed.num_rows < sending.TOGETHER
    named = {topic.name.partition(".")[2]: topic.name for topic in topics.values()}
    renamed = [
        sending.Batch(
            batch.events,
            batch.malformed.set_column(
                0, "topic", [[named[name] for name in batch.malformed.column("topic").to_pylist()]]
            ),
        )
        for batch in batches
    ]
    made = [rows_of(forms, batch) for batch in renamed]
    settings = {"bootstrap.servers": servers, "log_level": 0}
    producer, stranger = BatchProducer(settings, forms), Producer(settings)
    sent = send(producer, stranger, ahead(made, 2), Pace(made[0][0][3], speed=0))
    assert sent == small[1].expect["records"] + small[1].expect["malformed"]
    for topic in topics.values():
        expected = [row for rows in made for row in rows if row[0] == topic.name]
        found = messages_of(servers, topic.name, PARTITIONS)
        assert Counter((m.key(), m.value(), m.timestamp()[1]) for m in found) == Counter(row[1:] for row in expected)
        of_key: dict[bytes | None, set[int]] = {}
        for message in found:
            if message.key() is not None:
                of_key.setdefault(message.key(), set()).add(message.partition())
        assert all(len(parts) == 1 for parts in of_key.values()), "records of a key lie in one partition"
        times = [m.timestamp()[1] for m in found if m.partition() == 0 and m.key() is not None]
        assert times == sorted(times)


def test_a_record_that_the_broker_does_not_take_is_an_error(servers: str, topics: dict[str, Any]) -> None:
    topic = replace(topics["inventory_update"], name=f"{uuid.uuid4().hex}/is no name of a topic")
    form = Form.of(topic, lambda _subject, _schema: 5)
    producer = BatchProducer({"bootstrap.servers": servers, "log_level": 0}, {topic.name: form})
    producer.send([(topic.name, b"k", b"v", 1)])
    with pytest.raises(LabError, match=r"records were not written"):
        producer.flush()


def test_a_day_may_be_sent_again_in_part(small: tuple[Path, Truth], tmp_path: Path) -> None:
    (tmp_path / "by_day" / "2025-01-01").mkdir(parents=True)
    whole = small[0] / "by_day" / "2025-01-01" / "page_view.parquet"
    shutil.copyfile(whole, tmp_path / "by_day" / "2025-01-01" / "page_view.parquet")
    batches = list(batches_of_files(tmp_path))
    assert {kind for batch in batches for kind in batch.events} == {"page_view"}
    assert sum(batch.events["page_view"].num_rows for batch in batches) == pq.read_metadata(whole).num_rows > 0
    assert all(not batch.malformed.num_rows for batch in batches)
