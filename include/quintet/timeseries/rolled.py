"""What a rollup was computed from: which of its windows are up to date, and what it keeps for good.

A window is a day, or a bucket where that is longer. It was computed from a state of the store that the greatest
sequence of the blocks with points of the window stands for: points that come later lie in blocks of greater sequence,
what was up to date before a compaction is taken as computed from the blocks after it, and a deletion forgets the
windows that it concerns before it counts.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from quintet.timeseries.blockset import BlockView
from quintet.timeseries.files import read_framed, write_framed
from quintet.timeseries.model import DAY, MAX_TIME, MIN_TIME

__all__ = ["FILE_NAME", "FOLDER", "REBUILD", "Rolled", "folders", "load", "marks", "save", "width_of"]

FILE_NAME = "ROLLED"
#: Of the rollups, below a store's.
FOLDER = "rollups"
REBUILD = (
    "Close the store and run: python -m quintet.timeseries rebuild-rollups; it sets the rollup aside and computes it "
    "anew from the points that are there, what is older comes back from a snapshot only"
)
_MAGIC = b"QTSROLLS"

Span = tuple[int, int]


def folders(store: Path) -> list[Path]:
    """Folders of the rollups of a store; one in which a process has ended before it wrote anything is none."""
    found = sorted(path for path in (store / FOLDER).glob("*s") if path.is_dir())
    return [path for path in found if any(file.suffix != ".tmp" for file in path.iterdir())]


def width_of(step: int) -> int:
    """Width of the windows of a rollup, ns."""
    return max(DAY, step)


@dataclass(frozen=True)
class Rolled:
    """State of a rollup; times in ns.

    retention: its own. raw_from: of points before it some may be gone by the store's retention; begins a bucket.
    rolled_from: what is before it is gone by the rollup's own retention. windows: beginning of each that was computed,
    and the greatest sequence that it was computed from; kept: windows whose part before `raw_from` stays as it is.
    """

    step: int
    retention: int | None = None
    raw_from: int = MIN_TIME
    rolled_from: int = MIN_TIME
    windows: dict[int, int] = field(default_factory=dict)
    kept: frozenset[int] = frozenset()

    @property
    def width(self) -> int:
        """Width of its windows."""
        return width_of(self.step)

    def covered(self, start: int, end: int, view: BlockView, days: Collection[int]) -> list[Span]:
        """Where the rollup says what the points say, in [start, end) by whole buckets.

        days: days since the epoch with points that are in no block.
        """
        start, end = -(-start // self.step) * self.step, end // self.step * self.step
        touched = {day * DAY // self.width * self.width for day in days}
        inside = [one for one in self.windows if one < end and one + self.width > start and one not in touched]
        now = marks(view, inside, self.width)
        spans = [
            (max(one, self.raw_from), one + self.width)
            for one, mark in zip(inside, now, strict=True)
            if mark == self.windows[one] and one + self.width > self.raw_from
        ]
        spans += [(one, min(one + self.width, self.raw_from)) for one in self.kept]
        return _merged((max(low, start), min(high, end)) for low, high in spans)

    def stale(self, windows: Collection[int], view: BlockView) -> list[int]:
        """Which of the windows are not up to date, in the order of time."""
        wanted = sorted(one for one in windows if one + self.width > self.raw_from and one >= self.rolled_from)
        return [
            one
            for one, mark in zip(wanted, marks(view, wanted, self.width), strict=True)
            if mark != self.windows.get(one)
        ]

    def current(self, view: BlockView) -> list[int]:
        """Windows that are up to date."""
        return [
            one
            for one, mark in zip(self.windows, marks(view, self.windows, self.width), strict=True)
            if mark == self.windows[one]
        ]

    def forgetting(self, windows: Collection[int]) -> Rolled:
        """Without what is said of windows; what is kept for good stays."""
        return replace(self, windows={one: mark for one, mark in self.windows.items() if one not in set(windows)})

    def within(self, start: int, end: int) -> list[int]:
        """Windows that were computed and reach into [start, end)."""
        return [one for one in self.windows if one < end and one + self.width > start]

    def retired(self, horizon: int) -> Rolled:
        """After points before a time may be gone: what was computed of them stays."""
        raw_from = max(self.raw_from, -(-horizon // self.step) * self.step)
        kept = self.kept | {one for one in self.windows if one < raw_from}
        windows = {one: mark for one, mark in self.windows.items() if one + self.width > raw_from}
        return replace(self, raw_from=raw_from, kept=kept, windows=windows)

    def expired(self, horizon: int) -> Rolled:
        """Without the windows that begin before a time."""
        return replace(
            self,
            rolled_from=max(self.rolled_from, horizon),
            windows={one: mark for one, mark in self.windows.items() if one >= horizon},
            kept=frozenset(one for one in self.kept if one >= horizon),
        )


def marks(view: BlockView, windows: Collection[int], width: int) -> list[int]:
    """The greatest sequence of the blocks that reach into each window; 0: there is none."""
    low: npt.NDArray[np.int64] = np.array([max(one, MIN_TIME) for one in windows], np.int64)
    high = np.array([min(one + width - 1, MAX_TIME) for one in windows], np.int64)
    found = np.zeros(len(low), np.int64)
    for source in view.sources:
        facts = source.block.facts
        reaches = (low <= facts.max_time) & (high >= facts.min_time)
        found[reaches] = np.maximum(found[reaches], facts.sequence)
    numbers: list[int] = found.tolist()
    return numbers


def _merged(spans: Iterable[Span]) -> list[Span]:
    found: list[Span] = []
    for low, high in sorted(span for span in spans if span[0] < span[1]):
        if found and low <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], high))
        else:
            found.append((low, high))
    return found


def save(folder: Path, rolled: Rolled) -> None:
    """Replace the state of a rollup."""
    data = {**asdict(rolled), "windows": sorted(rolled.windows.items()), "kept": sorted(rolled.kept)}
    write_framed(folder / FILE_NAME, _MAGIC, json.dumps(data).encode())


def load(folder: Path, *, remedy: str) -> Rolled:
    """The state of a rollup.

    Raises:
        CorruptionError: missing or damaged.

    """
    data = json.loads(read_framed(folder / FILE_NAME, _MAGIC, remedy=remedy))
    return Rolled(**{**data, "windows": dict(data["windows"]), "kept": frozenset(data["kept"])})
