"""A time-series database: write-ahead log, head, immutable blocks, compaction; FORMAT.md draws every file."""

from __future__ import annotations

from quintet.timeseries.model import (
    Batch,
    Cardinality,
    CompactReport,
    Labels,
    Matcher,
    Options,
    Scan,
    ScanStats,
    StoreStats,
    labels_of,
    series_text,
)
from quintet.timeseries.store import Store

__all__ = [
    "Batch",
    "Cardinality",
    "CompactReport",
    "Labels",
    "Matcher",
    "Options",
    "Scan",
    "ScanStats",
    "Store",
    "StoreStats",
    "labels_of",
    "series_text",
]
