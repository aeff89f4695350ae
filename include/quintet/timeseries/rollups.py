"""The rollups of a store: each in its folder `rollups/<step>`, brought up to date, asked, told of deletions.

Changes are made by one thread at a time (the store's maintenance lock); readers take what is planned for them, which
stays valid whatever changes meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from quintet.timeseries import rolled
from quintet.timeseries.aggregates import Aggregates, bucketed
from quintet.timeseries.block import Block
from quintet.timeseries.blockset import BlockView
from quintet.timeseries.compact import newest
from quintet.timeseries.downsample import PORTION
from quintet.timeseries.errors import CorruptionError
from quintet.timeseries.model import MAX_TIME, MIN_TIME, SECOND, Batch, CompactReport, Matcher, Options, StoreStats
from quintet.timeseries.model import Rollup as Asked
from quintet.timeseries.reading import Reading
from quintet.timeseries.rolled import FOLDER, REBUILD, Rolled
from quintet.timeseries.rollup import as_batch, as_matchers, of_scan

__all__ = ["ROLL_BATCH", "Piece", "Rollup", "Rollups"]

#: Windows that are computed before others may change the store.
ROLL_BATCH = 16
#: Windows of a chunk beyond which its points are looked at.
_MANY = 1000


class Inner(Protocol):
    """What a rollup asks of the store that it is kept in."""

    def append(self, batch: Batch) -> int: ...

    def reading(self, matchers: Sequence[Matcher], start: int, end: int) -> Callable[[], Reading]: ...

    def delete(self, matchers: Sequence[Matcher], start: int, end: int) -> int: ...

    def flush(self) -> None: ...

    def compact(self) -> CompactReport: ...

    def retain(self, now: int) -> int: ...

    def snapshot(self, target: Path) -> None: ...

    def close(self) -> None: ...

    def stats(self) -> StoreStats: ...


@dataclass(frozen=True)
class Piece:
    """A stretch [start, end) of a question, and the rollup with the answer to it; None: the points have it."""

    start: int
    end: int
    rollup: Rollup | None = None
    reading: Callable[[], Reading] | None = None


class Rollup:
    """One rollup."""

    def __init__(self, folder: Path, asked: Asked | None, opened: Callable[[Path, Options], Inner]) -> None:
        self.folder = folder
        self.name = folder.name
        self.state = rolled.load(folder, remedy=REBUILD)
        if asked is not None and self.state.retention != asked.retention:
            self._save(replace(self.state, retention=asked.retention))
        options = Options(
            background=False,
            block_span=max(Options().block_span, 1024 * self.state.step),
            retention=self.state.retention,
            max_series=None,
        )
        try:
            self.store = opened(folder, options)
        except CorruptionError as error:
            raise CorruptionError(error.path, error.what, offset=error.offset, remedy=REBUILD) from error

    def _save(self, state: Rolled) -> None:
        rolled.save(self.folder, state)
        self.state = state

    def pieces(
        self, span: tuple[int, int], matchers: Sequence[Matcher], view: BlockView, days: Collection[int]
    ) -> list[Piece]:
        """What the rollup has of a stretch of a state of the store."""
        while True:
            state = self.state
            found = [
                Piece(low, high, self, self.store.reading(as_matchers(matchers), low, high))
                for low, high in state.covered(*span, view, days)
            ]
            if self.state is state:  # else a window was taken away while it was read
                return found

    def aggregates(self, reading: Reading) -> Aggregates:
        """What was planned, read."""
        return of_scan(reading.scan(), self.folder)

    def roll(self, windows: Sequence[int], view: BlockView) -> None:
        """Compute windows anew from a state of the store."""
        self._save(self.state.forgetting(windows))
        for window in windows:
            start, end = max(window, self.state.raw_from, MIN_TIME), min(window + self.state.width, MAX_TIME)
            self._empty((), start, end)
            for scan in Reading.plan(view, [], (), start, end).portions(PORTION):
                self.store.append(as_batch(bucketed(Aggregates.of_points(scan), self.state.step)))
        self.store.flush()
        found = dict(zip(windows, rolled.marks(view, windows, self.state.width), strict=True))
        self._save(replace(self.state, windows={**self.state.windows, **found}))

    def _empty(self, matchers: Sequence[Matcher], start: int, end: int) -> None:
        reading = self.store.reading(matchers, start, end)()
        if reading.parts:
            self.store.delete(matchers, start, end)

    def delete(self, matchers: Sequence[Matcher], start: int, end: int) -> dict[int, int]:
        """Before points are deleted: forget what was computed of them, and every bucket with one of them.

        Returns the windows that are as they were computed again once the points are deleted.
        """
        step, state, matchers = self.state.step, self.state, as_matchers(matchers)
        low, high = max(MIN_TIME, start // step * step), min(MAX_TIME, -(-end // step) * step)
        if not self.store.reading(matchers, low, high)().parts:
            return {}
        windows = state.within(start, end)
        self._save(state.forgetting(windows))
        self.store.delete(matchers, low, high)
        return {one: state.windows[one] for one in windows if start <= one and one + state.width <= end}

    def believe(self, windows: dict[int, int]) -> None:
        """Take windows, and what they were computed from, as they are."""
        if windows:
            self._save(replace(self.state, windows={**self.state.windows, **windows}))

    def renew(self, windows: Sequence[int], view: BlockView) -> None:
        """After blocks were merged, which changes no point: take windows that were up to date as still so."""
        found = dict(zip(windows, rolled.marks(view, windows, self.state.width), strict=True))
        self.believe({one: mark for one, mark in found.items() if mark != self.state.windows.get(one)})

    def compact(self, *, least: int) -> None:
        """Merge its blocks where so many are fresh, and take what was deleted off the disk."""
        stats = self.store.stats()
        if stats.blocks_by_level.get(0, 0) >= least or (least == 1 and stats.tombstones):
            self.store.compact()

    def retire(self, horizon: int) -> None:
        """Before points before a time go: keep what was computed of them."""
        state = self.state.retired(horizon)
        if state != self.state:
            self._save(state)

    def retain(self, now: int) -> int:
        """Let go of what is older than the rollup's own retention; blocks removed."""
        if self.state.retention is None:
            return 0
        horizon = now - self.state.retention
        state = self.state.expired(horizon // self.state.width * self.state.width)
        if state != self.state:
            self._save(state)
        return self.store.retain(now)

    def snapshot(self, target: Path) -> None:
        """Copy it to a new folder."""
        target.parent.mkdir(exist_ok=True)
        self.store.snapshot(target)
        rolled.save(target, self.state)


class Rollups:
    """All rollups of a store: those that are on its disk and those that its options name."""

    def __init__(self, folder: Path, options: Options, opened: Callable[[Path, Options], Inner]) -> None:
        found = {path.name for path in rolled.folders(folder)}
        wanted = {name_of(one): one for one in options.rollups}
        self._all: list[Rollup] = []
        try:
            for name in sorted(found | wanted.keys()):
                if name not in found:
                    _begin(folder / FOLDER / name, wanted[name])
                self._all.append(Rollup(folder / FOLDER / name, wanted.get(name), opened))
        except BaseException:
            self.close()
            raise
        self._all.sort(key=lambda one: -one.state.step)

    def __iter__(self) -> Iterator[Rollup]:
        return iter(self._all)

    def __bool__(self) -> bool:
        return bool(self._all)

    def plan(
        self, bounds: tuple[int, int], step: int, matchers: Sequence[Matcher], view: BlockView, days: Collection[int]
    ) -> list[Piece]:
        """Who answers what of an interval: the coarsest rollup that fits and is up to date, else the points."""
        open_spans = [bounds] if bounds[0] < bounds[1] else []
        pieces: list[Piece] = []
        for rollup in self._all:
            if step % rollup.state.step == 0:
                rest: list[tuple[int, int]] = []
                for low, high in open_spans:
                    found = rollup.pieces((low, high), matchers, view, days)
                    pieces += found
                    ends = [low, *(end for piece in found for end in (piece.start, piece.end)), high]
                    rest += [span for span in zip(ends[::2], ends[1::2], strict=True) if span[0] < span[1]]
                open_spans = rest
        pieces += [Piece(low, high) for low, high in open_spans]
        return sorted(pieces, key=lambda piece: piece.start)

    def stale(self, view: BlockView, before: int | None) -> list[tuple[Rollup, list[int]]]:
        """Windows to compute: those that are over, as something later is there, or begin before a time."""
        last = newest(view.sources)
        found = []
        for rollup in self._all:
            width = rollup.state.width
            there = {one for source in view.sources for one in _windows(source.block, width)}
            over = [one for one in there if one + width <= last or (before is not None and one < before)]
            found.append((rollup, rollup.state.stale(over, view)))
        return found

    def close(self) -> None:
        """Close the stores."""
        for one in self._all:
            one.store.close()


def _windows(block: Block, width: int) -> set[int]:
    """Beginnings of the windows that may have points of a block."""
    table = block.chunks
    low, high = table["min_time"] // width, table["max_time"] // width
    found: set[int] = set()
    for first, last in np.unique(np.stack((low, high), axis=1), axis=0).tolist():
        if last - first < _MANY:
            found.update(range(first, last + 1))
            continue
        for row in np.flatnonzero((low == first) & (high == last)).tolist():
            times = np.empty(int(table["points"][row]), np.int64)
            block.decode(row, times, np.empty(len(times), np.uint64))
            found.update(np.unique(times // width).tolist())
    return {number * width for number in found}


def name_of(asked: Asked) -> str:
    """Name of a rollup's folder."""
    return f"{asked.step // SECOND}s"


def _begin(folder: Path, asked: Asked) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rolled.save(folder, Rolled(asked.step, asked.retention))
