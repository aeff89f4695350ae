"""Places in topics while a partition or a group moves."""

from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from quintet.streams.places import bounds, committed

PART = TopicPartition("orders", 0)


class Moving(Consumer):  # type: ignore[misc]  # confluent_kafka has no types
    """A real client, whose first questions are answered with an error."""

    def __init__(self, code: int, times: int) -> None:
        super().__init__({"group.id": "places", "bootstrap.servers": "127.0.0.1:1", "log_level": 0})
        self.code, self.left = code, times

    def _refuse(self) -> None:
        if self.left:
            self.left -= 1
            raise KafkaException(KafkaError(self.code))

    def get_watermark_offsets(self, *_args: Any, **_named: Any) -> tuple[int, int]:
        self._refuse()
        return 3, 8

    def committed(self, parts: list[TopicPartition], **_named: Any) -> list[TopicPartition]:
        self._refuse()
        return parts


@pytest.mark.parametrize("code", [KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE])
def test_a_partition_that_moves_is_asked_again(code: int) -> None:
    assert bounds(Moving(code, times=2), PART, timeout=20) == (3, 8)


def test_a_group_that_moves_is_asked_again() -> None:
    assert committed(Moving(KafkaError.NOT_COORDINATOR, times=2), [PART], timeout=20) == [PART]


def test_a_partition_that_does_not_come_is_told_after_the_time() -> None:
    with pytest.raises(KafkaException, match="NOT_LEADER"):
        bounds(Moving(KafkaError.NOT_LEADER_FOR_PARTITION, times=1000), PART, timeout=0.5)


def test_what_does_not_pass_is_told_at_once() -> None:
    consumer = Moving(KafkaError.TOPIC_AUTHORIZATION_FAILED, times=1)
    with pytest.raises(KafkaException, match="TOPIC_AUTHORIZATION"):
        bounds(consumer, PART, timeout=20)
    assert consumer.left == 0
