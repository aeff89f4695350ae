"""Where a group of readers is in its topics, and where the topics begin and end."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

__all__ = ["bounds", "committed", "next_record"]

_Answer = TypeVar("_Answer")

#: A group that moves to another broker, or whose broker has just started, is there in a moment.
_GROUP_MOVES = frozenset(
    {KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_NOT_AVAILABLE, KafkaError.COORDINATOR_LOAD_IN_PROGRESS}
)
#: So is a partition: that of a new topic, or one whose broker has just died.
_PARTITION_MOVES = frozenset({KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE})
_EVERY = 0.2


def committed(consumer: Consumer, parts: Sequence[TopicPartition], *, timeout: float) -> list[TopicPartition]:
    """Places that the consumer's group has committed; a negative offset: none.

    Raises:
        KafkaException: Kafka does not answer within `timeout` seconds, or refuses.

    """
    found: list[TopicPartition] = _asked(
        lambda: consumer.committed(list(parts), timeout=timeout), _GROUP_MOVES, timeout
    )
    return found


def bounds(consumer: Consumer, part: TopicPartition, *, timeout: float) -> tuple[int, int]:
    """First offset of a partition, and the one that its next record gets.

    Raises:
        KafkaException: Kafka does not answer within `timeout` seconds, or refuses.

    """
    found: tuple[int, int] = _asked(
        lambda: consumer.get_watermark_offsets(part, timeout=timeout), _PARTITION_MOVES, timeout
    )
    return found


def next_record(consumer: Consumer, place: TopicPartition, *, timeout: float) -> int | None:
    """Offset of the first record at a place or behind it; None: nothing follows but marks of transactions.

    A mark has an offset and is no record: who reads a topic that is written in transactions stays before the last one.

    Args:
        consumer: reads committed records from the place on, and tells the end of a partition (`enable.partition.eof`).
        place: partition and offset.
        timeout: seconds for the answer.

    Raises:
        KafkaException: Kafka does not answer, or refuses.

    """
    consumer.assign([place])
    message = consumer.poll(timeout)
    if message is None:
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
    if message.error() is None:
        return int(message.offset())
    if message.error().code() == KafkaError._PARTITION_EOF:
        return None
    raise KafkaException(message.error())


def _asked(ask: Callable[[], _Answer], moves: frozenset[int], timeout: float) -> _Answer:
    end = time.monotonic() + timeout
    while True:
        try:
            return ask()
        except KafkaException as error:
            if error.args[0].code() not in moves or time.monotonic() > end:
                raise
            time.sleep(_EVERY)
