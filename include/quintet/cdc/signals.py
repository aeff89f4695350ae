"""Requests to the capture, written where it reads everything else: in a table of the source.

A request comes back in the topic of signals, after all that was committed before it: that is how one knows that a
commit has arrived.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Sequence

from confluent_kafka import Consumer, KafkaError, TopicPartition

from quintet.catalogue import ChangeSource
from quintet.cdc import connector
from quintet.cdc.database import connect
from quintet.cdc.errors import CaptureError
from quintet.cdc.records import Decoder
from quintet.errors import ServiceDownError
from quintet.settings import Lab
from quintet.streams.clients import client_settings
from quintet.streams.places import bounds
from quintet.streams.registry import Registry

__all__ = ["snapshot_again", "wait_until_captured"]

#: Seconds for one answer of the broker, and until one asks again whose question has not come back.
ANSWER, AGAIN = 20, 5.0
#: Seconds for a connector that has failed to run again.
FAILED = 30.0


def snapshot_again(lab: Lab, source: ChangeSource, tables: Sequence[str]) -> str:
    """Have the capture read tables again, in pieces, while it goes on; the number of the request.

    Raises:
        CaptureError: the rows of a table are not told apart by the keys of their records.
        ServiceDownError: PostgreSQL does not answer.

    """
    for table in map(source.table, tables):
        if table.topic.key != table.key:
            # Debezium reads on behind the last key of a piece, and keeps one row of each key of it.
            raise CaptureError(
                f"{table.name} cannot be read in pieces: several of its rows have one key in {table.topic.name}",
                remedy=f"Have all of it read anew: quintet capture recover {source.project}",
            )
    names = [f"{source.database_schema}.{source.table(table).name}" for table in tables]
    return _signal(lab, source, "execute-snapshot", {"data-collections": names, "type": "INCREMENTAL"})


def wait_until_captured(lab: Lab, source: ChangeSource, *, seconds: float = 300.0) -> float:
    """Wait until everything that is committed now is in the topics; seconds it took.

    Raises:
        CaptureError: it is not within the time, there is no connector, or it has failed; the message holds the cause.
        ServiceDownError: PostgreSQL or the registry does not answer.

    """
    begun = time.monotonic()
    asked, numbers = begun, set[str]()
    consumer = Consumer(
        {
            **client_settings(lab),
            "group.id": f"{source.project}-wait",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
        }
    )
    decoder = Decoder(Registry.of(lab))
    try:
        part = TopicPartition(source.signals.name, 0)
        _, end = bounds(consumer, part, timeout=ANSWER)
        consumer.assign([TopicPartition(source.signals.name, 0, end)])
        while time.monotonic() - begun < seconds:
            if not numbers or time.monotonic() - asked > AGAIN:
                if numbers:
                    _require_no_failure(lab, source)
                # A new connector does not see what was written before it had its slot.
                numbers.add(_signal(lab, source, "log", {"message": "everything before this has been captured"}))
                asked = time.monotonic()
            message = consumer.poll(1.0)
            if message is None or message.error() is not None:
                if message is not None and message.error().code() != KafkaError._PARTITION_EOF:
                    raise CaptureError(f"{source.signals.name} cannot be read: {message.error().str()}")
                continue
            value = message.value()
            if value is None:
                continue
            row = decoder.change(source.signals.name, message.key(), value).row
            if row is not None and json.loads(row)["id"] in numbers:
                return time.monotonic() - begun
    finally:
        consumer.close()
    raise CaptureError(
        f"what is committed in {source.database} is not captured after {seconds:.0f} s",
        remedy=f"Is the connector running? quintet capture show {source.project}",
    )


def _require_no_failure(lab: Lab, source: ChangeSource) -> None:
    try:
        if connector.state_of(lab, source).has_failed:
            connector.wait_until_running(lab, source, seconds=FAILED, had_failed=True)
    except ServiceDownError:
        return  # a worker that starts again goes on where it was


def _signal(lab: Lab, source: ChangeSource, kind: str, data: object) -> str:
    number = str(uuid.uuid4())
    with connect(lab, source.database) as database:
        database.execute(
            f"insert into {source.signs_schema}.signals (id, type, data) values (%s, %s, %s)",
            [number, kind, json.dumps(data)],
        )
    return number
