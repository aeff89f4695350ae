"""Reading: which chunks and which series of heads a question touches, and what comes out of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from quintet.timeseries.blockset import BlockView
from quintet.timeseries.head import HeadView
from quintet.timeseries.index import select
from quintet.timeseries.merge import BlockPart, HeadPart, Part, merge
from quintet.timeseries.model import Labels, Matcher, Scan, ScanStats, series_text
from quintet.timeseries.tombstone import erased, without_erased

__all__ = ["Reading", "to_table"]


@dataclass(frozen=True)
class Reading:
    """A question planned on one state of the store: it touches exactly what `stats` counts."""

    parts: Sequence[Part]
    stats: ScanStats
    start: int
    end: int

    @staticmethod
    def plan(
        blocks: BlockView, heads: Sequence[HeadView], matchers: Sequence[Matcher], start: int, end: int
    ) -> Reading:
        """Prune blocks and chunks by time, series and tombstones.

        Raises:
            CorruptionError: a block's index is damaged.
            MatcherError: a matcher cannot be read.

        """
        parts: list[Part] = []
        chunks = read = points = size = 0
        for source in blocks.sources:
            block = source.block
            chunks += block.facts.chunks
            if block.facts.min_time >= end or block.facts.max_time < start:
                continue
            intervals = erased(blocks.tombstones, block, source.erased)
            rows = without_erased(block, block.rows(select(block, matchers), start, end), intervals)
            if len(rows):
                part = BlockPart(block, rows, intervals)
                parts.append(part)
                read += len(rows)
                points += int(part.points.sum())
                size += part.bytes
        stats = ScanStats(
            blocks_total=len(blocks.sources),
            blocks_read=len(parts),
            chunks_total=chunks,
            chunks_read=read,
            points=points,
            bytes_read=size,
            head_points=sum(int(head.counts.sum()) for head in heads),
        )
        return Reading([*parts, *map(HeadPart, heads)], stats, start, end)

    def scan(self) -> Scan:
        """Decode and merge.

        Raises:
            CorruptionError: a chunk is damaged.

        """
        return Scan(*merge(self.parts, self.start, self.end), self.stats)

    def series(self) -> list[Labels]:
        """Series with a chunk or head that reaches into the interval."""
        return sorted({labels for part in self.parts for labels in part.labels})


def to_table(scan: Scan) -> pa.Table:
    """One row per point.

    Shapes: series dictionary<string>, as Prometheus writes it; labels dictionary<map<string, string>>;
    timestamp timestamp[ns, UTC]; value double.
    """
    rows = pa.array(np.repeat(np.arange(len(scan.labels), dtype=np.int32), np.diff(scan.offsets)))
    names = pa.array([series_text(labels) for labels in scan.labels], pa.string())
    maps = pa.array([list(labels) for labels in scan.labels], pa.map_(pa.string(), pa.string()))
    return pa.table(
        {
            "series": pa.DictionaryArray.from_arrays(rows, names),
            "labels": pa.DictionaryArray.from_arrays(rows, maps),
            "timestamp": pa.array(scan.timestamps).cast(pa.timestamp("ns", "UTC")),
            "value": pa.array(scan.values),
        }
    )
