"""Merging: points of blocks and heads, which may overlap in time, become one sorted column per series.

All parts are decoded to their final place, older parts before newer ones; then only series whose times do not rise
are sorted (stably, so that of equal times the newest part stays last), and one pass cuts to the interval, drops what
is erased, and keeps the last of equal times.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence, Set

import numpy as np
import numpy.typing as npt

from quintet.timeseries.block import Block
from quintet.timeseries.compiled import kernel
from quintet.timeseries.head import HeadView
from quintet.timeseries.model import Labels

__all__ = ["BlockPart", "HeadPart", "Merged", "Part", "merge"]

#: labels, offsets int64[k + 1], timestamps int64[n], values float64[n], as in `Scan`
Merged = tuple[list[Labels], npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64]]


class Part(ABC):
    """Pieces of series: `series[i]` (index into labels) has `points[i]` points, in order of writing."""

    labels: list[Labels]
    series: npt.NDArray[np.int64]
    points: npt.NDArray[np.int64]

    @abstractmethod
    def decode(
        self, starts: npt.NDArray[np.int64], timestamps: npt.NDArray[np.int64], bits: npt.NDArray[np.uint64]
    ) -> Iterable[tuple[int, int]]:
        """Write piece i to starts[i] and after; what of that is erased, as ranges of positions."""

    @abstractmethod
    def only(self, chosen: Set[Labels]) -> Part:
        """The same of some series."""


class HeadPart(Part):
    """Series of a head."""

    def __init__(self, view: HeadView) -> None:
        self._view = view
        self.labels = view.labels
        self.series = np.arange(len(view.labels))
        self.points = view.counts

    def decode(
        self, starts: npt.NDArray[np.int64], timestamps: npt.NDArray[np.int64], bits: npt.NDArray[np.uint64]
    ) -> Iterable[tuple[int, int]]:
        """Copy from the arena."""
        self._view.copy(starts, timestamps, bits.view(np.float64))
        return ()

    def only(self, chosen: Set[Labels]) -> HeadPart:
        """The same of some series."""
        return HeadPart(self._view.taken([row for row, labels in enumerate(self.labels) if labels in chosen]))


class BlockPart(Part):
    """Chunks of a block by their rows; erased maps series of the block to intervals without points."""

    def __init__(
        self, block: Block, rows: npt.NDArray[np.int64], erased: dict[int, list[tuple[int, int]]] | None = None
    ) -> None:
        self._block = block
        self._rows = rows
        self._erased = erased or {}
        table = block.chunks[rows]
        numbers, self.series = np.unique(table["series"], return_inverse=True)
        self._numbers = numbers.tolist()
        self.labels = [block.labels(number) for number in self._numbers]
        self.points = table["points"].astype(np.int64)
        self.bytes = int(table["time_bytes"].sum(dtype=np.int64) + table["value_bytes"].sum(dtype=np.int64))

    def decode(
        self, starts: npt.NDArray[np.int64], timestamps: npt.NDArray[np.int64], bits: npt.NDArray[np.uint64]
    ) -> Iterable[tuple[int, int]]:
        """Decode the chunks."""
        gone = []
        ready = self._block.ready(self._rows)
        pieces = zip(self._rows.tolist(), self.series.tolist(), starts.tolist(), self.points.tolist(), strict=True)
        for row, series, begin, points in pieces:
            times = timestamps[begin : begin + points]
            self._block.decode(row, times, bits[begin : begin + points], ready)
            for start, end in self._erased.get(self._numbers[series], ()):
                low, high = np.searchsorted(times, [start, end]).tolist()
                gone.append((begin + low, begin + high))
        return gone

    def only(self, chosen: Set[Labels]) -> BlockPart:
        """The same of some series."""
        kept = np.array([labels in chosen for labels in self.labels], bool)
        return BlockPart(self._block, self._rows[kept[self.series]], self._erased)


def merge(parts: Sequence[Part], start: int, end: int) -> Merged:
    """Points in [start, end) of all parts, oldest part first.

    Raises:
        CorruptionError: a chunk is damaged.

    """
    labels = _labels(parts)
    number = {one: index for index, one in enumerate(labels)}
    series = [np.array([number[one] for one in part.labels], np.int64)[part.series] for part in parts if part.labels]
    parts = [part for part in parts if part.labels]
    if not parts:
        return [], np.zeros(1, np.int64), np.empty(0, np.int64), np.empty(0, np.float64)
    whose = np.concatenate(series)
    points = np.concatenate([part.points for part in parts])
    order = np.argsort(whose, kind="stable")
    starts = np.empty(len(points), np.int64)
    starts[order] = np.cumsum(points[order]) - points[order]
    offsets = np.concatenate(([0], np.cumsum(np.bincount(whose, points, len(labels)).astype(np.int64))))
    timestamps = np.empty(offsets[-1], np.int64)
    bits = np.empty(offsets[-1], np.uint64)
    gone = np.zeros(0, bool)
    at = 0
    for part in parts:
        mine = starts[at : at + len(part.points)]
        at += len(part.points)
        for low, high in part.decode(mine, timestamps, bits):
            gone = gone if len(gone) else np.zeros(len(bits), bool)
            gone[low:high] = True
    return _finished(labels, offsets, timestamps, bits, gone, start, end)


def _labels(parts: Sequence[Part]) -> list[Labels]:
    if len(parts) == 1 and isinstance(parts[0], BlockPart):
        return parts[0].labels  # a block's series are sorted
    return sorted({labels for part in parts for labels in part.labels})


def _finished(labels, offsets, timestamps, bits, gone, start, end) -> Merged:  # type: ignore[no-untyped-def]
    for series in np.flatnonzero(_falling(timestamps, offsets)).tolist():
        low, high = int(offsets[series]), int(offsets[series + 1])
        order = np.argsort(timestamps[low:high], kind="stable")
        for column in (timestamps, bits, gone):
            if len(column):
                column[low:high] = column[low:high][order]
    ends = np.empty(len(offsets), np.int64)
    _cut(timestamps, bits, gone, offsets, start, end, ends)
    kept = np.flatnonzero(np.diff(ends))
    size = int(ends[-1])
    if len(kept) < len(labels):
        labels = [labels[series] for series in kept.tolist()]
        ends = np.concatenate(([0], ends[kept + 1]))
    return labels, ends, timestamps[:size], bits[:size].view(np.float64)


@kernel
def _falling(timestamps, offsets):  # type: ignore[no-untyped-def]
    falls = np.zeros(len(offsets) - 1, np.bool_)
    for series in range(len(offsets) - 1):
        for i in range(offsets[series] + 1, offsets[series + 1]):
            if timestamps[i] < timestamps[i - 1]:
                falls[series] = True
                break
    return falls


@kernel
def _cut(timestamps, bits, gone, offsets, start, end, ends):  # type: ignore[no-untyped-def]
    """Move what stays to the front, in place; ends[i + 1] is where series i ends then."""
    at = 0
    ends[0] = 0
    for series in range(len(offsets) - 1):
        begin = at
        for i in range(offsets[series], offsets[series + 1]):
            time = timestamps[i]
            if time < start or time >= end or (len(gone) and gone[i]):
                continue
            if at > begin and timestamps[at - 1] == time:
                at -= 1
            timestamps[at] = time
            bits[at] = bits[i]
            at += 1
        ends[series + 1] = at
