"""Reading: which chunks and which series of heads a question touches, and what comes out of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from quintet.timeseries.blockset import BlockView
from quintet.timeseries.errors import PointsRefusedError
from quintet.timeseries.head import HeadView
from quintet.timeseries.index import select
from quintet.timeseries.merge import BlockPart, HeadPart, Part, merge
from quintet.timeseries.model import Batch, Labels, Matcher, Scan, ScanStats, labels_of, series_text
from quintet.timeseries.tombstone import erased, without_erased

__all__ = ["Reading", "batch_of", "series_columns", "to_table"]


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

    def portions(self, points: int) -> Iterator[Scan]:
        """What `scan` gives, series after series, about so many points at a time; a series is never divided.

        Raises:
            CorruptionError: a chunk is damaged.

        """
        weights: dict[Labels, int] = {}
        for part in self.parts:
            of_series = np.bincount(part.series, part.points, len(part.labels)).tolist()
            for labels, count in zip(part.labels, of_series, strict=True):
                weights[labels] = weights.get(labels, 0) + int(count)
        for chosen in _portions(weights, points):
            yield Scan(*merge([part.only(chosen) for part in self.parts], self.start, self.end))

    def series(self) -> list[Labels]:
        """Series with a chunk or head that reaches into the interval."""
        return sorted({labels for part in self.parts for labels in part.labels})


def to_table(scan: Scan) -> pa.Table:
    """One row per point.

    Shapes: series dictionary<string>, as Prometheus writes it; labels dictionary<map<string, string>>;
    timestamp timestamp[ns, UTC]; value double.
    """
    return pa.table(
        {
            **series_columns(scan.labels, np.diff(scan.offsets)),
            "timestamp": pa.array(scan.timestamps).cast(pa.timestamp("ns", "UTC")),
            "value": pa.array(scan.values),
        }
    )


def batch_of(table: pa.Table) -> Batch:
    """The batch of a table as `to_table` makes it; its column `series` is not needed.

    Shapes: labels map<string, string>, or a dictionary of them; timestamp timestamp of any unit; value of any number.

    Raises:
        PointsRefusedError: a column is missing, of another kind, or has nulls.

    """
    try:
        columns = [table[name] for name in ("labels", "timestamp", "value")]
        times = columns[1].cast(pa.timestamp("ns", "UTC")).cast(pa.int64())
        values = columns[2].cast(pa.float64())
        if any(column.null_count for column in columns):
            raise PointsRefusedError("a table of points has nulls", remedy="Leave rows without a value out")
        numbers: dict[Labels, int] = {}
        series = [_numbered(chunk, numbers) for chunk in columns[0].chunks]
    except (KeyError, pa.ArrowException) as error:
        raise PointsRefusedError(
            f"the table is none of points: {error}", remedy="Give the columns labels, timestamp and value"
        ) from error
    return Batch(tuple(numbers), np.concatenate([np.empty(0, np.uint32), *series]), times.to_numpy(), values.to_numpy())


def _numbered(chunk: pa.Array, numbers: dict[Labels, int]) -> npt.NDArray[np.uint32]:
    """Numbers of the series of rows; those that are new are added."""
    if not pa.types.is_dictionary(chunk.type):
        found = [numbers.setdefault(labels_of(dict(one)), len(numbers)) for one in chunk.to_pylist()]
        return np.array(found, np.uint32)
    indices = chunk.indices.to_numpy()
    used, places = np.unique(indices, return_inverse=True)
    named = chunk.dictionary.take(pa.array(used)).to_pylist()
    found = [numbers.setdefault(labels_of(dict(one)), len(numbers)) for one in named]
    return np.array(found, np.uint32)[places]


def series_columns(labels: Sequence[Labels], rows: npt.NDArray[np.int64]) -> dict[str, pa.Array]:
    """The columns `series` and `labels` of a table in which series i has `rows[i]` rows."""
    numbers = pa.array(np.repeat(np.arange(len(labels), dtype=np.int32), rows))
    names = pa.array([series_text(one) for one in labels], pa.string())
    maps = pa.array([list(one) for one in labels], pa.map_(pa.string(), pa.string()))
    return {
        "series": pa.DictionaryArray.from_arrays(numbers, names),
        "labels": pa.DictionaryArray.from_arrays(numbers, maps),
    }


def _portions(weights: dict[Labels, int], points: int) -> Iterator[set[Labels]]:
    portion: set[Labels] = set()
    size = 0
    for labels in sorted(weights):
        if portion and size + weights[labels] > points:
            yield portion
            portion, size = set(), 0
        portion.add(labels)
        size += weights[labels]
    if portion:
        yield portion
