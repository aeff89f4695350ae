"""What goes into the store and what comes out: labels, batches, matchers, scans, options, figures.

A point is a time (int64, ns since the epoch, UTC) and a value (float64 of any bit pattern). A series is a set of
labels; the metric's name is the label `__name__`. Intervals are half open: `[start, end)`. Of two points of one
series with one time, the one written last counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias, overload

import numpy as np
import numpy.typing as npt

from quintet.timeseries.errors import PointsRefusedError
from quintet.timeseries.s3settings import S3Settings

__all__ = [
    "DAY",
    "HOUR",
    "MAX_TIME",
    "METRIC",
    "MINUTE",
    "MIN_TIME",
    "NOTE_TIME",
    "SECOND",
    "Batch",
    "Cardinality",
    "CompactReport",
    "LabelTable",
    "Labels",
    "Matcher",
    "Options",
    "Rollup",
    "Scan",
    "ScanStats",
    "StoreStats",
    "labels_of",
    "series_text",
]

#: One series: (name, value) pairs, sorted by name, no name twice, no empty name or value.
Labels: TypeAlias = tuple[tuple[str, str], ...]

METRIC = "__name__"
#: ns
SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
#: Bounds for "all of time" in `[start, end)`; the last representable nanosecond is never stored.
MIN_TIME = -(2**63)
MAX_TIME = 2**63 - 1
#: Time of a point that is a note of the store's user, such as how far a log is in it: it says nothing about now.
NOTE_TIME = MAX_TIME - 1


def labels_of(labels: Mapping[str, str]) -> Labels:
    """Canonical form of a set of labels; a label with an empty value is no label, as in Prometheus.

    Raises:
        PointsRefusedError: no label is left, or a name is empty.

    """
    canonical = tuple(sorted((name, value) for name, value in labels.items() if value))
    if not canonical or not canonical[0][0]:
        raise PointsRefusedError(
            f"labels {dict(labels)!r} name no series", remedy="Give at least one label with a name and a value"
        )
    return canonical


def series_text(labels: Labels) -> str:
    """`metric{name="value"}` as Prometheus writes it."""
    metric = next((value for name, value in labels if name == METRIC), "")
    inner = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels if name != METRIC)
    return f"{metric}{{{inner}}}" if inner or not metric else metric


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


class LabelTable(Sequence[Labels]):
    """Series that a writer has met, canonical, numbered as they came; it grows at its end and changes nowhere else.

    Batches over one table cost a store a look-up for each series that is new to it, not for each that they hold: of
    the table only the series count that a batch has points of.
    """

    def __init__(self) -> None:
        self._labels: list[Labels] = []

    def add(self, labels: Labels) -> int:
        """Number of one more series."""
        self._labels.append(labels)
        return len(self._labels) - 1

    def __len__(self) -> int:
        return len(self._labels)

    @overload
    def __getitem__(self, number: int) -> Labels: ...

    @overload
    def __getitem__(self, number: slice) -> Sequence[Labels]: ...

    def __getitem__(self, number: int | slice) -> Labels | Sequence[Labels]:
        return self._labels[number]


@dataclass(frozen=True)
class Batch:
    """Columns of one append.

    Shapes: labels k canonical sets; series uint32[n], index into labels; timestamps int64[n], ns; values float64[n].
    Labels that are used again and again are looked up once where they are a `LabelTable` or one tuple.
    """

    labels: Sequence[Labels]
    series: npt.NDArray[np.uint32]
    timestamps: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.timestamps)

    def narrowed(self) -> Batch:
        """The same points with the labels of their own series only, where those are a part of a table."""
        if not isinstance(self.labels, LabelTable):
            return self
        used, series = np.unique(self.series, return_inverse=True)
        labels = tuple(self.labels[number] for number in used.tolist())
        return Batch(labels, series.astype(np.uint32), self.timestamps, self.values)


@dataclass(frozen=True)
class ScanStats:
    """What a scan touches, counted; pruned blocks and chunks are in the totals only.

    points: decoded from chunks, before they are cut to the interval; bytes_read: stored bytes of those chunks;
    head_points: points of the series concerned in memory.
    """

    blocks_total: int = 0
    blocks_read: int = 0
    chunks_total: int = 0
    chunks_read: int = 0
    points: int = 0
    bytes_read: int = 0
    head_points: int = 0


@dataclass(frozen=True)
class Scan:
    """Points by series: those of series i are `[offsets[i], offsets[i + 1])`, sorted by time, no time twice.

    Shapes: labels k, sorted, each with at least one point; offsets int64[k + 1]; timestamps int64[n], ns;
    values float64[n].
    """

    labels: list[Labels]
    offsets: npt.NDArray[np.int64]
    timestamps: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]
    stats: ScanStats = field(default_factory=ScanStats)


@dataclass(frozen=True)
class Matcher:
    """A condition on one label; a label that is absent has the value "". Regular expressions match whole values."""

    name: str
    op: Literal["=", "!=", "=~", "!~"]
    value: str


@dataclass(frozen=True)
class Rollup:
    """Aggregates by buckets that a store keeps beside its points; ns. retention: of the rollup; None: for good.

    Raises:
        PointsRefusedError: the step is no divisor and no multiple of a day, or no whole number of seconds.

    """

    step: int
    retention: int | None = None

    def __post_init__(self) -> None:
        if self.step <= 0 or self.step % SECOND or (DAY % self.step and self.step % DAY):
            raise PointsRefusedError(
                f"a rollup of {self.step / SECOND:g} s does not fit into days",
                remedy="Take whole seconds that divide a day, such as 5m or 1h, or whole days",
            )


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a store keeps its points. Times in ns, sizes in bytes.

    durability: "batch": append returns when its points are on disk (threads share one fsync); "interval": on disk
    within interval_ms, what came later can be lost with the machine, not with the process.
    head_points: points in memory before they become a block (16 bytes each).
    block_span: width of a block after its first compaction; each level after that is `level_factor` times wider.
    out_of_order_window: points older than the newest by more than this are refused and counted; None: none are.
    max_series: distinct series in all; None: no limit.
    warm: folder for blocks older than warm_after; s3: where blocks older than s3_after go.
    rollups: kept beside the points; those that a store has stay, named here or not.
    wal_damage: what open does about damage in the middle of the log: "refuse", or "quarantine" what follows it.
    background: flush, compact and sync in a thread; without it flush happens within append, compact when called.
    """

    durability: Literal["batch", "interval"] = "batch"
    interval_ms: int = 100
    segment_bytes: int = 64 * 1024 * 1024
    head_points: int = 8_000_000
    block_span: int = 6 * HOUR
    level_factor: int = 8
    levels: int = 3
    merge_blocks: int = 4
    out_of_order_window: int | None = None
    retention: int | None = None
    max_series: int | None = 5_000_000
    warm: Path | None = None
    warm_after: int = 7 * DAY
    s3: S3Settings | None = None
    s3_after: int = 30 * DAY
    rollups: tuple[Rollup, ...] = ()
    zstd_level: int = 3
    wal_damage: Literal["refuse", "quarantine"] = "refuse"
    background: bool = True


