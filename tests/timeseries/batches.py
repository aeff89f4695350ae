"""Batches for tests of the store, and what must come out again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from quintet.timeseries import Batch, Labels, Matcher, Options, Scan, Store, labels_of

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
#: 2023-11-14T22:00:00Z
START = 1_699_999_200 * SECOND
ALL = (-(2**63), 2**63 - 1)
#: Points as a plain mapping: what a store must hold.
Points = dict[Labels, dict[int, float]]

#: Nothing happens behind the test's back.
QUIET = Options(background=False)


def series(metric: str = "temperature", **labels: str) -> Labels:
    return labels_of({"__name__": metric, **labels})


def batch(points: Mapping[Labels, Iterable[tuple[int, float]]]) -> Batch:
    """Points by series, in the order given."""
    rows = [(index, time, value) for index, found in enumerate(points.values()) for time, value in found]
    return Batch(
        tuple(points),
        np.array([index for index, _, _ in rows], np.uint32),
        np.array([time for _, time, _ in rows], np.int64),
        np.array([value for _, _, value in rows], np.float64),
    )


def regular(count: int, points: int, *, start: int = START, step: int = 10 * SECOND, seed: int = 1) -> Batch:
    """Temperatures of 0.1 resolution of `count` sensors, row after row as they would arrive."""
    random = np.random.default_rng(seed)
    values = np.round(20 + np.cumsum(random.normal(0, 0.1, (points, count)), axis=0), 1)
    return Batch(
        tuple(series(sensor=f"s{index:04}", room=f"r{index % 7}") for index in range(count)),
        np.tile(np.arange(count, dtype=np.uint32), points),
        np.repeat(start + step * np.arange(points), count),
        values.ravel(),
    )


def expected(*batches: Batch) -> Points:
    """What the batches, appended in this order, leave: the last of equal times."""
    points: Points = {}
    for one in batches:
        for index, time, value in zip(one.series.tolist(), one.timestamps.tolist(), one.values.tolist(), strict=True):
            points.setdefault(one.labels[index], {})[time] = value
    return points


def found(scan: Scan) -> Points:
    """A scan as plain points; its layout is checked on the way."""
    assert scan.labels == sorted(set(scan.labels))
    assert len(scan.offsets) == len(scan.labels) + 1
    assert scan.offsets[-1] == len(scan.timestamps) == len(scan.values)
    points: Points = {}
    for index, labels in enumerate(scan.labels):
        low, high = scan.offsets[index], scan.offsets[index + 1]
        times = scan.timestamps[low:high]
        assert len(times) > 0
        assert (np.diff(times) > 0).all(), "times rise within a series"
        points[labels] = dict(zip(times.tolist(), scan.values[low:high].tolist(), strict=True))
    return points


def stored(store: Store, *matchers: Matcher) -> Points:
    return found(store.scan(matchers, *ALL))
