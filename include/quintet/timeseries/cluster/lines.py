"""Line protocol from a topic into a store; what cannot be stored goes to a dead letter topic with the reason.

A message is a body of line protocol, with the headers `precision` (ns) and `encoding` (gzip) where they are not the
usual ones. A line without a timestamp gets the message's, so that reading a message twice writes the same points.

In a store of this process points and offset are one append: they cannot differ. A cluster stores its shards apart, so
there the offset is written when the points are acknowledged; what is read again after a crash between writes the same
points. Dead letters are acknowledged before the offset moves: none is lost, one may come twice, under the same key.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType

from confluent_kafka import KafkaException, Message, Producer

from quintet.errors import QuintetError
from quintet.timeseries.bodies import BodyError, gunzip
from quintet.timeseries.cluster.errors import LogError
from quintet.timeseries.cluster.gather import joined
from quintet.timeseries.cluster.log import LogEnds, LogReader, Pending
from quintet.timeseries.cluster.offsets import (
    LINES_OFFSET,
    offset_batch,
    offset_series,
    read_offset,
    refuse_window,
    with_offset,
)
from quintet.timeseries.cluster.topics import Settings, Topics, partitions
from quintet.timeseries.errors import PointsRefusedError
from quintet.timeseries.ingest import precision_of
from quintet.timeseries.lineprotocol import LineError, LineParser
from quintet.timeseries.model import Batch, Labels
from quintet.timeseries.storage import Storage
from quintet.timeseries.store import Store

__all__ = ["LineCounts", "LineIngest"]

_MESSAGES = 500
_BODY_BYTES = 64 * 1024 * 1024
_DELIVERY = 30.0
#: Reasons that one dead letter names; its value holds all the lines.
_LISTED = 20


@dataclass
class LineCounts:
    """What was read: messages, points stored, dead letters; messages that the topic dropped before they were read."""

    messages: int = 0
    points: int = 0
    dead: int = 0
    missed: int = 0


@dataclass(frozen=True)
class _Letter:
    """A dead letter: where it is from, what it holds, and why."""

    message: Message
    value: bytes
    reason: str


class LineIngest:
    """Reads partitions of the topic of lines (all of them where none are named); one thread uses it.

    Raises:
        LogError: Kafka does not answer, or there is no such topic.
        StoreError: the store refuses late points.
        CardinalityError: the store has no room for the series of the offsets.

    """

    def __init__(
        self, store: Storage, settings: Settings, topics: Topics, *, only: Sequence[int] | None = None
    ) -> None:
        self._store = store
        self._topics = topics
        self._together = isinstance(store, Store)
        if isinstance(store, Store):
            refuse_window(store.options.out_of_order_window)
        self._parser = LineParser()
        self.counts = LineCounts()
        numbers = range(partitions(settings, topics.lines)) if only is None else only
        self._series = {number: offset_series(topics.lines, number, LINES_OFFSET) for number in numbers}
        self._producer = Producer(
            {
                "enable.idempotence": True,
                "acks": "all",
                "delivery.timeout.ms": int(_DELIVERY * 1000),
                "log_level": 0,
                **settings,
            }
        )
        self._reader = LogReader(settings, topics.lines, group="quintet-timeseries-lines")
        for number, first in LogEnds(settings, topics.lines).first(self._series).items():
            offset = read_offset(store, self._series[number])
            self.counts.missed += max(0, first - offset) if offset else 0
            # Before any point, so that a store at its limit of series has no room for points without their offset.
            store.append(offset_batch(self._series[number], max(offset, first)))
            self._reader.add(number, max(offset, first))

    def run(self, stop: threading.Event) -> None:
        """Read until told to stop. Raises as `turn`."""
        while not stop.is_set():
            self.turn(0.2)

    def turn(self, seconds: float) -> int:
        """Store the next messages, waiting for the first at most `seconds`; how many there were.

        Raises:
            LogError: Kafka does not answer as it should; what was read is not stored, or stored and read again.
            StoreError: the store takes nothing.

        """
        done = 0
        for partition, messages in self._reader.read(_MESSAGES, seconds).items():
            self._take(self._series[partition], messages)
            done += len(messages)
        return done

    def _take(self, series: Labels, messages: Sequence[Message]) -> None:
        letters: list[_Letter] = []
        batches: list[tuple[Message, Batch]] = []
        for message in messages:
            batch = self._parsed(message, letters)
            if batch is not None and len(batch):
                batches.append((message, batch))
        following = messages[-1].offset() + 1
        try:
            self._bury(letters)
            self._append(joined([batch for _, batch in batches]), series, following)
        except PointsRefusedError:
            # Of one message only: each for itself, and the offset when all of them are done.
            self._bury(self._one_by_one(batches))
            self._store.append(offset_batch(series, following))
        self.counts.messages += len(messages)

    def _append(self, batch: Batch, series: Labels, following: int) -> None:
        if self._together:
            self._store.append(
                with_offset(Batch([*batch.labels, series], batch.series, batch.timestamps, batch.values), following)
            )
        else:
            self._store.append(batch) if len(batch) else None
            self._store.append(offset_batch(series, following))
        self.counts.points += len(batch)

    def _one_by_one(self, batches: Sequence[tuple[Message, Batch]]) -> list[_Letter]:
        letters = []
        for message, batch in batches:
            try:
                self._store.append(batch)
                self.counts.points += len(batch)
            except PointsRefusedError as error:
                letters.append(_Letter(message, message.value() or b"", str(error)))
        return letters

    def _parsed(self, message: Message, letters: list[_Letter]) -> Batch | None:
        """Points of the good lines; a letter with the others."""
        headers = {name: value.decode("utf-8", "replace") for name, value in message.headers() or () if value}
        body = message.value() or b""
        try:
            precision = precision_of(headers.get("precision", ""), lambda text: BodyError(400, text))
            body = gunzip(body, headers.get("encoding", ""), _BODY_BYTES)
            parsed = self._parser.parse(body, precision=precision, now=message.timestamp()[1] * 1_000_000)
        except (BodyError, QuintetError) as error:
            letters.append(_Letter(message, message.value() or b"", str(error)))
            return None
        if parsed.errors:
            letters.append(_Letter(message, _lines(body, parsed.errors), _reasons(parsed.errors)))
        return parsed.batch.narrowed()

    def _bury(self, letters: Sequence[_Letter]) -> None:
        """Write dead letters; they are acknowledged when this returns."""
        pending = Pending()
        for letter in letters:
            place = f"{letter.message.topic()}/{letter.message.partition()}/{letter.message.offset()}"
            headers = [("reason", letter.reason.encode()), ("source", place.encode())]
            pending.more()
            try:
                self._producer.produce(
                    self._topics.dlq, letter.value, key=place, headers=headers, on_delivery=pending.arrived
                )
            except (KafkaException, BufferError) as error:
                raise LogError(f"topic {self._topics.dlq}: {error}", remedy="Look at the brokers") from error
        pending.close()
        if letters:
            self._producer.flush(_DELIVERY)
            pending.wait(0)
            self.counts.dead += len(letters)

    def close(self) -> None:
        """Read no more; the store is the caller's."""
        self._reader.close()

    def __enter__(self) -> LineIngest:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _lines(body: bytes, errors: Sequence[LineError]) -> bytes:
    """The lines that were refused."""
    lines = body.split(b"\n")
    return b"\n".join(lines[error.line - 1] for error in errors)


def _reasons(errors: Sequence[LineError]) -> str:
    listed = "; ".join(f"line {error.line}: {error.reason}" for error in errors[:_LISTED])
    return listed if len(errors) <= _LISTED else f"{listed}; and {len(errors) - _LISTED} more"