@dataclass(frozen=True)
class Cardinality:
    """Distinct series: in all, by metric, and distinct values by label name."""

    series: int
    by_metric: dict[str, int]
    by_label: dict[str, int]


@dataclass(frozen=True)
class CompactReport:
    """What a compaction did: blocks read and written, points kept, bytes of the blocks before and after."""

    blocks_in: int = 0
    blocks_out: int = 0
    points: int = 0
    bytes_in: int = 0
    bytes_out: int = 0


@dataclass(frozen=True)
class StoreStats:
    """Figures of an open store. wal_cut_bytes: torn tail that open cut off (never acknowledged points).

    quarantined: segments of the log set aside at open. wal_failures: writes and syncs of the log that the disk refused.
    series_limit: distinct series that the store may hold, 0 for any number. trouble: what keeps the store from going
    on, or went wrong in the background and is tried again; empty: nothing. rollup_…: of all rollups together.
    """

    points_head: int = 0
    points_blocks: int = 0
    series_head: int = 0
    series: int = 0
    series_limit: int = 0
    blocks: int = 0
    blocks_by_level: dict[int, int] = field(default_factory=dict)
    blocks_by_tier: dict[str, int] = field(default_factory=dict)
    bytes_blocks: int = 0
    bytes_wal: int = 0
    appended_points: int = 0
    refused_points: int = 0
    wal_syncs: int = 0
    wal_failures: int = 0
    wal_cut_bytes: int = 0
    quarantined: int = 0
    tombstones: int = 0
    rollup_points: int = 0
    rollup_blocks: int = 0
    rollup_bytes: int = 0
    trouble: str = ""
    min_time: int | None = None
    max_time: int | None = None
