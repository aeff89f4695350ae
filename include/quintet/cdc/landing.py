"""Landing of changes: topics into the change log, every record once.

Each landing is one Delta commit that carries, for every partition it read, the application transaction
`<topic>/<partition>` with the offset it goes on from, and the number of the landing. What the log holds and where
reading goes on is therefore one fact: a landing that is killed leaves nothing, one that another overtook is refused by
Delta and begins again.

A record that cannot be read goes to the dead letters of its topic, and the next is read. A record whose schema breaks
the contract of its topic holds the topic: what came before it lands, it and what follows stay until the contract holds
again; other topics go on.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition
from deltalake import CommitProperties, DeltaTable, Transaction, WriterProperties, write_deltalake
from deltalake.exceptions import CommitFailedError

from quintet.catalogue import ChangeSource, SourceTable, Table
from quintet.cdc.changelog import BATCH
from quintet.cdc.errors import CaptureError, ChangeError
from quintet.cdc.records import Change, Decoder
from quintet.contracts import Contract, ContractError
from quintet.contracts.avro import require
from quintet.errors import ServiceDownError
from quintet.lake.errors import LandingError
from quintet.lake.tables import arrow_schema, delta_path
from quintet.settings import Lab
from quintet.streams.clients import client_settings, servers
from quintet.streams.deadletters import DeadLetters
from quintet.streams.registry import Registry

__all__ = ["Landed", "land"]

#: Records of one commit at most: they are held in memory.
COMMIT_RECORDS = 100_000
#: Seconds: for one answer of the broker, and without a record before the end of a topic although it is not reached.
ANSWER, SILENCE = 20, 60
_ATTEMPTS = 5
_CHUNK = 5000
_WRITER = WriterProperties(compression="ZSTD", compression_level=3)


@dataclass
class Landed:
    """What a landing did. `held` names topics that wait for their contract, with the error."""

    changes: Counter[str] = field(default_factory=Counter)
    tombstones: int = 0
    dead_letters: Counter[str] = field(default_factory=Counter)
    commits: int = 0
    held: dict[str, ContractError] = field(default_factory=dict)
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """JSON object."""
        return {
            "changes": self.changes.total(),
            "by_table": dict(sorted(self.changes.items())),
            "tombstones": self.tombstones,
            "dead_letters": dict(self.dead_letters),
            "commits": self.commits,
            "held": {topic: str(error) for topic, error in self.held.items()},
            "seconds": round(self.seconds, 3),
        }


def land(
    lab: Lab,
    source: ChangeSource,
    table: Table,
    contracts: Mapping[str, Contract],
    *,
    release: Collection[str] = (),
    limit: int = COMMIT_RECORDS,
) -> Landed:
    """Land everything that is in the source's topics when this begins, in commits of so many records.

    `contracts` are those of the topics; a topic without one is held to none. Records of topics to `release` that break
    their contract go to the dead letters instead of holding their topic: for when the table is read again anyway.

    Raises:
        ServiceDownError: the broker or the registry does not answer; what was committed before stays.
        CaptureError: a topic is missing, or was made anew since the last landing.
        LandingError: others write the change log without end.

    """
    begun = time.monotonic()
    done = Landed()
    with _Topics(lab, source, contracts, done, release) as topics:
        failures = 0
        while True:
            delta = DeltaTable(delta_path(lab, table))
            rows = topics.read(delta.transaction_version, limit)
            if not rows.moved:
                break
            try:
                _commit(delta, table, rows)
            except CommitFailedError as error:
                failures += 1
                if failures >= _ATTEMPTS:
                    raise LandingError(
                        f"the change log {table.full_name} is written by others without end", remedy="Run again"
                    ) from error
                continue
            done.changes += rows.counts
            done.tombstones += rows.tombstones
            done.commits += 1
    done.seconds = time.monotonic() - begun
    return done


class _Rows:
    """Rows of one commit, column by column, and where each partition goes on."""

    def __init__(self) -> None:
        self.columns: list[list[Any]] = [[] for _ in range(12)]
        self.counts: Counter[str] = Counter()
        self.tombstones = 0
        self.moved: dict[str, int] = {}

    def add(self, table: SourceTable, message: Message, change: Change) -> None:
        row = (
            table.name,
            change.operation,
            change.key,
            change.row,
            ",".join(change.unchanged) or None,
            change.lsn,
            change.transaction_id,
            change.changed_us,
            change.captured_us,
            change.schema_id,
            message.partition(),
            message.offset(),
        )
        for column, value in zip(self.columns, row, strict=True):
            column.append(value)
        self.counts[table.name] += 1

    def __len__(self) -> int:
        return len(self.columns[0])


class _Topics:
    """Reads the topics of a source up to where they ended at the beginning."""

    def __init__(
        self,
        lab: Lab,
        source: ChangeSource,
        contracts: Mapping[str, Contract],
        done: Landed,
        release: Collection[str],
    ) -> None:
        self._tables = {table.topic.name: table for table in source.tables}
        self._contracts = contracts
        self._done = done
        self._release = frozenset(release)
        self._where = servers(lab)
        self._consumer = Consumer(
            {
                **client_settings(lab),
                "group.id": f"{source.project}-land-changes",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                # What a transaction that was given up wrote is never seen.
                "isolation.level": "read_committed",
                # A place that the topic does not have is an error, not the beginning.
                "auto.offset.reset": "error",
                "fetch.message.max.bytes": 4 * 1024 * 1024,
                "queued.max.messages.kbytes": 32 * 1024,
            }
        )
        self._decoder = Decoder(Registry.of(lab), self._judge)
        self._dead = DeadLetters(lab)
        self._ends: dict[tuple[str, int], int] = {}

    def __enter__(self) -> _Topics:
        try:
            self._ends = self._find_ends()
        except BaseException:
            self._consumer.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def read(self, begin: Callable[[str], int | None], limit: int) -> _Rows:
        """Rows from where the change log says, as many as the limit at most; nothing moved: all is read."""
        rows, positions = _Rows(), {}
        for (topic, partition), end in self._ends.items():
            place = begin(f"{topic}/{partition}") or 0
            if place > end:
                raise CaptureError(
                    f"the change log has {topic}/{partition} up to {place}, the topic ends at {end}: it was made anew",
                    remedy="Empty the project and let the changes land again: quintet run lakehouse --cdc --fresh",
                )
            if place < end and topic not in self._done.held:
                positions[topic, partition] = place
        if not positions:
            return rows
        self._consumer.assign(
            [TopicPartition(topic, number, place or OFFSET_BEGINNING) for (topic, number), place in positions.items()]
        )
        started = dict(positions)
        self._fill(rows, positions, limit)
        self._dead.flush()
        rows.moved = {
            f"{topic}/{number}": place for (topic, number), place in positions.items() if place > started[topic, number]
        }
        return rows

    def _fill(self, rows: _Rows, positions: dict[tuple[str, int], int], limit: int) -> None:
        open_parts = set(positions)
        last = time.monotonic()
        while open_parts and len(rows) < limit:
            messages = self._consumer.consume(min(_CHUNK, limit - len(rows)), timeout=1.0)
            if messages:
                last = time.monotonic()
            elif time.monotonic() - last > SILENCE:
                raise ServiceDownError(
                    f"Kafka at {self._where} gave nothing for {SILENCE} s before the end of "
                    f"{', '.join(sorted({topic for topic, _ in open_parts}))}",
                    remedy="Run: quintet doctor",
                )
            for message in messages:
                part = (message.topic(), message.partition())
                if part not in open_parts:
                    continue  # read beyond the end that was there at the beginning, or of a topic that is held
                error = message.error()
                if error is not None:
                    if error.code() != KafkaError._PARTITION_EOF:
                        raise CaptureError(f"{part[0]}/{part[1]} cannot be read: {error.str()}")
                    # Marks of transactions take offsets: the end is told, not counted.
                    positions[part] = max(positions[part], message.offset())
                    open_parts.discard(part)
                    continue
                if message.offset() >= self._ends[part]:
                    positions[part] = max(positions[part], self._ends[part])
                    open_parts.discard(part)
                    continue
                try:
                    self._take(rows, message)
                except ContractError as broken:
                    if part[0] in self._release:
                        self._put_aside(message, "contract", broken.message)
                        positions[part] = message.offset() + 1
                        if positions[part] >= self._ends[part]:
                            open_parts.discard(part)
                        continue
                    self._done.held[part[0]] = broken
                    open_parts = {other for other in open_parts if other[0] != part[0]}
                    continue
                positions[part] = message.offset() + 1
                if positions[part] >= self._ends[part]:
                    open_parts.discard(part)

    def _take(self, rows: _Rows, message: Message) -> None:
        table = self._tables[message.topic()]
        value = message.value()
        if value is None:
            rows.tombstones += 1  # for the topic's compaction: the deletion before it said the same
            return
        try:
            change = self._decoder.change(message.topic(), message.key(), value)
        except ChangeError as error:
            self._put_aside(message, error.reason, error.message)
            return
        rows.add(table, message, change)

    def _put_aside(self, message: Message, reason: str, detail: str) -> None:
        topic = self._tables[message.topic()].topic
        self._dead.put(topic, message, reason=reason, detail=detail)
        self._done.dead_letters[f"{topic.name}: {reason}"] += 1

    def _judge(self, topic: str, schema: Any) -> None:
        if topic in self._contracts:
            require(self._contracts[topic], schema)

    def _find_ends(self) -> dict[tuple[str, int], int]:
        found: dict[tuple[str, int], int] = {}
        try:
            known = self._consumer.list_topics(timeout=ANSWER).topics
            for topic in self._tables:
                if topic not in known:
                    raise CaptureError(f"there is no topic {topic}", remedy="Run: quintet run lakehouse --cdc")
                for number in known[topic].partitions:
                    _, end = self._consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=ANSWER)
                    found[topic, number] = end
        except KafkaException as error:
            raise ServiceDownError(
                f"Kafka does not answer at {self._where} ({error.args[0].str()})", remedy="Run: quintet doctor"
            ) from error
        return found


def _commit(delta: DeltaTable, table: Table, rows: _Rows) -> None:
    number = (delta.transaction_version(BATCH) or 0) + 1
    schema = arrow_schema(table)
    columns = [*rows.columns, [number] * len(rows)]
    arrays = [_array(values, kind.type) for values, kind in zip(columns, schema, strict=True)]
    guards = [Transaction(BATCH, number), *(Transaction(name, place) for name, place in rows.moved.items())]
    write_deltalake(
        delta,
        pa.Table.from_arrays(arrays, schema=schema),
        mode="append",
        commit_properties=CommitProperties(app_transactions=guards),
        writer_properties=_WRITER,
    )


def _array(values: list[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_timestamp(kind):
        return pa.array(values, pa.int64()).cast(kind)
    return pa.array(values, kind)
