"""Downsampling: one row for each series and bucket, gaps filled on demand.

Buckets are aligned to multiples of the step since the epoch; an interval is widened to whole ones, so that a row never
depends on where a question begins. What the columns mean for NaN says `quintet.timeseries.aggregates`.

Filled are the buckets without points between the first and the last one of a series in the interval:

| fill | rows of a gap |
|---|---|
| `none` | no rows |
| `null` | count 0, all else null |
| `previous` | count 0, sum 0; min, max, mean, first and last of the bucket before the gap |
| `linear` | count 0, sum 0; each of the others on the line between the buckets before and after the gap |
| a number | count 0, sum 0; the others are that number |
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from quintet.errors import InputError
from quintet.timeseries.aggregates import Aggregates, sums
from quintet.timeseries.model import MAX_TIME, MIN_TIME, Matcher, ScanStats
from quintet.timeseries.promql.errors import QueryLimitError
from quintet.timeseries.reading import series_columns

__all__ = [
    "PORTION",
    "RAW",
    "ROWS",
    "Asked",
    "Fill",
    "Touch",
    "fill_of",
    "filled_table",
    "whole_buckets",
]

Fill: TypeAlias = Literal["none", "null", "previous", "linear"] | float

#: Rows of one answer.
ROWS = 10_000_000
#: Points that are decoded at a time, unless one series has more.
PORTION = 4_000_000
#: Source of what is read from points, not from a rollup.
RAW = "raw"
_NAMES = ("none", "null", "previous", "linear")
#: Columns that a fill gives values, in the order of the table.
_FILLED = ("min", "max", "mean", "first", "last")


@dataclass(frozen=True)
class Asked:
    """A question: series that fit, interval [start, end) and step in ns, what fills gaps."""

    matchers: Sequence[Matcher]
    start: int
    end: int
    step: int
    fill: Fill = "none"


@dataclass(frozen=True)
class Touch:
    """What a question reads in [start, end), ns: of the points themselves, or of a rollup, by its name."""

    source: str
    start: int
    end: int
    stats: ScanStats


def fill_of(text: str) -> Fill:
    """A fill as it is written in a request.

    Raises:
        InputError: it is neither a name nor a number.

    """
    if text in _NAMES:
        return cast("Fill", text)
    try:
        return float(text)
    except ValueError:
        raise InputError(f"the fill {text!r} is none", remedy=f"Write {', '.join(_NAMES)}, or a number") from None


def whole_buckets(start: int, end: int, step: int) -> tuple[int, int]:
    """The interval of all buckets that reach into [start, end).

    Raises:
        InputError: the step is not above 0, or beyond 64 bits.

    """
    if not 0 < step < MAX_TIME:
        raise InputError(f"the step {step} ns is not above 0", remedy="Give a step such as 1h")
    if start >= end:
        return start, start
    return max(MIN_TIME, start // step * step), min(MAX_TIME, -(-end // step) * step)


def _refuse_many(rows: Aggregates, step: int, fill: Fill, limit: int) -> None:
    count = float(len(rows))
    if fill != "none" and len(rows):
        # As floats: the gaps of nanoseconds within all of time are more than an int64 counts.
        buckets = (rows.times // step).astype(np.float64)
        count = float(np.sum(buckets[rows.offsets[1:] - 1] - buckets[rows.offsets[:-1]] + 1))
    if count > limit:
        raise QueryLimitError(
            f"the answer has {count:.0f} rows (buckets of all series), the limit is {limit}",
            remedy="Take a larger step, fewer series, a shorter time, or do not fill gaps",
        )


def filled_table(rows: Aggregates, step: int, fill: Fill, limit: int = ROWS) -> pa.Table:
    """One row for each bucket, series after series; what `bucketed` gave is given.

    Shapes: series and labels as in `to_table`; timestamp timestamp[ns, UTC], beginning of the bucket; count int64;
    sum, min, max, mean, first, last double.

    Raises:
        QueryLimitError: it would have more than `limit` rows.

    """
    _refuse_many(rows, step, fill, limit)
    gaps = _gaps(rows, step) if fill != "none" else np.zeros(len(rows), np.int64)
    before = np.repeat(np.arange(len(rows)), gaps + 1)
    since = np.arange(len(before)) - np.repeat(np.cumsum(gaps + 1) - (gaps + 1), gaps + 1)
    is_gap = since > 0
    times = np.where(is_gap, (rows.times // step)[before] * step + since * step, rows.times[before])
    total = sums(rows)
    with np.errstate(invalid="ignore", over="ignore"):
        mean = total / np.maximum(rows.counts, 1)
    columns = dict(zip(_FILLED, (rows.least, rows.greatest, mean, rows.first, rows.last), strict=True))
    made = _filling(fill, before, since, gaps)
    null = is_gap if fill == "null" else None
    return pa.table(
        {
            **series_columns(rows.labels, _row_counts(rows, gaps)),
            "timestamp": pa.array(times).cast(pa.timestamp("ns", "UTC")),
            "count": np.where(is_gap, 0, rows.counts[before]),
            "sum": pa.array(np.where(is_gap, 0.0, total[before]), mask=null),
            **{
                name: pa.array(np.where(is_gap, made(column), column[before]), mask=null)
                for name, column in columns.items()
            },
        }
    )


def _gaps(rows: Aggregates, step: int) -> npt.NDArray[np.int64]:
    """Buckets without points after each row; 0 after the last one of a series."""
    missing = np.zeros(len(rows), np.int64)
    missing[:-1] = np.diff(rows.times // step) - 1
    missing[rows.offsets[1:] - 1] = 0
    return missing


def _row_counts(rows: Aggregates, gaps: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    ends = np.concatenate(([0], np.cumsum(gaps + 1)))
    return np.diff(ends[rows.offsets])


def _filling(
    fill: Fill, before: npt.NDArray[np.int64], since: npt.NDArray[np.int64], gaps: npt.NDArray[np.int64]
) -> Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64] | float]:
    """Values for rows of gaps; for other rows they mean nothing."""
    if fill == "previous":
        return lambda column: column[before]
    if fill == "linear":
        after = np.minimum(before + 1, max(len(gaps) - 1, 0))
        share = since / (gaps[before] + 1)

        def line(column: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
            with np.errstate(invalid="ignore", over="ignore"):
                return column[before] * (1 - share) + column[after] * share

        return line
    return lambda _: 0.0 if isinstance(fill, str) else float(fill)
