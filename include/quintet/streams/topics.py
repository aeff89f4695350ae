"""Topics as the catalogue declares them: made where they are missing, corrected where they differ."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from quintet.catalogue import Cleanup, Topic
from quintet.errors import ServiceDownError
from quintet.settings import Lab
from quintet.streams.clients import client_settings, servers
from quintet.streams.errors import TopicError

__all__ = ["Provided", "admin", "provide", "settings_of"]

#: Seconds for one answer of the broker.
ANSWER = 20
#: How long a deletion stays to be seen by a reader of a compacted topic, who may be away for as long.
TOMBSTONES_HOURS = 7 * 24
#: Records younger than this are not compacted: who is away for less sees every change.
LAG_HOURS = 24
#: How long records that could not be read wait for somebody.
DEAD_LETTERS_HOURS = 30 * 24
#: Largest record that is taken, in bytes.
LARGEST = 4 * 1024 * 1024


@dataclass(frozen=True)
class Provided:
    """What was done: names of topics."""

    created: tuple[str, ...]
    changed: tuple[str, ...]


def admin(lab: Lab, *, user: str | None = None) -> AdminClient:
    """A client that administers as far as its user may."""
    return AdminClient({**client_settings(lab, user=user), "socket.timeout.ms": ANSWER * 1000})


def provide(lab: Lab, topics: Iterable[Topic], *, copies: int = -1) -> Provided:
    """Make the topics, and those of their dead letters; a second call changes nothing.

    Raises:
        ServiceDownError: no broker answers.
        TopicError: a topic has another number of partitions than declared, or the broker refuses.

    """
    client = admin(lab)
    wanted = {name: entry for topic in topics for name, entry in _with_dead_letters(topic)}
    known = _partitions(lab, client)
    for name, (partitions, _) in wanted.items():
        if name in known and known[name] != partitions:
            raise TopicError(
                f"the topic {name} has {known[name]} partitions, the catalogue declares {partitions}",
                remedy="Keys would change partition and lose their order: declare what there is, or make a new topic",
            )
    missing = [
        NewTopic(name, num_partitions=partitions, replication_factor=copies, config=settings)
        for name, (partitions, settings) in wanted.items()
        if name not in known
    ]
    _create(client, missing)
    there = {name: settings for name, (_, settings) in wanted.items() if name in known}
    return Provided(tuple(sorted(topic.topic for topic in missing)), tuple(sorted(_correct(client, there))))


def settings_of(topic: Topic) -> dict[str, str]:
    """Settings of the topic in Kafka's terms.

    Units: times in ms.
    """
    settings = {"cleanup.policy": topic.cleanup.value, "max.message.bytes": str(LARGEST)}
    if topic.cleanup is Cleanup.COMPACT:
        settings |= {"delete.retention.ms": _ms(TOMBSTONES_HOURS), "min.compaction.lag.ms": _ms(LAG_HOURS)}
    if topic.retention_hours is not None:
        settings["retention.ms"] = _ms(topic.retention_hours)
    if topic.retention_bytes is not None:
        # Age is told by the time that a record carries: a replay of last year would be gone at once.
        settings |= {"retention.ms": "-1", "retention.bytes": str(topic.retention_bytes)}
    return settings


def _with_dead_letters(topic: Topic) -> list[tuple[str, tuple[int, dict[str, str]]]]:
    entries = [(topic.name, (topic.partitions, settings_of(topic)))]
    if topic.has_dead_letters:
        # The key is the place of the record that could not be read, so that one which is sent again replaces itself.
        kept = {"cleanup.policy": "compact,delete", "retention.ms": _ms(DEAD_LETTERS_HOURS)}
        entries.append((topic.dead_letters, (1, kept | {"max.message.bytes": str(2 * LARGEST)})))
    return entries


def _ms(hours: int) -> str:
    return str(hours * 3_600_000)


def _partitions(lab: Lab, client: AdminClient) -> dict[str, int]:
    try:
        found = client.list_topics(timeout=ANSWER)
    except KafkaException as error:
        raise ServiceDownError(
            f"Kafka does not answer at {servers(lab)} ({error.args[0].str()})", remedy="Run: quintet doctor"
        ) from error
    return {name: len(entry.partitions) for name, entry in found.topics.items()}


def _create(client: AdminClient, missing: list[NewTopic]) -> None:
    if not missing:
        return
    for name, done in client.create_topics(missing, operation_timeout=ANSWER).items():
        try:
            done.result(timeout=ANSWER)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise TopicError(f"the topic {name} could not be made: {error.args[0].str()}") from error


def _correct(client: AdminClient, wanted: dict[str, dict[str, str]]) -> list[str]:
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in wanted]
    if not resources:
        return []
    wrong = []
    for resource, answer in client.describe_configs(resources).items():
        have = {name: entry.value for name, entry in answer.result(timeout=ANSWER).items()}
        differing = {name: value for name, value in wanted[resource.name].items() if have.get(name) != value}
        if differing:
            entries = [
                ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
                for name, value in differing.items()
            ]
            wrong.append(ConfigResource(ResourceType.TOPIC, resource.name, incremental_configs=entries))
    for resource, answer in (client.incremental_alter_configs(wrong) if wrong else {}).items():
        try:
            answer.result(timeout=ANSWER)
        except KafkaException as error:
            raise TopicError(f"the topic {resource.name} could not be changed: {error.args[0].str()}") from error
    return [resource.name for resource in wrong]
