"""Dead letters of topics, on a real broker."""

from __future__ import annotations

import dataclasses
import uuid

import pytest

pytest.importorskip("confluent_kafka", reason="the streaming environment has it")

from quintet.catalogue import Topic
from quintet.catalogue.inputs import INPUTS_ANNOUNCED
from quintet.settings import Lab
from quintet.streams import deadletters
from quintet.streams.errors import TopicError
from quintet.streams.topics import provide


@pytest.fixture
def topic() -> Topic:
    return dataclasses.replace(INPUTS_ANNOUNCED, name=f"lakehouse.{uuid.uuid4().hex[:8]}.announced")


def test_a_topic_that_was_never_made_has_no_dead_letters(kafka_lab: Lab, topic: Topic) -> None:
    assert deadletters.letters(kafka_lab, [topic]) == []
    assert deadletters.discard(kafka_lab, topic) == 0
    provide(kafka_lab, [topic], copies=1)
    assert deadletters.letters(kafka_lab, [topic]) == []


def test_a_broker_that_is_away_is_no_empty_topic(kafka_lab: Lab, topic: Topic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadletters, "SILENCE", 2)
    door = dataclasses.replace(kafka_lab.endpoint("kafka"), port=1)
    away = dataclasses.replace(kafka_lab, endpoints={**kafka_lab.endpoints, "kafka": door})
    with pytest.raises(TopicError, match=f"{topic.dead_letters} cannot be read"):
        deadletters.letters(away, [topic])
