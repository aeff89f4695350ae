"""Publications of gold, told in Kafka. The broker is a real one."""

from __future__ import annotations

import dataclasses
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest

pytest.importorskip("confluent_kafka", reason="the streaming environment has it")
from confluent_kafka import Consumer

from quintet.catalogue import Topic
from quintet.catalogue.published import GOLD_PUBLISHED
from quintet.cdc.landing import judge_by
from quintet.cdc.records import Decoder
from quintet.contracts import read_contracts
from quintet.lakehouse.publishtell import tell
from quintet.settings import Lab
from quintet.streams.errors import RegistryError
from quintet.streams.registry import Registry
from registry_server import Answers

PUBLICATION = {
    "table": "gold_lakehouse.revenue_daily",
    "publication_id": "gold_lakehouse.revenue_daily@1-0a",
    "location": "s3://lake/gold_lakehouse/revenue_daily/",
    "contract_version": "1.0.0",
    "row_count": 305,
    "object_count": 13,
    "bytes": 9000,
    "published_at": "2026-11-22T07:00:00+00:00",
    "changed": True,
}


@pytest.fixture
def topic() -> Topic:
    return dataclasses.replace(GOLD_PUBLISHED, name=f"lakehouse.{uuid.uuid4().hex[:8]}.published")


def records(kafka_lab: Lab, servers: str, topic: Topic, count: int) -> list[dict[str, Any]]:
    """So many records of the topic."""
    decoder = Decoder(Registry.of(kafka_lab), judge_by(read_contracts()))
    settings = {"bootstrap.servers": servers, "group.id": topic.name, "auto.offset.reset": "earliest"}
    consumer = Consumer(settings)
    consumer.subscribe([topic.name])
    try:
        found = consumer.consume(count, timeout=60)
        return [decoder.record(GOLD_PUBLISHED.name, message.value())[1] for message in found]
    finally:
        consumer.close()


def test_a_publication_is_a_record_that_keeps_its_contract_and_is_told_once(
    kafka_lab: Lab, servers: str, topic: Topic
) -> None:
    assert tell(publication=PUBLICATION, topic=topic)["changed"]
    assert not tell(publication=PUBLICATION, topic=topic)["changed"]
    later = {**PUBLICATION, "publication_id": "gold_lakehouse.revenue_daily@2-0b"}
    assert tell(publication=later, topic=topic)["changed"]
    found = records(kafka_lab, servers, topic, 2)
    assert [record["publication_id"] for record in found] == [PUBLICATION["publication_id"], later["publication_id"]]
    assert {name: found[0][name] for name in ("table", "location", "row_count", "object_count")} == {
        name: PUBLICATION[name] for name in ("table", "location", "row_count", "object_count")
    }
    assert found[0]["published_at"] == datetime(2026, 11, 22, 7, tzinfo=UTC)


def test_what_could_not_be_told_is_told_by_the_next_run(kafka_lab: Lab, servers: str, topic: Topic) -> None:
    Answers.is_well = False
    with pytest.raises(RegistryError, match="out of order"):
        tell(publication=PUBLICATION, topic=topic)
    Answers.is_well = True
    assert tell(publication=PUBLICATION, topic=topic)["changed"]
    assert len(records(kafka_lab, servers, topic, 1)) == 1
