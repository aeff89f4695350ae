"""What the query layer and the service ask of a store; `quintet.timeseries.store.Store` gives it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import pyarrow as pa

from quintet.timeseries.downsample import ROWS, Fill, Touch
from quintet.timeseries.model import (
    MAX_TIME,
    MIN_TIME,
    Batch,
    Cardinality,
    CompactReport,
    Labels,
    Matcher,
    Scan,
    ScanStats,
    StoreStats,
)

__all__ = ["Storage"]


class Storage(Protocol):
    """A store of points, used by many threads at once; intervals are `[start, end)`, ns."""

    def append(self, batch: Batch, /) -> int:
        """Store a batch; the points accepted."""

    def scan(self, matchers: Sequence[Matcher], start: int, end: int, /) -> Scan:
        """The points of the series that match."""

    def explain(self, matchers: Sequence[Matcher], start: int, end: int, /) -> ScanStats:
        """What `scan` would touch."""

    def downsample(
        self, matchers: Sequence[Matcher], start: int, end: int, step: int, fill: Fill = "none", /, *, limit: int = ROWS
    ) -> pa.Table:
        """Aggregates of the series that match by buckets of `step` ns; at most `limit` rows."""

    def explain_downsample(self, matchers: Sequence[Matcher], start: int, end: int, step: int, /) -> list[Touch]:
        """What `downsample` would touch, in the order of time: of rollups, or of the points."""

    def series(self, matchers: Sequence[Matcher], start: int, end: int, /) -> list[Labels]:
        """The series that match and have points."""

    def label_names(self, start: int = MIN_TIME, end: int = MAX_TIME, /) -> list[str]:
        """Names of labels, sorted; at least those of series with points in the interval."""

    def label_values(self, name: str, start: int = MIN_TIME, end: int = MAX_TIME, /) -> list[str]:
        """Values of a label, sorted; at least those of series with points in the interval."""

    def cardinality(self) -> Cardinality:
        """Numbers of series."""

    def delete(self, matchers: Sequence[Matcher], start: int, end: int, /) -> int:
        """Delete points; the series concerned."""

    def flush(self) -> None:
        """Write what is in memory as a block."""

    def compact(self) -> CompactReport:
        """Merge blocks."""

    def roll_up(self) -> dict[str, int]:
        """Bring rollups up to date for what is over; windows computed, by rollup."""

    def retain(self, now: int, /) -> int:
        """Remove what is older than the retention; blocks removed."""

    def move_tiers(self, now: int, /) -> int:
        """Move older blocks to the tiers for them; blocks moved."""

    def stats(self) -> StoreStats:
        """Figures."""
