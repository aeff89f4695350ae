"""Landing of topics into a log in Delta, every record once: `land` for captured changes, `land_topics` for others.

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
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition
from deltalake import CommitProperties, DeltaTable, Transaction, WriterProperties, write_deltalake
from deltalake.exceptions import CommitFailedError

from quintet.catalogue import ChangeSource, Table, Topic
from quintet.cdc.changelog import BATCH
from quintet.cdc.errors import CaptureError, ChangeError
from quintet.cdc.records import Decoder
from quintet.contracts import Contract, ContractError, read_contracts
from quintet.contracts.avro import require
from quintet.errors import ServiceDownError
from quintet.lake.errors import LandingError
from quintet.lake.tables import arrow_schema, delta_path
from quintet.settings import Lab
from quintet.streams.clients import bulk_reader_settings, servers
from quintet.streams.deadletters import DeadLetters
from quintet.streams.places import bounds
from quintet.streams.registry import Registry

__all__ = ["Landed", "Source", "judge_by", "land", "land_topics", "raise_held"]

#: Records of one commit at most: they are held in memory.
COMMIT_RECORDS = 100_000
#: Seconds: for one answer of the broker, and without a record before the end of a topic although it is not reached.
ANSWER, SILENCE = 20, 60
_ATTEMPTS = 5
_CHUNK = 5000
_WRITER = WriterProperties(compression="ZSTD", compression_level=3)


@dataclass(frozen=True)
class Source:
    """What is landed: topics, the rows that their records make, and the command that makes and fills the topics.

    `row` gives the columns of the log for a record, the first of them what it is counted by, but for the last column,
    the number of the landing; None for a record that is nothing. It raises ChangeError for one that cannot be read, and
    ContractError for one that breaks its contract.
    """

    group: str
    topics: Sequence[Topic]
    row: Callable[[Message], Sequence[Any] | None]
    command: str


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
    decoder = Decoder(Registry.of(lab), judge_by(contracts))
    names = {entry.topic.name: entry.name for entry in source.tables}

    def row(message: Message) -> Sequence[Any] | None:
        value = message.value()
        if value is None:
            return None  # for the topic's compaction: the deletion before it said the same
        change = decoder.change(message.topic(), message.key(), value)
        return (
            names[message.topic()],
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

    topics = [entry.topic for entry in source.tables]
    wanted = Source(f"{source.project}-land-changes", topics, row, source.deployed_by)
    return land_topics(lab, wanted, table, release=release, limit=limit)


def land_topics(
    lab: Lab, source: Source, table: Table, *, release: Collection[str] = (), limit: int = COMMIT_RECORDS
) -> Landed:
    """Land everything that is in the topics when this begins, in commits of so many records. Raises as `land`."""
    begun = time.monotonic()
    done = Landed()
    with _Topics(lab, source, done, release) as topics:
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
                        f"the log {table.full_name} is written by others without end", remedy="Run again"
                    ) from error
                continue
            done.changes += rows.counts
            done.tombstones += rows.tombstones
            done.commits += 1
    done.seconds = time.monotonic() - begun
    return done


def judge_by(contracts: Mapping[str, Contract]) -> Callable[[str, Any], None]:
    """What a decoder tells of each new schema: it must keep the contract of its topic, where that has one."""

    def judge(topic: str, schema: Any) -> None:
        if topic in contracts:
            require(contracts[topic], schema)

    return judge


def raise_held(*, landed: dict[str, Any]) -> dict[str, Any]:
    """Fail when a topic waits for its contract, after everything else has gone its way: a step behind a landing.

    Raises:
        ContractError: it names each breach and the owner.

    """
    held: dict[str, str] = landed["held"]
    if held:
        contracts = read_contracts()
        owners = sorted({contracts[topic].owner for topic in held})
        raise ContractError(", ".join(held), ", ".join(owners), list(held.values()))
    return {"held": 0}


class _Rows:
    """Rows of one commit, and where each partition goes on."""

    def __init__(self) -> None:
        self.rows: list[Sequence[Any]] = []
        self.counts: Counter[str] = Counter()
        self.tombstones = 0
        self.moved: dict[str, int] = {}

    def add(self, row: Sequence[Any]) -> None:
        self.rows.append(row)
        self.counts[row[0]] += 1

    def __len__(self) -> int:
        return len(self.rows)


class _Topics:
    """Reads topics up to where they ended at the beginning."""

    def __init__(self, lab: Lab, source: Source, done: Landed, release: Collection[str]) -> None:
        self._source = source
        self._topics = {topic.name: topic for topic in source.topics}
        self._done = done
        self._release = frozenset(release)
        self._where = servers(lab)
        self._consumer = Consumer(
            {
                **bulk_reader_settings(lab),
                "group.id": source.group,
                "enable.partition.eof": True,
            }
        )
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
        """Rows from where the log says, as many as the limit at most; nothing moved: all is read."""
        rows, positions = _Rows(), {}
        for (topic, partition), end in self._ends.items():
            place = begin(f"{topic}/{partition}") or 0
            if place > end:
                raise CaptureError(
                    f"the log has {topic}/{partition} up to {place}, the topic ends at {end}: it was made anew",
                    remedy=f"Empty the project and let the records land again: {self._source.command} --fresh",
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
        try:
            row = self._source.row(message)
        except ChangeError as error:
            self._put_aside(message, error.reason, error.message)
            return
        if row is None:
            rows.tombstones += 1
        else:
            rows.add(row)

    def _put_aside(self, message: Message, reason: str, detail: str) -> None:
        topic = self._topics[message.topic()]
        self._dead.put(topic, message, reason=reason, detail=detail)
        self._done.dead_letters[f"{topic.name}: {reason}"] += 1

    def _find_ends(self) -> dict[tuple[str, int], int]:
        found: dict[tuple[str, int], int] = {}
        try:
            known = self._consumer.list_topics(timeout=ANSWER).topics
            for topic in self._topics:
                if topic not in known:
                    raise CaptureError(f"there is no topic {topic}", remedy=f"Run: {self._source.command}")
                for number in known[topic].partitions:
                    _, end = bounds(self._consumer, TopicPartition(topic, number), timeout=ANSWER)
                    found[topic, number] = end
        except KafkaException as error:
            raise ServiceDownError(
                f"Kafka does not answer at {self._where} ({error.args[0].str()})", remedy="Run: quintet doctor"
            ) from error
        return found


def _commit(delta: DeltaTable, table: Table, rows: _Rows) -> None:
    number = (delta.transaction_version(BATCH) or 0) + 1
    schema = arrow_schema(table)
    columns: list[Sequence[Any]] = list(zip(*rows.rows, strict=True)) or [()] * (len(schema) - 1)
    columns.append([number] * len(rows))
    arrays = [_array(values, kind.type) for values, kind in zip(columns, schema, strict=True)]
    guards = [Transaction(BATCH, number), *(Transaction(name, place) for name, place in rows.moved.items())]
    write_deltalake(
        delta,
        pa.Table.from_arrays(arrays, schema=schema),
        mode="append",
        commit_properties=CommitProperties(app_transactions=guards),
        writer_properties=_WRITER,
    )


def _array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_timestamp(kind):
        return pa.array(values, pa.int64()).cast(kind)
    return pa.array(values, kind)
