"""The shop's records on their way to Kafka: as they happen, at a rate, or from files.

Records carry the time of their arrival in the simulation, so that what is late is late whoever reads them and whenever.
Records that are no events come from a stranger: a producer of its own that knows no contract.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from quintet.catalogue.ecommerce import EVENT_TOPICS
from quintet.ecommerce.definitions import KINDS
from quintet.ecommerce.simulation import Piece
from quintet.ecommerce.tables import ARRIVED, EVENTS, MALFORMED_SCHEMA, STRANGE, Texts, event_schema
from quintet.errors import InputError
from quintet.streams.avrobatch import head
from quintet.streams.batchproducer import BatchProducer, Form, Row
from quintet.streams.errors import TopicError

__all__ = ["Batch", "Pace", "ahead", "batches_of_files", "batches_of_piece", "rows_of", "send"]

T = TypeVar("T")

#: Records that are encoded together.
TOGETHER = 20_000
#: Records of so many ms go at once.
TICK_MS = 20
#: Seconds for what is no event to be written.
DELIVERY = 120


@dataclass(frozen=True)
class Batch:
    """Records of a short time by kind, and what is no event, each in order of arrival."""

    events: dict[str, pa.Table]
    malformed: pa.Table


class Pace:
    """Lets records go when their time has come; `behind_s` is the longest that one had to wait for us.

    The first moment comes `lead_s` from now. With a `speed` the simulated time passes so many times as fast; 0 lets
    everything go at once.
    """

    def __init__(
        self,
        first_ms: int,
        *,
        speed: float = 1.0,
        lead_s: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._first_ms, self._speed, self._clock, self._sleep = first_ms, speed, clock, sleep
        self._begin = clock() + lead_s
        self.behind_s = 0.0

    def wait(self, at_ms: int) -> None:
        """Wait until this moment of the simulation."""
        if self._speed == 0:
            return
        ahead = self._begin + (at_ms - self._first_ms) / 1000 / self._speed - self._clock()
        if ahead > 0:
            self._sleep(ahead)
        else:
            self.behind_s = max(self.behind_s, -ahead)


def batches_of_piece(texts: Texts, piece: Piece) -> Iterator[Batch]:
    """A piece of the simulation in batches, by arrival."""
    yield from _cut(
        {kind: texts.table(kind, columns) for kind, columns in piece.events.items()}, texts.malformed(piece.malformed)
    )


def batches_of_files(folder: Path) -> Iterator[Batch]:
    """An input folder in batches, day by day, by arrival; a day may lack kinds, as one that is sent again in part does.

    Raises:
        InputError: there are no days in it.

    """
    days = sorted(path for path in (folder / EVENTS).glob("*") if path.is_dir())
    if not days:
        raise InputError(f"the folder {folder} holds no input", remedy="Make one: quintet generate ecommerce --out …")
    for day in days:
        tables = {kind: _read(day / f"{kind}.parquet", event_schema(kind)) for kind in KINDS}
        yield from _cut(tables, _read(day / f"{STRANGE}.parquet", MALFORMED_SCHEMA))


def rows_of(forms: Mapping[str, Form], batch: Batch) -> list[Row]:
    """All records of a batch in order of arrival; those that are no events have no key."""
    found: list[Row] = []
    for kind, table in batch.events.items():
        form = forms[EVENT_TOPICS[kind].name]
        found += form.rows(table.drop_columns([ARRIVED]), table.column(ARRIVED).combine_chunks())
    for row in batch.malformed.to_pylist():
        value = head(forms[row["topic"]].value_id) + row["value"] if row["is_framed"] else row["value"]
        found.append((row["topic"], None, value, int(row[ARRIVED].timestamp() * 1000)))
    found.sort(key=itemgetter(3))
    return found


def ahead(made: Iterable[T], depth: int) -> Iterator[T]:
    """The same things, up to so many of them made by another thread before they are wanted."""
    ready: Queue[tuple[T | None, BaseException | None]] = Queue(maxsize=depth)

    def work() -> None:
        try:
            for thing in made:
                ready.put((thing, None))
        except BaseException as error:  # noqa: BLE001 - raised again where the things are wanted
            ready.put((None, error))
        else:
            ready.put((None, None))

    Thread(target=work, daemon=True, name="ahead").start()
    while True:
        thing, error = ready.get()
        if error is not None:
            raise error
        if thing is None:
            return
        yield thing


def send(producer: BatchProducer, stranger: Any, made: Iterable[list[Row]], pace: Pace) -> int:
    """Send records in order of arrival, each when its time has come; how many.

    `stranger` is a plain producer of Kafka. Waits at the end until all are written.

    Raises:
        TopicError: a record was not written.

    """
    sent = 0
    failed: list[Any] = []

    def told(error: Any, _message: Any) -> None:
        if error is not None:
            failed.append(error)

    for batch in made:
        for ticks, rows in groupby(batch, key=lambda row: row[3] // TICK_MS):
            pace.wait(ticks * TICK_MS)
            due = list(rows)
            producer.send(row for row in due if row[1] is not None)
            for topic, _key, value, at in (row for row in due if row[1] is None):
                stranger.produce(topic, value=value, timestamp=at, on_delivery=told)
            stranger.poll(0)
            sent += len(due)
    producer.flush()
    if stranger.flush(DELIVERY) or failed:
        raise TopicError(f"records that are no events were not written: {failed[:1]}", remedy="Run: quintet doctor")
    return sent


def _read(path: Path, schema: pa.Schema) -> pa.Table:
    return pq.read_table(path) if path.exists() else schema.empty_table()


def _cut(tables: dict[str, pa.Table], malformed: pa.Table) -> Iterator[Batch]:
    """Batches of about `TOGETHER` records with the same stretch of time for every kind."""
    parts = {**tables, STRANGE: malformed}
    times = {name: np.asarray(table.column(ARRIVED).cast(pa.int64())) for name, table in parts.items()}
    everything = np.sort(np.concatenate(list(times.values())))
    if not len(everything):
        return
    limits = [*np.unique(everything[TOGETHER::TOGETHER]).tolist(), int(everything[-1]) + 1]
    begins = dict.fromkeys(parts, 0)
    for limit in limits:
        ends = {name: int(np.searchsorted(times[name], limit)) for name in parts}
        cut = {name: table.slice(begins[name], ends[name] - begins[name]) for name, table in parts.items()}
        begins = ends
        strange = cut.pop(STRANGE)
        yield Batch({kind: table for kind, table in cut.items() if table.num_rows}, strange)
