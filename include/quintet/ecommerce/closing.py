"""The end of an input: a record in each partition that no figure counts, and that lets time go on.

Streams measure time by what they read. After the last event nothing would tell them that a session is over; these
records do. Each breaks the first rule of its kind, so that it is refused like any other that does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from quintet.catalogue.ecommerce import EVENT_TOPICS
from quintet.ecommerce.ending import fields
from quintet.ecommerce.tables import ARRIVED, event_schema
from quintet.streams.batchproducer import Form
from quintet.streams.errors import TopicError

__all__ = ["close", "marks"]

#: Seconds for them to be written.
DELIVERY = 60


def marks(forms: Mapping[str, Form], at_ms: int) -> dict[str, bytes]:
    """Value of the record by topic."""
    found = {}
    for kind, topic in EVENT_TOPICS.items():
        schema = event_schema(kind).remove(event_schema(kind).get_field_index(ARRIVED))
        table = pa.Table.from_pylist([fields(kind, at_ms)], schema=schema)
        ((_, _, value, _),) = forms[topic.name].rows(table, pa.array([at_ms], pa.int64()).cast(pa.timestamp("ms")))
        assert value is not None  # noqa: S101 - an event has a body
        found[topic.name] = value
    return found


def close(producer: Any, forms: Mapping[str, Form], at_ms: int) -> int:
    """Send them, one a partition, by a plain producer of Kafka; how many. Their time is `closes_at` of the last record.

    Raises:
        TopicError: one was not written.

    """
    failed: list[Any] = []

    def told(error: Any, _message: Any) -> None:
        if error is not None:
            failed.append(error)

    count = 0
    for topic, value in marks(forms, at_ms).items():
        for partition in range(forms[topic].topic.partitions):
            producer.produce(topic, value=value, partition=partition, timestamp=at_ms, on_delivery=told)
            count += 1
    if producer.flush(DELIVERY) or failed:
        raise TopicError(f"the end of the input was not written: {failed[:1]}", remedy="Run: quintet doctor")
    return count
