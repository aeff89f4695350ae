"""The topics of the database, and how they are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from quintet.timeseries.cluster.errors import LogError

__all__ = ["Settings", "Topics", "create_topics", "partitions"]

#: Settings of a client of Kafka: `bootstrap.servers`, and how it enters.
Settings = Mapping[str, str | int | bool]


@dataclass(frozen=True)
class Topics:
    """Names of the topics; another prefix makes another cluster on the same brokers.

    points: the log, a partition for each shard; placement: which node keeps which shard, compacted; lines: line
    protocol to be stored; dlq: of those, what could not be.
    """

    prefix: str = "timeseries"

    @property
    def points(self) -> str:
        """The log."""
        return f"{self.prefix}.points.written"

    @property
    def placement(self) -> str:
        """Which node keeps which shard."""
        return f"{self.prefix}.placement.changed"

    @property
    def lines(self) -> str:
        """Line protocol to be stored."""
        return f"{self.prefix}.lines.received"

    @property
    def dlq(self) -> str:
        """Lines that could not be stored, with the reason."""
        return f"{self.lines}.dlq"


_DAY_MS = 24 * 60 * 60 * 1000
#: Seconds for an answer.
_ANSWER = 15.0


def create_topics(
    settings: Settings, topics: Topics, *, shards: int, copies: int = 1, retention_days: int = 7
) -> list[str]:
    """Make the topics that are missing; their names. copies: brokers that keep each record.

    Raises:
        LogError: Kafka does not answer, or the topic of points has another number of partitions.

    """
    copied = {"min.insync.replicas": str(max(1, copies - 1))}
    kept = {**copied, "retention.ms": str(retention_days * _DAY_MS)}
    wanted = [
        NewTopic(topics.points, shards, copies, config=kept),
        NewTopic(topics.placement, 1, copies, config={**copied, "cleanup.policy": "compact"}),
        NewTopic(topics.lines, shards, copies, config=kept),
        NewTopic(topics.dlq, 1, copies, config=kept),
    ]
    made = []
    admin = AdminClient(dict(settings))  # a client that is dropped takes its questions back
    for name, done in admin.create_topics(wanted, request_timeout=_ANSWER).items():
        try:
            done.result(timeout=_ANSWER)
            made.append(name)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise LogError(f"topic {name}: {error}", remedy="Look at the brokers") from error
    found = shards if topics.points in made else partitions(settings, topics.points)
    if found != shards:
        raise LogError(
            f"topic {topics.points} has {found} partitions, the cluster has {shards} shards",
            remedy="The number of shards cannot change: a series stays in its partition",
        )
    return made


def partitions(settings: Settings, topic: str) -> int:
    """Number of partitions of a topic.

    Raises:
        LogError: Kafka does not answer, or there is no such topic.

    """
    try:
        found = AdminClient(dict(settings)).list_topics(topic, timeout=_ANSWER).topics[topic]
    except KafkaException as error:
        raise LogError(f"topic {topic}: {error}", remedy="Look at the brokers") from error
    if found.error is not None:
        raise LogError(f"topic {topic}: {found.error}", remedy="Make it with `placement create`")
    return len(found.partitions)
