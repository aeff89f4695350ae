"""A block gives back series, points, labels and statistics as they were written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from batches import SECOND, START, series
from pyroaring import BitMap

from quintet.timeseries import Labels
from quintet.timeseries.block import Block, BlockWriter, series_hash
from quintet.timeseries.chunk import CHUNK_POINTS, chunk_bounds
from quintet.timeseries.errors import CorruptionError

LABELS = [series(host=f"h{index:03}", room="ä" if index % 2 else "東") for index in range(100)]


def make_block(
    folder: Path, labels: list[Labels], counts: list[int], *, zstd_level: int | None = None
) -> tuple[Block, np.ndarray, np.ndarray]:
    offsets = np.concatenate(([0], np.cumsum(counts)))
    random = np.random.default_rng(1)
    times = np.concatenate([START + np.cumsum(random.integers(1, 100, count)) for count in counts])
    values = np.round(random.normal(20, 3, offsets[-1]), 2)
    writer = BlockWriter(number=7, level=2, sequence=5, erased=3, sources=(1, 2), zstd_level=zstd_level).open(folder)
    half = len(labels) // 2
    writer.add(labels[:half], offsets[: half + 1], times[: offsets[half]], values[: offsets[half]])
    writer.add(labels[half:], offsets[half:] - offsets[half], times[offsets[half] :], values[offsets[half] :])
    facts = writer.finish()
    assert facts is not None
    block = Block(folder / facts.name)
    assert block.facts == facts
    return block, times, values


@pytest.mark.parametrize("zstd_level", [None, 3])
def test_points_and_facts_come_back(tmp_path: Path, zstd_level: int | None) -> None:
    counts = [1, 2, 300, CHUNK_POINTS, CHUNK_POINTS + 1, 3 * CHUNK_POINTS - 1, 5, 77]
    block, times, values = make_block(tmp_path, LABELS[: len(counts)], counts, zstd_level=zstd_level)
    facts = block.facts
    assert (facts.number, facts.level, facts.sequence, facts.erased, facts.sources) == (7, 2, 5, 3, (1, 2))
    assert (facts.min_time, facts.max_time) == (times.min(), times.max())
    assert (facts.points, facts.series, facts.chunks) == (sum(counts), len(counts), 11)
    at = 0
    for row, points in enumerate(block.chunks["points"].tolist()):
        found_times, found_values = np.empty(points, np.int64), np.empty(points, np.uint64)
        block.decode(row, found_times, found_values)
        np.testing.assert_array_equal(found_times, times[at : at + points])
        np.testing.assert_array_equal(found_values.view(np.float64), values[at : at + points])
        at += points
    block.verify()


def test_labels_and_postings_come_back(tmp_path: Path) -> None:
    block, _, _ = make_block(tmp_path, LABELS, [3] * 100)
    assert [block.labels(number) for number in range(100)] == LABELS
    assert block.names() == ["__name__", "host", "room"]
    assert block.values("host") == [f"h{index:03}" for index in range(100)]
    assert block.values("room") == ["ä", "東"]
    assert block.values("absent") == []
    assert block.with_value("host", "h042") == BitMap([42])
    assert block.with_value("room", "東") == BitMap(range(0, 100, 2))
    assert block.with_value("room", "h042") == BitMap()
    assert block.with_value("absent", "ä") == BitMap()
    assert sorted(block.hashes().tolist()) == sorted(series_hash(labels) for labels in LABELS)


def test_rows_are_pruned_by_series_and_by_time(tmp_path: Path) -> None:
    block, times, _ = make_block(tmp_path, LABELS, [3] * 100)
    assert block.rows(BitMap([5, 7]), START, START + SECOND).tolist() == [5, 7]
    assert len(block.rows(BitMap(range(100)), START, START + SECOND)) == 100
    assert len(block.rows(BitMap(range(100)), int(times.max()) + 1, START + SECOND)) == 0
    first = int(block.chunks["max_time"][5])
    assert 5 not in block.rows(BitMap(range(100)), first + 1, START + SECOND)
    assert 5 in block.rows(BitMap(range(100)), first, first + 1)


def test_statistics_leave_out_what_is_no_number(tmp_path: Path) -> None:
    writer = BlockWriter(number=1, level=0, sequence=1, zstd_level=None).open(tmp_path)
    values = np.array([2.0, np.nan, -1.0, np.nan])
    writer.add([LABELS[0], LABELS[1]], np.array([0, 3, 4]), np.array([1, 2, 3, 1]), values)
    facts = writer.finish()
    assert facts is not None
    first, second = Block(tmp_path / facts.name).chunks
    assert (first["low"], first["high"], first["total"], first["numbers"]) == (-1.0, 2.0, 1.0, 2)
    assert (second["low"], second["high"], second["numbers"]) == (np.inf, -np.inf, 0)


def test_a_writer_that_is_abandoned_or_empty_leaves_no_file(tmp_path: Path) -> None:
    writer = BlockWriter(number=1, level=0, sequence=1, zstd_level=None).open(tmp_path)
    assert list(tmp_path.iterdir())
    writer.abandon()
    assert BlockWriter(number=2, level=0, sequence=1, zstd_level=None).open(tmp_path).finish() is None
    assert not list(tmp_path.iterdir())


def test_another_file_is_no_block(tmp_path: Path) -> None:
    (tmp_path / "x.block").write_bytes(b"something else, long enough to hold a header and a trailer of a block")
    with pytest.raises(CorruptionError, match="begins with b'somethin'"):
        Block(tmp_path / "x.block")


def test_chunks_cut_series_without_crossing_them() -> None:
    which, bounds = chunk_bounds(np.array([0, 5, 5, 5 + CHUNK_POINTS + 1]))
    assert which.tolist() == [0, 2, 2]
    assert bounds.tolist() == [0, 5, 5 + CHUNK_POINTS, 5 + CHUNK_POINTS + 1]
