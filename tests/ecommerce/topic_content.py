"""What a topic holds, read from its beginning to its end."""

from __future__ import annotations

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message, TopicPartition

__all__ = ["messages_of"]


def messages_of(servers: str, topic: str, partitions: int) -> list[Message]:
    """All messages of a topic; those of a partition in their order."""
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": "test",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "log_level": 0,
        }
    )
    found, open_ends = [], set(range(partitions))
    consumer.assign([TopicPartition(topic, part, OFFSET_BEGINNING) for part in open_ends])
    try:
        while open_ends:
            message = consumer.poll(20)
            assert message is not None, "the broker is silent"
            if message.error() is None:
                found.append(message)
            else:
                assert message.error().code() == KafkaError._PARTITION_EOF
                open_ends.discard(message.partition())
    finally:
        consumer.close()
    return found
