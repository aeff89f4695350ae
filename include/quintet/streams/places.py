"""Where a group of readers is in its topics."""

from __future__ import annotations

import time
from collections.abc import Sequence

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

__all__ = ["committed"]

#: A group that moves to another broker, or whose broker has just started, is there in a moment.
_MOVING = frozenset(
    {KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_NOT_AVAILABLE, KafkaError.COORDINATOR_LOAD_IN_PROGRESS}
)
_EVERY = 0.2


def committed(consumer: Consumer, parts: Sequence[TopicPartition], *, timeout: float) -> list[TopicPartition]:
    """Places that the consumer's group has committed; a negative offset: none.

    Raises:
        KafkaException: Kafka does not answer within `timeout` seconds, or refuses.

    """
    end = time.monotonic() + timeout
    while True:
        try:
            found: list[TopicPartition] = consumer.committed(list(parts), timeout=timeout)
            return found
        except KafkaException as error:
            if error.args[0].code() not in _MOVING or time.monotonic() > end:
                raise
            time.sleep(_EVERY)
