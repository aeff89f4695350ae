"""Answers of many shards as one, and batches as one.

A series is in one shard only, so nothing is ever merged within a series.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields

import numpy as np

from quintet.timeseries.downsample import Touch
from quintet.timeseries.model import Batch, Labels, Scan, ScanStats

__all__ = ["as_batch", "as_scan", "gather", "joined", "summed", "touched"]


def summed(stats: Sequence[ScanStats]) -> ScanStats:
    """Figures added up."""
    return ScanStats(**{one.name: sum(getattr(item, one.name) for item in stats) for one in fields(ScanStats)})


def touched(touches: Iterable[Touch]) -> list[Touch]:
    """One for each source and stretch, in the order of time."""
    groups: dict[tuple[int, int, str], list[ScanStats]] = {}
    for one in touches:
        groups.setdefault((one.start, one.end, one.source), []).append(one.stats)
    return [Touch(source, start, end, summed(groups[start, end, source])) for start, end, source in sorted(groups)]


def gather(scans: Sequence[Scan]) -> Scan:
    """One scan of many whose series differ; sorted by series as each of them is."""
    stats = summed([scan.stats for scan in scans])
    scans = [scan for scan in scans if scan.labels]
    if len(scans) == 1:
        return Scan(scans[0].labels, scans[0].offsets, scans[0].timestamps, scans[0].values, stats)
    labels: list[Labels] = [one for scan in scans for one in scan.labels]
    order = sorted(range(len(labels)), key=labels.__getitem__)
    counts = np.concatenate([np.empty(0, np.int64), *(np.diff(scan.offsets) for scan in scans)])
    starts = np.cumsum(counts) - counts
    chosen = np.array(order, np.int64)
    offsets = np.concatenate([[0], np.cumsum(counts[chosen])]).astype(np.int64)
    # Row of the joined columns that goes to each place: its series' start and the place within the series.
    rows = np.repeat(starts[chosen] - offsets[:-1], counts[chosen]) + np.arange(offsets[-1])
    timestamps = np.concatenate([np.empty(0, np.int64), *(scan.timestamps for scan in scans)])
    values = np.concatenate([np.empty(0, np.float64), *(scan.values for scan in scans)])
    return Scan([labels[number] for number in order], offsets, timestamps[rows], values[rows], stats)


def as_batch(scan: Scan) -> Batch:
    """The points of a scan as a batch, series after series."""
    series = np.repeat(np.arange(len(scan.labels), dtype=np.uint32), np.diff(scan.offsets))
    return Batch(tuple(scan.labels), series, scan.timestamps, scan.values)


def as_scan(batch: Batch, stats: ScanStats) -> Scan:
    """The scan that `as_batch` made a batch of."""
    counts = np.bincount(batch.series, minlength=len(batch.labels))
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return Scan(list(batch.labels), offsets, batch.timestamps, batch.values, stats)


def joined(batches: Sequence[Batch], last: Sequence[Labels] = ()) -> Batch:
    """One batch of many, in their order. last: series that are last among the labels of all, with or without points."""
    numbers: dict[Labels, int] = {}
    series = [np.empty(0, np.uint32)]
    for batch in batches:
        places = np.array([numbers.setdefault(one, len(numbers)) for one in batch.labels], np.uint32)
        series.append(places[batch.series])
    return Batch(
        (*numbers, *last),
        np.concatenate(series),
        np.concatenate([np.empty(0, np.int64), *(batch.timestamps for batch in batches)]),
        np.concatenate([np.empty(0, np.float64), *(batch.values for batch in batches)]),
    )
