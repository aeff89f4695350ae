"""A producer of whole tables that is held to its contracts: rows become records without a Python object a field.

For topics whose fields the catalogue declares. A schema that is less than its contract is refused before anything is
registered, a table that does not fit its schema before any of its rows is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import numpy as np
import pyarrow as pa
from confluent_kafka import KafkaError, Message, Producer

from quintet.catalogue import Topic
from quintet.contracts import Contract
from quintet.contracts.avro import require
from quintet.settings import Lab
from quintet.streams.avrobatch import bodies, framed
from quintet.streams.clients import client_settings
from quintet.streams.errors import TopicError
from quintet.streams.registry import Registry
from quintet.streams.schemas import key_schema, value_schema

__all__ = ["BatchProducer", "Form", "Row"]

#: Seconds for records to be taken by the broker.
DELIVERY = 120
#: Seconds to wait for room among the records that are on their way.
ROOM = 1.0
#: Records between two looks at what has been delivered.
LOOK = 2000
_SETTINGS: Mapping[str, Any] = {
    "enable.idempotence": True,
    # Connect and Flink choose a key's partition by this hash: all records of a key are in one, whoever writes them.
    "partitioner": "murmur2_random",
    "compression.type": "lz4",
    "linger.ms": 20,
    "batch.size": 262_144,
    "queue.buffering.max.messages": 200_000,
}

#: Topic, key, value, time in ms since the epoch.
Row = tuple[str, bytes | None, bytes | None, int]


@dataclass(frozen=True)
class Form:
    """A topic with the schemas of its keys and values, and their numbers in the registry."""

    topic: Topic
    value: Mapping[str, Any]
    key: Mapping[str, Any]
    value_id: int
    key_id: int

    @classmethod
    def of(cls, topic: Topic, number: Callable[[str, Mapping[str, Any]], int]) -> Form:
        """The form of a topic; `number` gives a schema's number for a subject. Raises as `number`."""
        value, key = value_schema(topic), key_schema(topic)
        return cls(topic, value, key, number(topic.subject, value), number(topic.key_subject, key))

    def rows(self, table: pa.Table, times: pa.Array) -> list[Row]:
        """Records of a table whose columns are the topic's fields, ready to be sent.

        Shapes: `times` timestamp[ms], one a row.

        Raises:
            InputError: the table does not fit the topic's schema.

        """
        values = framed(bodies(table, self.value), self.value_id).to_pylist()
        keys = framed(bodies(table.select(list(self.topic.key)), self.key), self.key_id).to_pylist()
        moments = np.asarray(times.cast(pa.int64())).tolist()
        return list(zip(repeat(self.topic.name), keys, values, moments, strict=False))


class BatchProducer:
    """Writes rows of tables to topics, in Confluent's form, each with its own time.

    Args:
        settings: a client's of confluent-kafka.
        forms: by topic.

    """

    def __init__(self, settings: Mapping[str, Any], forms: Mapping[str, Form]) -> None:
        self.forms = forms
        self.count = 0
        self._producer = Producer({**settings, **_SETTINGS})
        self._failed: list[KafkaError] = []

    @classmethod
    def of(cls, lab: Lab, topics: Iterable[Topic], contracts: Mapping[str, Contract]) -> BatchProducer:
        """A producer for topics of a lab, held to their contracts.

        Raises:
            ContractError: the catalogue's fields are less than a contract promises; nothing was registered or written.
            RegistryError: the registry's rule refuses a schema.
            ServiceDownError: the registry does not answer.

        """
        wanted = list(topics)
        for topic in wanted:
            require(contracts[topic.name], value_schema(topic))
        registry = Registry.of(lab)
        forms = {topic.name: Form.of(topic, registry.register) for topic in wanted}
        return cls(client_settings(lab), forms)

    def send(self, rows: Iterable[Row]) -> None:
        """Hand records over to be written, in this order.

        Raises:
            TopicError: one that was handed over before could not be written.

        """
        produce, told = self._producer.produce, self._told
        for number, (topic, key, value, at) in enumerate(rows):
            if number % LOOK == 0:
                self._look(0)
            self._when_there_is_room(produce, topic, value, key, at, told)
            self.count += 1

    def flush(self) -> None:
        """Wait until all are written.

        Raises:
            TopicError: one was not.

        """
        left = self._producer.flush(DELIVERY)
        self._look(0)
        if left:
            raise TopicError(f"{left} records were not written within {DELIVERY} s", remedy="Run: quintet doctor")

    def _when_there_is_room(
        self,
        produce: Callable[..., None],
        topic: str,
        value: bytes | None,
        key: bytes | None,
        at: int,
        told: Callable[[KafkaError | None, Message], None],
    ) -> None:
        while True:
            try:
                produce(topic, value, key, on_delivery=told, timestamp=at)
            except BufferError:
                self._look(ROOM)
            else:
                return

    def _look(self, seconds: float) -> None:
        self._producer.poll(seconds)
        if self._failed:
            raise TopicError(f"records were not written: {self._failed[0].str()}", remedy="Run: quintet doctor")

    def _told(self, error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            self._failed.append(error)
