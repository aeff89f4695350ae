"""A time-series database: write-ahead log, head, immutable blocks, compaction; FORMAT.md draws every file.

What is named here is loaded when it is first used: the generator, the client and the proof of the project also work in
environments that lack the engine's libraries.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from quintet.timeseries.model import (
        Batch,
        Cardinality,
        CompactReport,
        Labels,
        LabelTable,
        Matcher,
        Options,
        Rollup,
        Scan,
        ScanStats,
        StoreStats,
        labels_of,
        series_text,
    )
    from quintet.timeseries.reading import batch_of
    from quintet.timeseries.store import Store

__all__ = [
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
    "Store",
    "StoreStats",
    "batch_of",
    "labels_of",
    "series_text",
]
#: Of names that are not of the model: the module.
_ELSEWHERE = {"Store": "store", "batch_of": "reading"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_ELSEWHERE.get(name, 'model')}")
    return getattr(module, name)
