"""Compaction: many small blocks become few large ones by level, and what was deleted leaves the disk.

Level 0 comes from the head and may overlap anything. A block of level 1 or more lies within its window, a stretch of
`block_span * level_factor ** (level - 1)` ns, and overlaps none of its kind. A job takes blocks together with all
that overlap their windows, so that the newest of two equal points is known in the job; its output carries the
greatest sequence of its input.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pyroaring import BitMap

from quintet.timeseries.block import Block, BlockFacts, BlockWriter
from quintet.timeseries.merge import BlockPart, Merged, merge
from quintet.timeseries.model import MAX_TIME, MIN_TIME, NOTE_TIME, Labels, Options
from quintet.timeseries.tombstone import Tombstone, erased, without_erased

__all__ = ["Job", "Source", "Window", "cut", "newest", "plan", "run", "window_of"]

#: Points decoded at a time: bounds the memory of a compaction.
_GROUP_POINTS = 4_000_000
#: Files written at a time.
_OPEN_WINDOWS = 64


@dataclass(frozen=True)
class Window:
    """Stretch [start, end), ns, of a level."""

    start: int
    end: int
    level: int


@dataclass(frozen=True)
class Source:
    """A block to compact and the number of the last tombstone that is applied to it."""

    block: Block
    erased: int


@dataclass(frozen=True)
class Job:
    """Blocks to merge, in rising sequence, and the windows of level 2 and more that the output must keep to."""

    sources: tuple[Source, ...]
    windows: tuple[Window, ...]


def newest(sources: Iterable[Source]) -> int:
    """Time of the newest point; blocks of nothing but notes do not count."""
    times = (source.block.facts.max_time for source in sources if source.block.facts.min_time < NOTE_TIME)
    return max(times, default=MIN_TIME)


def window_of(time: int, level: int, options: Options) -> Window:
    """The window of a level around a time."""
    width = options.block_span * options.level_factor ** (max(level, 1) - 1)
    start = time // width * width
    return Window(max(start, MIN_TIME), min(start + width, MAX_TIME), max(level, 1))


def plan(
    sources: Sequence[Source],
    tombstones: Sequence[Tombstone],
    options: Options,
    *,
    least: int,
    without: frozenset[int] = frozenset(),
) -> Job | None:
    """The next job, or None. least: level 0 blocks that are worth one; without: blocks that no job may touch."""
    found = _jobs(sources, tombstones, options, least=least)
    return next((job for job in found if not without & {one.block.facts.number for one in job.sources}), None)


def _jobs(sources: Sequence[Source], tombstones: Sequence[Tombstone], options: Options, *, least: int) -> Iterator[Job]:
    fresh = [source for source in sources if source.block.facts.level == 0]
    taken: set[int] = set()
    for source in fresh:
        if source.block.facts.number in taken:
            continue
        job = _closure([source], sources, (), options)
        taken |= {one.block.facts.number for one in job.sources}
        if sum(one.block.facts.level == 0 for one in job.sources) >= least:
            yield job
    yield from _upward(sources, options)
    yield from _purge(sources, tombstones, options)


def _extent(source: Source, options: Options) -> tuple[int, int]:
    facts = source.block.facts
    if facts.level == 0:
        return (
            window_of(facts.min_time, 1, options).start,
            window_of(facts.max_time, 1, options).end,
        )
    window = window_of(facts.min_time, facts.level, options)
    return window.start, window.end


def _closure(chosen: list[Source], sources: Sequence[Source], windows: tuple[Window, ...], options: Options) -> Job:
    """Add what overlaps until nothing more does."""
    extents = {id(source): _extent(source, options) for source in sources}
    low = min([extents[id(source)][0] for source in chosen] + [window.start for window in windows])
    high = max([extents[id(source)][1] for source in chosen] + [window.end for window in windows])
    while True:
        inside = [source for source in sources if extents[id(source)][0] < high and extents[id(source)][1] > low]
        grown = (
            min(low, *(extents[id(one)][0] for one in inside)),
            max(high, *(extents[id(one)][1] for one in inside)),
        )
        if grown == (low, high):
            break
        low, high = grown
    kept = {
        window_of(source.block.facts.min_time, source.block.facts.level, options)
        for source in inside
        if source.block.facts.level > 1
    }
    kept = {window for window in kept if not any(_within(window, other) for other in windows)}
    ordered = sorted(inside, key=lambda source: (source.block.facts.sequence, source.block.facts.number))
    return Job(tuple(ordered), (*windows, *sorted(kept, key=lambda window: window.start)))


def _within(inner: Window, outer: Window) -> bool:
    return outer.start <= inner.start and inner.end <= outer.end


def _upward(sources: Sequence[Source], options: Options) -> Iterator[Job]:
    """Blocks of one level whose wider window is over: two or more become one."""
    last = newest(sources)
    for level in range(1, options.levels):
        groups: dict[Window, list[Source]] = {}
        for source in sources:
            facts = source.block.facts
            if 0 < facts.level <= level:
                groups.setdefault(window_of(facts.min_time, level + 1, options), []).append(source)
        for window, group in groups.items():
            if len(group) > 1 and window.end <= last:
                yield _closure(group, sources, (window,), options)


def _purge(sources: Sequence[Source], tombstones: Sequence[Tombstone], options: Options) -> Iterator[Job]:
    for source in sources:
        if erased(tombstones, source.block, source.erased):
            yield _closure([source], sources, (), options)


def run(job: Job, tombstones: Sequence[Tombstone], options: Options, folder: Path, number: int) -> list[BlockFacts]:
    """Merge the blocks of a job to new ones, numbered from `number`, in a folder.

    Raises:
        CorruptionError: a block is damaged; nothing was written.

    """
    windows = sorted({window for source in job.sources for window in _windows(source.block, job, options)}, key=_start)
    done: list[BlockFacts] = []
    try:
        for first in range(0, len(windows), _OPEN_WINDOWS):
            done += _write(windows[first : first + _OPEN_WINDOWS], job, tombstones, options, folder, number + first)
    except BaseException:
        for facts in done:
            (folder / facts.name).unlink()
        raise
    return done


def _start(window: Window) -> int:
    return window.start


def _window(time: int, job: Job, options: Options) -> Window:
    for window in job.windows:
        if window.start <= time < window.end:
            return window
    return window_of(time, 1, options)


def _windows(block: Block, job: Job, options: Options) -> set[Window]:
    """Windows with points of a block; chunks that reach far are decoded to see which."""
    table = block.chunks
    width = options.block_span
    found = set(np.unique(np.concatenate((table["min_time"] // width, table["max_time"] // width))).tolist())
    wide = np.flatnonzero(table["max_time"] // width - table["min_time"] // width > 1)
    ready = block.ready(wide)
    for row in wide.tolist():
        times = np.empty(int(table["points"][row]), np.int64)
        block.decode(row, times, np.empty(len(times), np.uint64), ready)
        found.update(np.unique(times // width).tolist())
    return {_window(start * width, job, options) for start in found}


def _write(
    windows: Sequence[Window],
    job: Job,
    tombstones: Sequence[Tombstone],
    options: Options,
    folder: Path,
    number: int,
) -> list[BlockFacts]:
    applied = max((tombstone.number for tombstone in tombstones), default=0)
    writers = [
        BlockWriter(
            number=number + index,
            level=window.level,
            sequence=max(source.block.facts.sequence for source in job.sources),
            erased=applied,
            sources=[source.block.facts.number for source in job.sources],
            zstd_level=options.zstd_level,
        ).open(folder)
        for index, window in enumerate(windows)
    ]
    try:
        for group in _groups(job, tombstones, windows[0].start, windows[-1].end):
            for writer, window in zip(writers, windows, strict=True):
                labels, offsets, timestamps, values = cut(group, window.start, window.end)
                if labels:
                    writer.add(labels, offsets, timestamps, values)
        return [facts for facts in [writer.finish() for writer in writers] if facts is not None]
    except BaseException:
        for writer in writers:
            writer.abandon()
        raise


def _groups(job: Job, tombstones: Sequence[Tombstone], start: int, end: int) -> Iterator[Merged]:
    """All points, some series at a time, in the order of labels."""
    blocks = [source.block for source in job.sources]
    gone = [erased(tombstones, source.block, source.erased) for source in job.sources]
    weights: dict[Labels, int] = {}
    numbers: list[dict[Labels, int]] = []
    for block in blocks:
        points = np.bincount(block.chunks["series"], block.chunks["points"], block.facts.series).tolist()
        numbers.append({block.labels(series): series for series in range(block.facts.series)})
        for labels, series in numbers[-1].items():
            weights[labels] = weights.get(labels, 0) + int(points[series])
    for group in _portions(weights):
        parts = []
        for block, known, intervals in zip(blocks, numbers, gone, strict=True):
            series = BitMap(sorted(known[one] for one in group if one in known))
            rows = without_erased(block, block.rows(series, start, end), intervals)
            parts.append(BlockPart(block, rows, intervals))
        yield merge(parts, start, end)


def _portions(weights: dict[Labels, int]) -> Iterator[list[Labels]]:
    portion: list[Labels] = []
    size = 0
    for labels in sorted(weights):
        if portion and size + weights[labels] > _GROUP_POINTS:
            yield portion
            portion, size = [], 0
        portion.append(labels)
        size += weights[labels]
    if portion:
        yield portion


def cut(points: Merged, start: int, end: int) -> Merged:
    """The points of an interval; series without any are left out."""
    labels, offsets, timestamps, values = points
    if start == MIN_TIME and end == MAX_TIME:
        return points
    inside = (timestamps >= start) & (timestamps < end)
    counts = _counts(inside, offsets)
    kept = np.flatnonzero(counts)
    if len(kept) == len(labels) and inside.all():
        return points
    return (
        [labels[series] for series in kept.tolist()],
        np.concatenate(([0], np.cumsum(counts[kept]))),
        timestamps[inside],
        values[inside],
    )


def _counts(inside: npt.NDArray[np.bool_], offsets: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    sums: npt.NDArray[np.int64] = np.concatenate(([0], np.cumsum(inside)))
    return np.diff(sums[offsets])
