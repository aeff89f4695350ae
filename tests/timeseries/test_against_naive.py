"""The store and the naive one, given the same work, answer alike: points bit for bit, series, labels, counts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from batches import ALL, HOUR, QUIET, START, series
from naive_store import NaiveStore

from quintet.timeseries import Batch, Matcher, Options, Scan, Store

LABELS = tuple(
    series(metric, host=f"h{host}", **({"zone": zone} if zone else {}))
    for metric in ("cpu", "memory")
    for host in range(6)
    for zone in ("", "a", "b")
)
#: Small enough that work passes through every level.
OPTIONS = replace(QUIET, head_points=400, block_span=HOUR, level_factor=3, levels=3, segment_bytes=20_000)
MATCHERS = [
    [],
    [Matcher("__name__", "=", "cpu")],
    [Matcher("zone", "=", "")],
    [Matcher("zone", "!=", "a"), Matcher("host", "=~", "h[0-3]")],
    [Matcher("host", "!~", "h1|h2")],
    [Matcher("__name__", "=", "nothing")],
]


def random_batch(random: np.random.Generator) -> Batch:
    """Values of any bits, times in and out of order within two days, some of them twice."""
    count = int(random.integers(1, 300))
    values = random.integers(0, 2**64 - 1, count, np.uint64, endpoint=True)
    values[random.random(count) < 0.7] = np.float64(21.5).view(np.uint64)
    return Batch(
        LABELS,
        random.integers(0, len(LABELS), count).astype(np.uint32),
        START + random.integers(0, 500, count) * HOUR // 10,
        values.view(np.float64),
    )


def interval(random: np.random.Generator) -> tuple[int, int]:
    start, length = random.integers(0, 50), random.integers(0, 20)
    return int(START + start * HOUR), int(START + (start + length) * HOUR)


def assert_alike(ours: Scan, theirs: Scan) -> None:
    assert ours.labels == theirs.labels
    np.testing.assert_array_equal(ours.offsets, theirs.offsets)
    np.testing.assert_array_equal(ours.timestamps, theirs.timestamps)
    np.testing.assert_array_equal(ours.values.view(np.uint64), theirs.values.view(np.uint64))


def compare(store: Store, naive: NaiveStore, random: np.random.Generator) -> None:
    for matchers in MATCHERS:
        assert_alike(store.scan(matchers, *ALL), naive.scan(matchers, *ALL))
        low, high = interval(random)
        assert_alike(store.scan(matchers, low, high), naive.scan(matchers, low, high))


@pytest.mark.parametrize("background", [False, True])
@pytest.mark.parametrize("seed", range(2))
def test_random_work_has_the_same_results(tmp_path: Path, seed: int, background: bool) -> None:
    random = np.random.default_rng(seed)
    options: Options = replace(OPTIONS, background=background, merge_blocks=3)
    naive = NaiveStore()
    store = Store.open(tmp_path, options)
    try:
        for _ in range(50):
            match random.choice(["append", "delete", "flush", "compact", "reopen"], p=[0.8, 0.06, 0.06, 0.04, 0.04]):
                case "append":
                    batch = random_batch(random)
                    assert store.append(batch) == naive.append(batch)
                case "delete":
                    matchers = MATCHERS[random.integers(0, len(MATCHERS))]
                    what = (matchers, *interval(random))
                    store.delete(*what)
                    naive.delete(*what)
                case "flush":
                    store.flush()
                case "compact":
                    store.compact()
                case "reopen":
                    store.close()
                    store = Store.open(tmp_path, options)
            if random.random() < 0.15:
                compare(store, naive, random)
        store.flush()
        store.compact()
        compare(store, naive, random)
        assert store.label_names() == naive.label_names()
        assert store.label_values("zone") == naive.label_values("zone")
        assert store.cardinality() == naive.cardinality()
        assert store.stats().series == naive.cardinality().series
        assert store.stats().trouble == ""
    finally:
        store.close()
