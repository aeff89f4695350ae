"""One rollup: a small store of aggregates, which are points of series of their own, beside what it was computed from.

A series `room{floor="1"}` becomes one series for each aggregate: its label `.aggregate` says which, and `_` stands
before the names of its own labels, so that none is reserved. Times are the beginnings of buckets. An exact sum takes
several series, `sum0`, `sum1`…, of which most buckets have one or two points; `large0`… hold parts divided by 2^64.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from quintet.timeseries.aggregates import Aggregates
from quintet.timeseries.errors import CorruptionError
from quintet.timeseries.model import Batch, Labels, Matcher, Scan
from quintet.timeseries.rolled import REBUILD

__all__ = ["as_batch", "as_matchers", "as_scan", "of_scan"]

_KIND = ".aggregate"
_BASE = ("count", "first", "greatest", "last", "least")


def as_matchers(matchers: Sequence[Matcher]) -> list[Matcher]:
    """Matchers of series as those of their aggregates."""
    return [Matcher(f"_{one.name}", one.op, one.value) for one in matchers]


def _as_labels(labels: Labels, kind: str) -> Labels:
    return ((_KIND, kind), *((f"_{name}", value) for name, value in labels))


def as_batch(rows: Aggregates) -> Batch:
    """Aggregates as points."""
    series = np.repeat(np.arange(len(rows.labels)), np.diff(rows.offsets))
    columns = dict(zip(_BASE, (rows.counts, rows.first, rows.greatest, rows.last, rows.least), strict=True))
    labels = [_as_labels(one, kind) for kind in _BASE for one in rows.labels]
    numbers = [series + index * len(rows.labels) for index in range(len(_BASE))]
    times = [rows.times] * len(_BASE)
    values = [column.astype(np.float64) for column in columns.values()]
    of_row = np.repeat(np.arange(len(rows)), np.diff(rows.part_offsets))
    # From the largest part on: the first one is the sum itself, near enough, in every bucket.
    place = rows.part_offsets[1:][of_row] - 1 - np.arange(len(of_row))
    for is_large, name in ((False, "sum"), (True, "large")):
        for number in np.unique(place[rows.scaled == is_large]).tolist():
            chosen = (place == number) & (rows.scaled == is_large)
            whose, index = np.unique(series[of_row[chosen]], return_inverse=True)
            numbers.append(index + len(labels))
            labels += [_as_labels(rows.labels[one], f"{name}{number}") for one in whose.tolist()]
            times.append(rows.times[of_row[chosen]])
            values.append(rows.parts[chosen])
    return Batch(
        tuple(labels), np.concatenate(numbers).astype(np.uint32), np.concatenate(times), np.concatenate(values)
    )


def as_scan(rows: Aggregates) -> Scan:
    """Aggregates as the points that a rollup would have of them."""
    batch = as_batch(rows)
    order = sorted(range(len(batch.labels)), key=batch.labels.__getitem__)
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    series = place[batch.series]
    chosen = np.lexsort((batch.timestamps, series))
    offsets = np.concatenate(([0], np.cumsum(np.bincount(series, minlength=len(order))))).astype(np.int64)
    return Scan([batch.labels[one] for one in order], offsets, batch.timestamps[chosen], batch.values[chosen])


def of_scan(scan: Scan, folder: Path) -> Aggregates:
    """Points of a rollup as aggregates; `bucketed` puts their sums in order. folder: where they are from.

    Raises:
        CorruptionError: the series of one bucket do not fit together.

    """
    kinds: dict[str, list[int]] = {}
    for number, named in enumerate(scan.labels):
        kinds.setdefault(dict(named)[_KIND], []).append(number)
    columns = []
    shapes: list[tuple[list[Labels], npt.NDArray[np.int64], npt.NDArray[np.int64]]] = []
    for kind in _BASE:
        numbers = kinds.get(kind, [])
        low, high = (numbers[0], numbers[-1] + 1) if numbers else (0, 0)
        begin, end = int(scan.offsets[low]), int(scan.offsets[high])
        of_kind = [one[1:] for one in scan.labels[low:high]]
        shapes.append((of_kind, scan.offsets[low : high + 1] - begin, scan.timestamps[begin:end]))
        columns.append(scan.values[begin:end])
    labels, offsets, times = shapes[0]
    for other in shapes[1:]:
        if other[0] != labels or not np.array_equal(other[1], offsets) or not np.array_equal(other[2], times):
            raise CorruptionError(folder, "the aggregates of the rollup do not fit together", remedy=REBUILD)
    numbered = {one: index for index, one in enumerate(labels)}
    parts = _Parts(folder)
    for kind, numbers in kinds.items():
        if kind not in _BASE:
            for number in numbers:
                index = numbered.get(scan.labels[number][1:])
                if index is None:
                    raise CorruptionError(folder, "the rollup has a sum of no bucket", remedy=REBUILD)
                rows = slice(int(scan.offsets[number]), int(scan.offsets[number + 1]))
                begin, end = int(offsets[index]), int(offsets[index + 1])
                parts.add(times[begin:end], begin, scan.timestamps[rows], scan.values[rows], kind.startswith("large"))
    count, first, greatest, last, least = columns
    plain: list[Labels] = [tuple((name[1:], value) for name, value in one) for one in labels]
    return Aggregates(
        plain, offsets, times, count.astype(np.int64), first, last, least, greatest, *parts.ordered(len(times))
    )


class _Parts:
    """Parts of sums, gathered from their series."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._rows: list[npt.NDArray[np.int64]] = []
        self._values: list[npt.NDArray[np.float64]] = []
        self._scaled: list[npt.NDArray[np.bool_]] = []

    def add(
        self,
        known: npt.NDArray[np.int64],
        begin: int,
        times: npt.NDArray[np.int64],
        values: npt.NDArray[np.float64],
        is_large: bool,
    ) -> None:
        at = np.searchsorted(known, times)
        if (at == len(known)).any() or (known[at] != times).any():
            raise CorruptionError(self._folder, "the rollup has a sum of no bucket", remedy=REBUILD)
        self._rows.append(at + begin)
        self._values.append(values)
        self._scaled.append(np.full(len(values), is_large))

    def ordered(self, count: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
        rows = np.concatenate([np.empty(0, np.int64), *self._rows])
        order = np.argsort(rows, kind="stable")
        offsets = np.concatenate(([0], np.cumsum(np.bincount(rows, minlength=count)))).astype(np.int64)
        return (
            offsets,
            np.concatenate([np.empty(0), *self._values])[order],
            np.concatenate([np.empty(0, np.bool_), *self._scaled])[order],
        )
