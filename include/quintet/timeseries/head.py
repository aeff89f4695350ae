"""The head: points that are in the log and in no block yet, by series, in memory.

Points go to slabs (8 to 256 of one series) of one arena, in order of arrival. What is written never moves: a reader
notes how far each series reaches and copies without a lock while appends go on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from quintet.timeseries.compiled import kernel
from quintet.timeseries.index import GrowingPostings
from quintet.timeseries.model import DAY, MAX_TIME, MIN_TIME, Labels

__all__ = ["Head", "HeadView"]

_SMALLEST, _LARGEST = 8, 256


@kernel
def _insert(series, timestamps, values, tail, fill, count, low, high, start, room, before, used, times, points):  # type: ignore[no-untyped-def]
    top = used[0]
    slabs = used[1]
    for i in range(len(series)):
        number = series[i]
        slab = tail[number]
        at = fill[number]
        if slab < 0 or at == room[slab]:
            size = _SMALLEST if slab < 0 else min(_LARGEST, 2 * room[slab])
            start[slabs] = top
            room[slabs] = size
            before[slabs] = slab
            tail[number] = slabs
            slab = slabs
            slabs += 1
            top += size
            at = 0
        time = timestamps[i]
        times[start[slab] + at] = time
        points[start[slab] + at] = values[i]
        fill[number] = at + 1
        count[number] += 1
        low[number] = min(low[number], time)
        high[number] = max(high[number], time)
    used[0] = top
    used[1] = slabs


@kernel
def _gather(tail, fill, ends, start, room, before, times, points, out_times, out_points):  # type: ignore[no-untyped-def]
    """Copy series to where they end, newest slab first."""
    for i in range(len(tail)):
        slab = tail[i]
        length = fill[i]
        end = ends[i]
        while slab >= 0:
            end -= length
            for j in range(length):
                out_times[end + j] = times[start[slab] + j]
                out_points[end + j] = points[start[slab] + j]
            slab = before[slab]
            if slab >= 0:
                length = room[slab]


@dataclass(frozen=True)
class HeadView:
    """Series of a head as they were at one moment: labels, points of each, and a copy of them on demand."""

    labels: list[Labels]
    counts: npt.NDArray[np.int64]
    _tail: npt.NDArray[np.int64]
    _fill: npt.NDArray[np.int64]
    _arena: tuple[npt.NDArray[np.int64], ...]

    def copy(
        self, starts: npt.NDArray[np.int64], timestamps: npt.NDArray[np.int64], values: npt.NDArray[np.float64]
    ) -> None:
        """Copy the points of series i, in order of arrival, to starts[i] and after."""
        _gather(self._tail, self._fill, starts + self.counts, *self._arena, timestamps, values)

    def taken(self, rows: Sequence[int]) -> HeadView:
        """Some of the series, by their rows in this view."""
        chosen = np.asarray(rows, np.int64)
        labels = [self.labels[row] for row in rows]
        return HeadView(labels, self.counts[chosen], self._tail[chosen], self._fill[chosen], self._arena)


class Head:
    """Points by series. Calls are made under the store's lock, only `HeadView.copy` is not."""

    def __init__(self, points: int) -> None:
        self.numbers: dict[Labels, int] = {}
        self.labels: list[Labels] = []
        self.postings = GrowingPostings()
        self.points = 0
        self.min_time, self.max_time = MAX_TIME, MIN_TIME
        #: Days since the epoch with points.
        self.days: set[int] = set()
        self._used = np.zeros(2, np.int64)
        self._grow_series(1024)
        # Memory that is not touched costs nothing: room for slabs that are half empty.
        self._grow_arena(2 * points + 4096)

    def _grow_series(self, size: int) -> None:
        self._tail = _grown(getattr(self, "_tail", None), size, -1)
        self._fill = _grown(getattr(self, "_fill", None), size, 0)
        self._count = _grown(getattr(self, "_count", None), size, 0)
        self._low = _grown(getattr(self, "_low", None), size, MAX_TIME)
        self._high = _grown(getattr(self, "_high", None), size, MIN_TIME)

    def _grow_arena(self, size: int) -> None:
        old = getattr(self, "_times", None)
        self._times = _grown(old, size)
        self._values = _grown(getattr(self, "_values", None), size, kind=np.float64)
        slabs = size // _SMALLEST
        self._start = _grown(getattr(self, "_start", None), slabs)
        self._room = _grown(getattr(self, "_room", None), slabs)
        self._before = _grown(getattr(self, "_before", None), slabs)

    def register(self, labels: Labels) -> int:
        """Number of a new series."""
        number = self.numbers[labels] = len(self.labels)
        self.labels.append(labels)
        self.postings.add(number, labels)
        if number == len(self._tail):
            self._grow_series(2 * number)
        return number

    def insert(
        self, series: npt.NDArray[np.uint32], timestamps: npt.NDArray[np.int64], values: npt.NDArray[np.float64]
    ) -> None:
        """Add points in order of arrival. Shapes: series uint32[n], numbers; timestamps int64[n]; values float64[n]."""
        if not len(series):
            return
        most = int(self._used[0]) + len(series) + min(len(series), len(self.labels)) * _LARGEST
        if most > len(self._times):
            self._grow_arena(max(2 * len(self._times), most))
        _insert(
            series, timestamps, values, self._tail, self._fill, self._count, self._low, self._high, self._start,
            self._room, self._before, self._used, self._times, self._values,
        )  # fmt: skip
        self.points += len(series)
        low, high = int(timestamps.min()), int(timestamps.max())
        self.min_time = min(self.min_time, low)
        self.max_time = max(self.max_time, high)
        if low // DAY == high // DAY:
            self.days.add(low // DAY)
        else:
            self.days.update(np.unique(timestamps // DAY).tolist())

    def view(self, numbers: npt.NDArray[np.uint32] | Sequence[int], start: int, end: int) -> HeadView:
        """The series of these numbers that may have points in [start, end)."""
        chosen = np.asarray(numbers, np.int64)
        chosen = chosen[(self._high[chosen] >= start) & (self._low[chosen] < end)]
        return HeadView(
            [self.labels[number] for number in chosen.tolist()],
            self._count[chosen],
            self._tail[chosen],
            self._fill[chosen],
            (self._start, self._room, self._before, self._times, self._values),
        )


def _grown(old, size: int, initial: int | None = None, kind=np.int64):  # type: ignore[no-untyped-def]
    new = np.empty(size, kind) if initial is None else np.full(size, initial, kind)
    if old is not None:
        new[: len(old)] = old
    return new
