"""Errors of the time-series database.

InputError
├── PointsRefusedError   points that cannot be stored: of no finite form, of odd columns; nothing of the batch is stored
│   └── CardinalityError the batch would make more series than the store may hold; names the metric
└── MatcherError         a matcher that cannot be read, a regular expression that does not compile
LabError
└── StoreError           the store cannot do what was asked; what was acknowledged stays
    ├── StoreLockedError another process has the store open
    ├── StoreClosedError the store was closed, or closed itself after a write to disk failed
    ├── TierError        a block cannot be reached where it lies: endpoint, block, why; what lies elsewhere is read
    └── CorruptionError  a file is damaged or missing: file, offset, what is wrong, what to do
"""

from __future__ import annotations

from pathlib import Path

from quintet.errors import InputError, LabError

__all__ = [
    "CardinalityError",
    "CorruptionError",
    "MatcherError",
    "PointsRefusedError",
    "StoreClosedError",
    "StoreError",
    "StoreLockedError",
    "TierError",
]


class PointsRefusedError(InputError):
    """Points that cannot be stored; nothing of their batch is."""


class CardinalityError(PointsRefusedError):
    """The batch would make more series than the store may hold; nothing of it is stored."""

    def __init__(self, metric: str, *, series: int, limit: int) -> None:
        super().__init__(
            f"metric {metric!r}: a new series would be number {series + 1}, the store may hold {limit}",
            remedy="Drop a label that takes many values, delete or retain old series, or raise max_series",
        )
        self.metric = metric
        self.series = series
        self.limit = limit


class MatcherError(InputError):
    """A matcher that cannot be read, or a regular expression that does not compile."""


class StoreError(LabError):
    """The store cannot do what was asked; what was acknowledged stays."""


class StoreLockedError(StoreError):
    """Another process, or another object of this one, has the store open."""


class StoreClosedError(StoreError):
    """The store was closed, or closed itself after a write to disk failed."""


class TierError(StoreError):
    """A block, or all of a tier, cannot be reached where it lies; what lies elsewhere is read."""


class CorruptionError(StoreError):
    """A file of the store is damaged or missing; `offset` is where reading went wrong, in bytes."""

    def __init__(self, path: Path | str, what: str, *, offset: int = 0, remedy: str) -> None:
        super().__init__(f"{path}, offset {offset}: {what}", remedy=remedy)
        self.path = Path(path)
        self.offset = offset
        self.what = what
