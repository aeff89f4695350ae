"""Records of the log: whole batches and halves come out as they went in, damage is named; shards and back."""

from __future__ import annotations

import numpy as np
import pytest
from batches import START, batch, expected, found, regular, series
from hypothesis import given, settings
from hypothesis import strategies as st

from quintet.timeseries import Batch, Matcher, ScanStats
from quintet.timeseries.cluster.gather import as_batch, as_scan, gather, joined
from quintet.timeseries.cluster.log import split
from quintet.timeseries.cluster.placement import shard_of
from quintet.timeseries.cluster.record import Deletion, Reader, encode_batch, encode_deletion
from quintet.timeseries.errors import PointsRefusedError
from quintet.timeseries.model import Scan

BITS = st.integers(0, 2**64 - 1)


def same(one: Batch, other: Batch) -> None:
    assert [one.labels[number] for number in one.series] == [other.labels[number] for number in other.series]
    assert one.timestamps.tolist() == other.timestamps.tolist()
    assert one.values.tobytes() == other.values.tobytes()


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    rows = draw(st.lists(st.tuples(st.integers(0, 5), st.integers(-(2**62), 2**62), BITS), max_size=60))
    labels = tuple(series(host=draw(st.text('aé\n"\\, ', min_size=1, max_size=3)) + str(index)) for index in range(6))
    return Batch(
        labels,
        np.array([row[0] for row in rows], np.uint32),
        np.array([row[1] for row in rows], np.int64),
        np.array([row[2] for row in rows], np.uint64).view(np.float64),
    )


@settings(deadline=None)
@given(batches())
def test_a_batch_comes_back_bit_for_bit(points: Batch) -> None:
    (record,) = encode_batch(points)
    read = Reader().decode(record)
    assert isinstance(read, Batch)
    same(read, points)


@settings(deadline=None, max_examples=30)
@given(batches(), st.integers(600, 2000))
def test_a_batch_that_is_too_large_comes_back_in_its_order(points: Batch, limit: int) -> None:
    records = list(encode_batch(points, limit=limit))
    assert all(len(record) <= limit for record in records)
    parts = [part for record in records if isinstance(part := Reader().decode(record), Batch)]
    same(joined(parts), points)


def test_labels_larger_than_a_record_are_refused() -> None:
    with pytest.raises(PointsRefusedError, match="Stay below"):
        list(encode_batch(batch({series(host="x" * 2000): [(START, 1.0)]}), limit=1000))


def test_the_same_series_are_decoded_once() -> None:
    reader = Reader(extra=[series("extra")])
    first, second = (reader.decode(next(encode_batch(regular(3, 4, seed=seed)))) for seed in (1, 2))
    assert isinstance(first, Batch)
    assert isinstance(second, Batch)
    assert first.labels is second.labels
    assert first.labels[-1] == series("extra")


def test_a_deletion_comes_back() -> None:
    deletion = Deletion((Matcher("host", "=~", 'a|"b'),), -5, 7)
    assert Reader().decode(encode_deletion(deletion)) == deletion


@settings(deadline=None)
@given(st.data())
def test_no_damaged_record_is_taken_for_a_whole_one(data: st.DataObject) -> None:
    (record,) = encode_batch(regular(3, 5))
    at = data.draw(st.integers(0, len(record) - 1))
    damaged = bytearray(record)
    damaged[at] ^= 1 << data.draw(st.integers(0, 7))
    cut = data.draw(st.integers(0, len(record) - 1))
    for bad in (bytes(damaged), record[:cut]):
        with pytest.raises(PointsRefusedError):
            Reader().decode(bad)


@settings(deadline=None)
@given(batches(), st.integers(1, 7))
def test_shards_share_a_batch_without_loss_and_in_order(points: Batch, shards: int) -> None:
    parts = split(points, shards)
    assert expected(*parts.values()).keys() == expected(points).keys()
    for shard, part in parts.items():
        mine = np.array([shard_of(points.labels[number], shards) == shard for number in points.series], bool)
        same(part, Batch(points.labels, points.series[mine], points.timestamps[mine], points.values[mine]))


def scan_of(points: Batch) -> Scan:
    """The scan of a store that holds the batch."""
    wanted = expected(points)
    ordered = {labels: sorted(wanted[labels].items()) for labels in sorted(wanted)}
    plain = batch(ordered)
    return as_scan(plain, ScanStats(points=len(plain)))


@settings(deadline=None)
@given(batches(), st.integers(1, 5))
def test_scans_of_shards_are_the_scan_of_the_whole(points: Batch, shards: int) -> None:
    together = gather([scan_of(part) for part in split(points, shards).values()])
    whole = scan_of(points)
    assert together.labels == whole.labels
    assert together.offsets.tolist() == whole.offsets.tolist()
    assert together.timestamps.tolist() == whole.timestamps.tolist()
    assert together.values.tobytes() == whole.values.tobytes()
    assert together.stats.points == whole.stats.points
    again = as_scan(as_batch(together), together.stats)
    assert again.offsets.tolist() == together.offsets.tolist()


def test_no_scans_are_an_empty_scan() -> None:
    assert found(gather([])) == {}
