"""Aggregates by series and bucket: of points, and of finer aggregates, with the same result bit for bit.

A bucket is `[n * step, (n + 1) * step)`, ns since the epoch. NaN as in PromQL's `*_over_time`: it counts, sum and mean
of a bucket with one are NaN, least and greatest pass over it unless there is nothing else; first and last are what is
stored.

Sums are exact until they are read, then rounded once, so they do not depend on the order or the grouping of the points.
A sum is kept as parts: floats that do not overlap. What is 2^960 and more is kept apart, divided by 2^64, so that no
sum on the way overflows.

Source: Shewchuk, "Adaptive Precision Floating-Point Arithmetic" (1997), grow-expansion; rounding as in `math.fsum`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from quintet.timeseries.compiled import kernel
from quintet.timeseries.model import MIN_TIME, Labels, Scan

__all__ = ["Aggregates", "bucketed", "joined", "sums"]

Floats: TypeAlias = npt.NDArray[np.float64]
Integers: TypeAlias = npt.NDArray[np.int64]

_LARGE = 2.0**960
_SCALE = 2.0**-64
#: A float has 2098 binary places, and parts do not overlap.
_MOST_PARTS = 2112


@dataclass(frozen=True)
class Aggregates:
    """Rows by series: those of series i are `[offsets[i], offsets[i + 1])`, in the order of time.

    Shapes: labels k, sorted; offsets int64[k + 1]; times int64[n], ns, beginnings of buckets; counts int64[n]; first,
    last, least, greatest float64[n]; part_offsets int64[n + 1]; parts float64[p], of the sums; scaled bool[p], whether
    a part is divided by 2^64.
    """

    labels: list[Labels]
    offsets: Integers
    times: Integers
    counts: Integers
    first: Floats
    last: Floats
    least: Floats
    greatest: Floats
    part_offsets: Integers
    parts: Floats
    scaled: npt.NDArray[np.bool_]

    @staticmethod
    def of_points(scan: Scan) -> Aggregates:
        """Each point as the aggregate of itself."""
        count = len(scan.timestamps)
        ones = np.ones(count, np.int64)
        value = scan.values
        return Aggregates(
            scan.labels, scan.offsets, scan.timestamps, ones, value, value, value, value,
            np.arange(count + 1), value, np.zeros(count, np.bool_),
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.times)


def bucketed(given: Aggregates, step: int) -> Aggregates:
    """Aggregates of buckets of `step` ns; those given lie within one bucket each."""
    size, parts = _rows(given.times, given.offsets, step), len(given.parts)
    offsets = np.zeros(len(given.offsets), np.int64)
    times, counts = np.empty(size, np.int64), np.empty(size, np.int64)
    first, last, least, greatest = (np.empty(size) for _ in range(4))
    part_offsets = np.zeros(size + 1, np.int64)
    out, scaled = np.empty(parts), np.empty(parts, np.bool_)
    _reduce(
        step, given.offsets, given.times, given.counts, given.first, given.last, given.least, given.greatest,
        given.part_offsets, given.parts, given.scaled,
        offsets, times, counts, first, last, least, greatest, part_offsets, out, scaled,
    )  # fmt: skip
    used = int(part_offsets[-1])
    # Copies, as a view would keep memory for as many parts as there were points.
    return Aggregates(
        given.labels, offsets, times, counts, first, last, least, greatest,
        part_offsets, out[:used].copy(), scaled[:used].copy(),
    )  # fmt: skip


def sums(given: Aggregates) -> Floats:
    """Sums of rows that `bucketed` gave, each the exact sum rounded once. Shape: float64[n]."""
    found, large = _rounded(given.part_offsets, given.parts, given.scaled)
    for row in np.flatnonzero(large).tolist():
        piece = slice(int(given.part_offsets[row]), int(given.part_offsets[row + 1]))
        total = sum(
            (
                Fraction(part) * (2**64 if is_scaled else 1)
                for part, is_scaled in zip(given.parts[piece].tolist(), given.scaled[piece].tolist(), strict=True)
            ),
            Fraction(0),
        )
        try:
            found[row] = float(total)
        except OverflowError:
            found[row] = np.inf if total > 0 else -np.inf
    return found


def joined(pieces: Sequence[Aggregates]) -> Aggregates:
    """The rows of all pieces, by series; of one series those of earlier pieces come first."""
    if len(pieces) == 1:
        return pieces[0]
    labels = sorted({one for piece in pieces for one in piece.labels})
    number = {one: index for index, one in enumerate(labels)}
    whose = [
        np.repeat(np.array([number[one] for one in piece.labels], np.int64), np.diff(piece.offsets)) for piece in pieces
    ]
    series = np.concatenate([np.empty(0, np.int64), *whose])
    order = np.argsort(series, kind="stable")

    def column(name: str, kind: type = np.float64) -> npt.NDArray[Any]:
        return np.concatenate([np.empty(0, kind), *(getattr(piece, name) for piece in pieces)])[order]

    lengths = np.concatenate([np.empty(0, np.int64), *(np.diff(piece.part_offsets) for piece in pieces)])
    starts = np.cumsum(lengths) - lengths
    chosen = lengths[order]
    ends = np.cumsum(chosen)
    rows = np.repeat(starts[order] - (ends - chosen), chosen) + np.arange(int(chosen.sum()))
    return Aggregates(
        labels,
        np.concatenate(([0], np.cumsum(np.bincount(series, minlength=len(labels))))).astype(np.int64),
        column("times", np.int64),
        column("counts", np.int64),
        column("first"),
        column("last"),
        column("least"),
        column("greatest"),
        np.concatenate(([0], ends)),
        np.concatenate([np.empty(0), *(piece.parts for piece in pieces)])[rows],
        np.concatenate([np.empty(0, np.bool_), *(piece.scaled for piece in pieces)])[rows],
    )


@kernel
def _rows(times, offsets, step):  # type: ignore[no-untyped-def]
    rows = 0
    for series in range(len(offsets) - 1):
        for i in range(offsets[series], offsets[series + 1]):
            if i == offsets[series] or times[i] // step != times[i - 1] // step:
                rows += 1
    return rows


@kernel
def _grown(partials, used, x):  # type: ignore[no-untyped-def]
    """Add x to an expansion in rising order of magnitude; parts that it has then."""
    at = 0
    for j in range(used):
        y = partials[j]
        if abs(x) < abs(y):
            x, y = y, x
        high = x + y
        low = y - (high - x)
        if low != 0.0:
            partials[at] = low
            at += 1
        x = high
    if x != 0.0:
        partials[at] = x
        at += 1
    return at


@kernel
def _reduce(  # type: ignore[no-untyped-def]
    step, offsets, times, counts, first, last, least, greatest, part_offsets, parts, scaled,
    out_offsets, out_times, out_counts, out_first, out_last, out_least, out_greatest, out_part_offsets, out_parts,
    out_scaled,
):  # fmt: skip
    small, large = np.empty(_MOST_PARTS), np.empty(_MOST_PARTS)
    row, at = -1, 0
    for series in range(len(offsets) - 1):
        begin, end = offsets[series], offsets[series + 1]
        i = begin
        while i < end:
            row += 1
            bucket = times[i] // step
            start = bucket * step
            # The first bucket of all begins before the first time that there is.
            out_times[row] = start if start <= times[i] else MIN_TIME
            out_counts[row] = 0
            out_first[row], out_least[row], out_greatest[row] = first[i], least[i], greatest[i]
            few = many = 0
            special = 0.0
            while i < end and times[i] // step == bucket:
                out_counts[row] += counts[i]
                out_last[row] = last[i]
                if least[i] < out_least[row] or np.isnan(out_least[row]):
                    out_least[row] = least[i]
                if greatest[i] > out_greatest[row] or np.isnan(out_greatest[row]):
                    out_greatest[row] = greatest[i]
                for j in range(part_offsets[i], part_offsets[i + 1]):
                    x = parts[j]
                    if not np.isfinite(x):
                        special += x
                    elif scaled[j]:
                        many = _grown(large, many, x)
                    elif abs(x) >= _LARGE:
                        many = _grown(large, many, x * _SCALE)
                    else:
                        few = _grown(small, few, x)
                i += 1
            for j in range(few):
                out_parts[at], out_scaled[at] = small[j], False
                at += 1
            if special != 0.0:
                out_parts[at], out_scaled[at] = special, False
                at += 1
            for j in range(many):
                out_parts[at], out_scaled[at] = large[j], True
                at += 1
            out_part_offsets[row + 1] = at
        out_offsets[series + 1] = row + 1


@kernel
def _rounded(part_offsets, parts, scaled):  # type: ignore[no-untyped-def]
    rows = len(part_offsets) - 1
    found = np.zeros(rows)
    large = np.zeros(rows, np.bool_)
    for row in range(rows):
        begin, end = part_offsets[row], part_offsets[row + 1]
        special = 0.0
        for j in range(begin, end):
            if not np.isfinite(parts[j]):
                special += parts[j]
            if scaled[j]:
                large[row] = True
        if special != 0.0:
            found[row] = special
            large[row] = False
            continue
        if large[row] or begin == end:
            continue
        j = end - 1
        high = parts[j]
        low = 0.0
        while j > begin and low == 0.0:
            j -= 1
            x = high
            high = x + parts[j]
            low = parts[j] - (high - x)
        # Half way between two floats: what is below decides.
        if j > begin and ((low < 0.0 and parts[j - 1] < 0.0) or (low > 0.0 and parts[j - 1] > 0.0)):
            y = low * 2.0
            x = high + y
            if y == x - high:
                high = x
        found[row] = high
    return found, large
