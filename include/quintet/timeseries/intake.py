"""Intake: from a batch to the log and the head. One thread at a time; the store holds its lock around every call."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from quintet.timeseries.errors import PointsRefusedError
from quintet.timeseries.head import Head
from quintet.timeseries.logrecord import decode_points, decode_series, encode_points, encode_series
from quintet.timeseries.model import MAX_TIME, MIN_TIME, Batch, Labels, LabelTable, Options
from quintet.timeseries.seriescount import SeriesCount
from quintet.timeseries.wal import POINTS, SERIES, Replay, Wal, replay, segments

__all__ = ["Intake", "columns_of"]

#: Tuples and tables of labels whose numbers are remembered: one for each kind of batch that writers repeat.
_REMEMBERED = 64
#: In place of the number of a series that the head does not hold.
_UNKNOWN = np.uint32(2**32 - 1)
_NOBODY = np.empty(0, np.uint32)
#: Series of one record of the log.
_SERIES_OF_RECORD = 10_000


def columns_of(batch: Batch) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """The columns, contiguous and of their types.

    Raises:
        PointsRefusedError: of different lengths, an index without labels, a time that no interval contains.

    """
    series = np.ascontiguousarray(batch.series, np.uint32)
    timestamps = np.ascontiguousarray(batch.timestamps, np.int64)
    values = np.ascontiguousarray(batch.values, np.float64)
    if not series.ndim == timestamps.ndim == values.ndim == 1 or not len(series) == len(timestamps) == len(values):
        raise PointsRefusedError(
            f"columns of shapes {series.shape}, {timestamps.shape}, {values.shape}", remedy="Send columns of one length"
        )
    if len(series) and int(series.max()) >= len(batch.labels):
        raise PointsRefusedError(
            f"a point is of series {int(series.max())}, the batch has {len(batch.labels)}", remedy="Send its labels"
        )
    if len(series) and int(timestamps.max()) == MAX_TIME:
        raise PointsRefusedError(f"the time {MAX_TIME} is in no interval", remedy="Send an earlier time")
    return series, timestamps, values


class Intake:
    """The log and the head that takes appends.

    Raises:
        CorruptionError: the log is damaged.

    """

    def __init__(
        self, folder: Path, options: Options, *, wal_from: int, wal_open: int, wal_bytes: int, newest: int
    ) -> None:
        self._options = options
        self._folder = folder / "wal"
        self._folder.mkdir(exist_ok=True)
        self.count = SeriesCount()
        self.head = Head(options.head_points)
        self.newest = newest
        self.refused = 0
        self._resolved: dict[int, tuple[Sequence[Labels], npt.NDArray[np.uint32]]] = {}
        self._tables: dict[int, tuple[LabelTable, npt.NDArray[np.uint32]]] = {}
        self._numbers: npt.NDArray[np.uint32] = np.empty(0, np.uint32)
        self.replayed: Replay = replay(
            self._folder,
            wal_from,
            self._apply,
            last=wal_open,
            last_bytes=wal_bytes,
            damage=options.wal_damage,
            quarantine=folder / "quarantine",
        )
        kept = segments(self._folder)
        # After damage the log goes on behind what was kept of it: the numbers have no gap.
        last = max(kept) if kept and self.replayed.damaged else max([wal_open, *kept])
        self.first_segment = min([number for number in kept if number >= wal_from], default=last + 1)
        self.wal = Wal(self._folder, last + 1, segment_bytes=options.segment_bytes)
        # Segments before may have numbered series otherwise (two heads): from here on these numbers hold.
        self._log_series(0, self.head.labels)

    def _apply(self, kind: int, payload: memoryview) -> None:
        if kind == SERIES:
            first, labels = decode_series(payload)
            if first + len(labels) > len(self._numbers):
                grown = np.zeros(2 * (first + len(labels)), np.uint32)
                grown[: len(self._numbers)] = self._numbers
                self._numbers = grown
            known = self.head.numbers
            self._numbers[first : first + len(labels)] = [
                known[one] if one in known else self.head.register(one) for one in labels
            ]
        elif kind == POINTS:
            series, timestamps, values = decode_points(payload)
            self.head.insert(self._numbers[series], timestamps, values)
            self.newest = max(self.newest, int(timestamps.max()))

    def _log_series(self, first: int, labels: Sequence[Labels]) -> None:
        for at in range(0, len(labels), _SERIES_OF_RECORD):
            self.wal.append(SERIES, [encode_series(first + at, labels[at : at + _SERIES_OF_RECORD])])

    def accept(self, batch: Batch) -> tuple[int, int]:
        """Log and insert a batch; points accepted, and the position to sync the log to.

        Raises:
            PointsRefusedError: nothing of the batch is stored.
            StoreError: the log cannot be written; nothing of the batch is stored.

        """
        series, timestamps, values = columns_of(batch)
        if self._options.out_of_order_window is not None and len(timestamps):
            fresh = timestamps >= max(self.newest - self._options.out_of_order_window, MIN_TIME)
            if not fresh.all():
                series, timestamps, values = series[fresh], timestamps[fresh], values[fresh]
        self.refused += len(batch) - len(timestamps)
        if not len(timestamps):
            return 0, 0
        numbers = self._numbered(batch.labels, series)
        position = self.wal.append(POINTS, encode_points(numbers, timestamps, values))
        self.head.insert(numbers, timestamps, values)
        self.newest = max(self.newest, int(timestamps.max()))
        return len(timestamps), position

    def _numbered(self, labels: Sequence[Labels], series: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
        """Numbers in the head of the series of each point."""
        if not isinstance(labels, LabelTable):
            return self._resolve(labels)[series]
        place, (table, found) = id(labels), self._tables.get(id(labels), (labels, _NOBODY))
        if table is not labels or len(found) < len(labels):
            grown = np.full(2 * len(labels), _UNKNOWN, np.uint32)
            grown[: len(found)] = found if table is labels else _UNKNOWN
            if place not in self._tables and len(self._tables) >= _REMEMBERED:
                self._tables.pop(next(iter(self._tables)))
            self._tables[place] = labels, grown
            found = grown
        numbers = found[series]
        unknown = numbers == _UNKNOWN
        if unknown.any():
            missing = np.unique(series[unknown])
            found[missing] = self._resolve([labels[number] for number in missing.tolist()])
            numbers = found[series]
        return numbers

    def _resolve(self, labels: Sequence[Labels]) -> npt.NDArray[np.uint32]:
        remembered = self._resolved.get(id(labels))
        if remembered is not None and remembered[0] is labels:
            return remembered[1]
        known = self.head.numbers
        unknown = list(dict.fromkeys(one for one in labels if one not in known))
        if unknown:
            self.count.add(unknown, self._options.max_series)
            self._log_series(len(known), unknown)
            for one in unknown:
                self.head.register(one)
        numbers = np.fromiter((known[one] for one in labels), np.uint32, len(labels))
        if isinstance(labels, tuple):  # a list may be changed by its owner
            if len(self._resolved) >= _REMEMBERED:
                self._resolved.pop(next(iter(self._resolved)))
            self._resolved[id(labels)] = (labels, numbers)
        return numbers

    def freeze(self) -> tuple[Head, int]:
        """Begin a new head in a new segment; the old head, and the segment that the log counts from without it."""
        segment = self.wal.rotate()
        old, self.head = self.head, Head(self._options.head_points)
        self._resolved.clear()
        self._tables.clear()
        return old, segment
