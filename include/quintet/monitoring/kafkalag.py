"""How far the readers of topics are behind: messages between a group's place and the end of a partition."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from quintet.errors import QuintetError
from quintet.monitoring.figures import Figure
from quintet.settings import Lab
from quintet.streams.clients import client_settings

__all__ = ["kafka_lag"]

#: Seconds for one answer of the brokers.
PATIENCE = 4.0

# One client for each address: entering with a password takes the brokers' time.
_clients: dict[str, Any] = {}


def kafka_lag(lab: Lab) -> Iterator[Figure]:
    """`quintet_kafka_consumer_lag` in messages, by group, topic and partition.

    Raises:
        QuintetError: the brokers do not answer, or refuse.

    """
    from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
    from confluent_kafka.admin import OffsetSpec

    try:
        client = _client(lab)
        groups = [one.group_id for one in client.list_consumer_groups(request_timeout=PATIENCE).result().valid]
        places: dict[tuple[str, str, int], int] = {}
        for group in groups:
            # One question for each group: the protocol of older brokers has no other.
            asked = client.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)], request_timeout=PATIENCE)
            for one in asked[group].result().topic_partitions:
                if one.error is None and one.offset >= 0:
                    places[group, one.topic, one.partition] = one.offset
        wanted = {TopicPartition(topic, partition): OffsetSpec.latest() for _, topic, partition in places}
        if not wanted:
            return
        found = client.list_offsets(wanted, request_timeout=PATIENCE)
        ends = {(part.topic, part.partition): future.result().offset for part, future in found.items()}
    except KafkaException as error:
        raise QuintetError(f"Kafka: {error}", remedy="Read: quintet logs kafka") from error
    for (group, topic, partition), place in sorted(places.items()):
        labels = {"group": group, "topic": topic, "partition": str(partition)}
        yield Figure("quintet_kafka_consumer_lag", float(max(0, ends[topic, partition] - place)), labels)


def _client(lab: Lab) -> Any:
    from confluent_kafka.admin import AdminClient

    settings = {**client_settings(lab), "socket.timeout.ms": int(PATIENCE * 1000)}
    address = str(settings["bootstrap.servers"])
    if address not in _clients:
        _clients[address] = AdminClient(settings)
    return _clients[address]
