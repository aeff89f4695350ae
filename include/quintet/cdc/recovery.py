"""Begin anew after a slot was lost: read the tables again, and tell of the rows that went meanwhile.

The changes since the slot was lost are gone, but not their outcome: the tables are read again into the same topics,
where each row replaces what was known of it. A row that was deleted meanwhile is in no table any more: it is known from
the change log as one that lives and was not read again. For each of these a deletion goes into its topic, so that every
reader, batch or stream, sees it go.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import fastavro
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from deltalake import DeltaTable

from quintet.catalogue import ChangeSource, SourceTable, Table
from quintet.cdc import connector, slots
from quintet.cdc.anew import forget
from quintet.cdc.errors import CaptureError
from quintet.cdc.landing import land
from quintet.cdc.signals import wait_until_captured
from quintet.contracts import Contract, ContractError
from quintet.errors import ServiceDownError
from quintet.lake.tables import delta_path
from quintet.settings import Lab
from quintet.streams.clients import client_settings
from quintet.streams.registry import HEAD, Registry

__all__ = ["Recovered", "recover"]

#: Seconds: until tables are read again, for one answer of the broker, for a transaction.
SNAPSHOT, ANSWER, TRANSACTION = 1800.0, 60, 600
#: Header of a record that no transaction of the source wrote.
WHY = "quintet.reason"


@dataclass(frozen=True)
class Recovered:
    """What was done: the place in the log where reading began anew, rows that had gone meanwhile by table."""

    lsn: int
    gone: Mapping[str, int]
    seconds: float


@dataclass(frozen=True)
class _Place:
    topic: str
    partition: int
    offset: int


def recover(lab: Lab, source: ChangeSource, log: Table, contracts: Mapping[str, Contract]) -> Recovered:
    """Drop what is left of the slot, read all tables anew, and delete what is no more.

    It may be repeated at any time; on a capture that is well it costs reading the tables once.

    Raises:
        CaptureError: the connector does not stop, or does not start again.
        ContractError: a topic is held; what has gone from its table is not deleted.
        ServiceDownError: a service does not answer.

    """
    begun = time.monotonic()
    forget(lab, source)
    start = slots.position(lab, source)
    connector.deploy(lab, source)
    wait_until_captured(lab, source, seconds=SNAPSHOT)
    landed = land(lab, source, log, contracts)
    for topic, broken in landed.held.items():
        # Its records are not in the log: each row would count as gone, and be deleted.
        raise ContractError(
            topic,
            broken.owner,
            broken.breaches,
            remedy="What went from its table meanwhile is not told yet. When the source keeps the contract again, put "
            f"aside the records that broke it (quintet capture release {source.project} <table>) and recover once more",
        )
    gone = {
        table.name: _delete(lab, source, table, list(_not_read_again(lab, log, table, start)), start)
        for table in source.tables
    }
    return Recovered(start, {table: count for table, count in gone.items() if count}, time.monotonic() - begun)


def _not_read_again(lab: Lab, log: Table, table: SourceTable, start: int) -> Iterator[_Place]:
    """Last records of the rows that live as far as the change log knows and were not read since a place in the log."""
    import pyarrow as pa

    columns = ["key", "operation", "lsn", "topic_partition", "topic_offset"]
    scan = DeltaTable(delta_path(lab, log)).scan(columns=columns, predicate=f"table_name = '{table.name}'")
    last: dict[str, tuple[int, str, int, int]] = {}
    for batch in pa.RecordBatchReader.from_stream(scan):
        for key, operation, lsn, partition, offset in zip(
            *(batch.column(name).to_pylist() for name in columns), strict=True
        ):
            if key not in last or offset > last[key][0]:
                last[key] = (offset, operation, lsn, partition)
    for offset, operation, lsn, partition in last.values():
        if operation != "d" and lsn < start:
            yield _Place(table.topic.name, partition, offset)


def _delete(lab: Lab, source: ChangeSource, table: SourceTable, places: list[_Place], lsn: int) -> int:
    """Write a deletion, and its tombstone, for the row of each record; all of them or none."""
    if not places:
        return 0
    registry = Registry.of(lab)
    producer = Producer(
        {
            **client_settings(lab),
            "transactional.id": f"quintet-recovery-{table.topic.name}",
            # The records are read while it is open, which a busy broker may draw out.
            "transaction.timeout.ms": TRANSACTION * 1000,
        }
    )
    reason = [(WHY, b"deleted while the slot was lost")]
    try:
        producer.init_transactions(ANSWER)
        producer.begin_transaction()
        for place, key, value in _records(lab, source, places):
            # In the partition of the row's other changes: this library would choose it by another hash than Connect's.
            where: dict[str, Any] = {"topic": place.topic, "partition": place.partition, "key": key, "headers": reason}
            producer.produce(**where, value=_deletion(registry, value, lsn))
            producer.produce(**where, value=None)
            producer.poll(0)
        producer.commit_transaction(ANSWER)
    except KafkaException as error:
        raise ServiceDownError(
            f"Kafka did not take the deletions of {len(places)} rows into {table.topic.name}: {error}",
            remedy="None of them is there. Recover once more; if it happens again: quintet doctor, quintet logs kafka",
        ) from error
    return len(places)


def _deletion(registry: Registry, value: bytes, lsn: int) -> bytes:
    """The record of a change turned into the deletion of its row, with the schema it was written with."""
    number = HEAD.unpack_from(value)[1]
    schema = fastavro.parse_schema(registry.by_id(number), named_schemas={})
    envelope: Any = fastavro.schemaless_reader(io.BytesIO(value[HEAD.size :]), schema, None)
    now = time.time_ns()
    times = {"ts_ms": now // 1_000_000, "ts_us": now // 1000, "ts_ns": now}
    source = {**envelope["source"], **times, "lsn": lsn, "snapshot": "false", "txId": None}
    body = io.BytesIO()
    told = {
        **envelope,
        **times,
        "before": envelope["after"],
        "after": None,
        "op": "d",
        "source": source,
        "transaction": None,
    }
    fastavro.schemaless_writer(body, schema, told)
    return HEAD.pack(0, number) + body.getvalue()


def _records(lab: Lab, source: ChangeSource, places: list[_Place]) -> Iterator[tuple[_Place, bytes, bytes]]:
    consumer = Consumer(
        {
            **client_settings(lab),
            "group.id": "quintet-recovery",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
        }
    )
    try:
        for place in sorted(places, key=lambda place: (place.partition, place.offset)):
            consumer.assign([TopicPartition(place.topic, place.partition, place.offset)])
            message = consumer.poll(ANSWER)
            if (
                message is None
                or message.error() is not None
                or message.offset() != place.offset
                or not message.value()
            ):
                raise CaptureError(
                    f"the record {place.topic}/{place.partition}/{place.offset} cannot be read any more",
                    remedy=f"Empty the project and let the changes land again: {source.deployed_by} --fresh",
                )
            yield place, message.key(), message.value()
    finally:
        consumer.close()
