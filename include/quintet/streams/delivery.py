"""A producer that knows whether the broker has taken every record that it was given."""

from __future__ import annotations

from typing import Any

from confluent_kafka import KafkaError, Message, Producer

from quintet.settings import Lab
from quintet.streams.clients import client_settings, servers
from quintet.streams.errors import TopicError

__all__ = ["DELIVERY", "Delivery"]

#: Seconds for records to be taken by the broker.
DELIVERY = 60


class Delivery:
    """Writes records, each once; `flush` tells whether all were taken.

    Args:
        lab: the lab whose broker is meant.
        failure: what the error says when one was not taken.
        settings: of the producer, beside those of the lab.

    """

    def __init__(self, lab: Lab, failure: str, settings: dict[str, Any]) -> None:
        self._producer = Producer({**client_settings(lab), "enable.idempotence": True, **settings})
        self._failure = f"{failure} by Kafka at {servers(lab)}"
        self._failed: list[KafkaError] = []

    def put(self, topic: str, **record: Any) -> None:
        """Write one record: `key`, `value`, `headers` as `confluent_kafka.Producer.produce` takes them."""
        self._producer.produce(topic, on_delivery=self._told, **record)
        self._producer.poll(0)

    def flush(self) -> None:
        """Wait until all are written.

        Raises:
            TopicError: one was not.

        """
        if self._producer.flush(DELIVERY) or self._failed:
            why = self._failed[0].str() if self._failed else f"no answer within {DELIVERY} s"
            raise TopicError(f"{self._failure}: {why}", remedy="Run: quintet doctor")

    def _told(self, error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            self._failed.append(error)
