"""Tombstones: what was deleted. They count for what was written before them; compaction applies them for good."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from quintet.timeseries.block import Block
from quintet.timeseries.index import select
from quintet.timeseries.model import Matcher

__all__ = ["Tombstone", "concerns", "erased", "without_erased"]


@dataclass(frozen=True)
class Tombstone:
    """Points in [start, end), ns, of the series that fit, in blocks with a sequence up to `sequence`, are gone."""

    number: int
    sequence: int
    matchers: tuple[Matcher, ...]
    start: int
    end: int


def concerns(tombstone: Tombstone, block: Block, applied: int) -> bool:
    """Whether a block, to which tombstones up to number `applied` are applied, may hold points that it erases."""
    facts = block.facts
    return (
        applied < tombstone.number
        and facts.sequence <= tombstone.sequence
        and facts.min_time < tombstone.end
        and facts.max_time >= tombstone.start
    )


def erased(tombstones: Iterable[Tombstone], block: Block, applied: int) -> dict[int, list[tuple[int, int]]]:
    """Intervals [start, end) without points, by number of the series in the block."""
    found: dict[int, list[tuple[int, int]]] = {}
    for tombstone in tombstones:
        if concerns(tombstone, block, applied):
            for series in select(block, tombstone.matchers):
                found.setdefault(series, []).append((tombstone.start, tombstone.end))
    return found


def without_erased(
    block: Block, rows: npt.NDArray[np.int64], intervals: dict[int, list[tuple[int, int]]]
) -> npt.NDArray[np.int64]:
    """Rows of the table of chunks without those that one interval erases whole."""
    if not intervals or not len(rows):
        return rows
    table = block.chunks[rows]
    kept = [
        not any(start <= low and high < end for start, end in intervals.get(series, ()))
        for series, low, high in zip(
            table["series"].tolist(), table["min_time"].tolist(), table["max_time"].tolist(), strict=True
        )
    ]
    return rows[np.array(kept)]
