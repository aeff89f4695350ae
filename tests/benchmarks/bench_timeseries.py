# environment: timeseries
# versions: numpy numba pyarrow pyroaring zstandard
"""The time-series store through its API: points/s into it with the log on, bytes per point, seconds to read.

One process on one core (it is pinned), every append synced before it returns, blocks written and merged meanwhile.
The bars: 1M points/s, 10:1 on sensor data, a scan of 1M points in 100 ms, one recent series in 10 ms (p99),
30 days of hours 5 times faster from a rollup than from points.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from measuring import headline, progress, raw

from quintet.timeseries import Batch, Labels, Matcher, Options, Rollup, Scan, Store, labels_of

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
ALL = (-(2**63), 2**63 - 1)
BAR_POINTS, BAR_RATIO, BAR_SCAN_MS, BAR_RECENT_MS, BAR_ROLLUP = 1e6, 10.0, 100.0, 10.0, 5.0
BATCH = 10_000
POINTS = 20_000_000


def names(count: int) -> tuple[Labels, ...]:
    return tuple(
        labels_of({"__name__": "temperature", "host": f"host-{index:06}", "zone": f"z{index % 10}"})
        for index in range(count)
    )


def sensor(random: np.random.Generator, rows: int, count: int) -> np.ndarray:
    """Temperatures of 0.1 resolution that wander."""
    return np.round(20 + np.cumsum(random.normal(0, 0.1, (rows, count)), axis=0), 1)


KINDS: dict[str, Callable[[np.random.Generator, int, int], np.ndarray]] = {
    "temperature, 0.1 resolution": sensor,
    "temperature, 0.1 resolution, stamps jitter by ms": sensor,
    "counter, steps up to 1000": lambda random, rows, count: np.cumsum(
        random.integers(0, 1000, (rows, count)), axis=0
    ).astype(float),
    "state, five values": lambda random, rows, count: np.repeat(
        random.integers(0, 5, (rows // 20 + 1, count)), 20, axis=0
    )[:rows].astype(float),
    "float32 noise": lambda random, rows, count: random.normal(size=(rows, count)).astype("f4").astype(float),
    "float64 noise": lambda random, rows, count: random.normal(size=(rows, count)),
}


def ingest(folder: Path, series: int, points: int) -> dict[str, Any]:
    """Append batches of one row per series, at least `BATCH` points each, until all of them are in blocks.

    points/s counts the whole time: batches are made, appended and synced, blocks written and merged, the last one too.
    """
    labels = names(series)
    rows = max(1, BATCH // series)
    numbers = np.tile(np.arange(series, dtype=np.uint32), rows)
    values = sensor(np.random.default_rng(1), 200 * rows, series).reshape(200, -1)
    slowest = 0.0
    begin = time.perf_counter()
    count = points // len(numbers)
    with Store.open(folder) as store:
        for index in range(count):
            times = np.repeat(START + (np.arange(rows) + index * rows) * 10 * SECOND, series)
            batch = Batch(labels, numbers, times, values[index % 200])
            start = time.perf_counter()
            store.append(batch)
            slowest = max(slowest, time.perf_counter() - start)
        store.flush()
        spent = time.perf_counter() - begin
        stats = store.stats()
        return {
            "series": series,
            "points": stats.appended_points,
            "points/s": stats.appended_points / spent,
            "slowest append ms": 1000 * slowest,
            "syncs": stats.wal_syncs,
            "blocks": stats.blocks,
            "MB resident": resident(),
        }


def resident() -> int:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmRSS:")[1].split()[0]) // 1024


def replayed(folder: Path, points: int) -> dict[str, Any]:
    """Opening a store whose points are all in the log."""
    series = 1000
    with Store.open(folder, Options(background=False, head_points=2 * points)) as store:
        numbers = np.tile(np.arange(series, dtype=np.uint32), 10)
        for index in range(points // len(numbers)):
            times = np.repeat(START + (np.arange(10) + index * 10) * SECOND, series)
            store.append(Batch(names(series), numbers, times, np.ones(len(numbers))))
    start = time.perf_counter()
    with Store.open(folder, Options(background=False, head_points=2 * points)) as store:
        took = time.perf_counter() - start
        assert store.stats().points_head == points
    return {"points in the log": points, "seconds to open": took, "points/s": points / took}


def sizes(folder: Path) -> list[dict[str, Any]]:
    """Bytes per point after compaction: files of the blocks whole, index included."""
    found = []
    for number, (kind, make) in enumerate(KINDS.items()):
        random = np.random.default_rng(number)
        values = make(random, 8640, 100)
        times = START + np.arange(8640)[:, None] * 10 * SECOND + np.zeros((1, 100), np.int64)
        if "jitter" in kind:
            times = times + random.integers(-5, 6, times.shape) * 1_000_000
        with Store.open(folder / str(number), Options(background=False, block_span=48 * 3600 * SECOND)) as store:
            store.append(
                Batch(names(100), np.tile(np.arange(100, dtype=np.uint32), 8640), times.ravel(), values.ravel())
            )
            store.flush()
            store.compact()
            stats = store.stats()
        size = stats.bytes_blocks / stats.points_blocks
        found.append({"data": kind, "bytes/point": size, "ratio": 16 / size})
        progress(f"{kind}: {16 / size:.1f}:1")
    return found


def timed(repeat: int, work: Callable[[int], Any]) -> list[float]:
    """Milliseconds, sorted."""
    found = []
    for index in range(repeat):
        start = time.perf_counter()
        work(index)
        found.append(1000 * (time.perf_counter() - start))
    return sorted(found)


def reads(folder: Path) -> list[dict[str, Any]]:
    """Scans of a store of 1000 series with 10000 points each, most in blocks, the newest in memory."""
    labels = names(1000)
    values = sensor(np.random.default_rng(3), 10_000, 1000)
    with Store.open(folder) as store:
        for first in range(0, 10_000, 10):
            times = np.repeat(START + (np.arange(10) + first) * 10 * SECOND, 1000)
            store.append(
                Batch(labels, np.tile(np.arange(1000, dtype=np.uint32), 10), times, values[first : first + 10].ravel())
            )
        end = START + 100_000 * SECOND
        zone = [Matcher("zone", "=", "z3")]
        questions: dict[str, tuple[int, Callable[[int], Any]]] = {
            "one recent series, one hour": (
                1000,
                lambda index: store.scan([Matcher("host", "=", f"host-{index:06}")], end - 3600 * SECOND, end),
            ),
            "one series, everything (10,000 points)": (
                200,
                lambda index: store.scan([Matcher("host", "=", f"host-{index:06}")], *ALL),
            ),
            "100 series, everything, mean (1M points)": (20, lambda _: _with_mean(store.scan(zone, *ALL))),
        }
        store.flush()
        found = []
        for question, (repeat, work) in questions.items():
            assert len(work(0).timestamps) >= 360
            took = timed(repeat, work)
            found.append(
                {"question": question, "p50 ms": took[len(took) // 2], "p99 ms": took[int(len(took) * 0.99) - 1]}
            )
            progress(f"{question}: {found[-1]['p50 ms']:.2f} ms")
        return found


def _with_mean(scan: Scan) -> Scan:
    assert np.isfinite(scan.values.mean())
    return scan


def downsampled(folder: Path, days: int = 30) -> list[dict[str, Any]]:
    """100 series at 10 s to hours: from the points, and from a rollup of hours; the newest day is read from points."""
    random = np.random.default_rng(4)
    day = 24 * 3600 * SECOND
    begin = START // day * day
    found = []
    with Store.open(folder, Options(background=False)) as store:
        for number in range(days):
            times = np.repeat(begin + number * day + np.arange(8640) * 10 * SECOND, 100)
            values = sensor(random, 8640, 100).ravel()
            store.append(Batch(names(100), np.tile(np.arange(100, dtype=np.uint32), 8640), times, values))
        store.flush()
        store.compact()
    for source, rollups in (("points", ()), ("rollup", (Rollup(3600 * SECOND),))):
        with Store.open(folder, Options(background=False, rollups=rollups)) as store:
            start = time.perf_counter()
            store.roll_up()
            spent = time.perf_counter() - start
            asked = ((), begin, begin + days * day, 3600 * SECOND)
            assert store.downsample(*asked).num_rows == 100 * 24 * days
            took = timed(5, lambda _, store=store, asked=asked: store.downsample(*asked))
            read = sum(one.stats.points + one.stats.head_points for one in store.explain_downsample(*asked))
            found.append({"from": source, "points read": read, "p50 ms": took[2], "seconds to roll up": spent})
            progress(f"{days} days from the {source}: {took[2]:.0f} ms")
    return found


def table(rows: list[dict[str, Any]]) -> str:
    head = list(rows[0])
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        cells = (
            f"{value:,.2f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else value
            for value in row.values()
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n\n"


def main() -> int:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        progress("compiling")
        ingest(place / "warm", 100, 100_000)
        taken = []
        for series in (1_000, 10_000, 100_000):
            taken.append(ingest(place / f"ingest-{series}", series, POINTS))
            progress(f"{series} series: {taken[-1]['points/s']:,.0f} points/s")
        again = [replayed(place / "replay", 5_000_000)]
        small = sizes(place / "sizes")
        asked = reads(place / "reads")
        down = downsampled(place / "downsampled")
    sys.stdout.write(table(taken) + table(again) + table(small) + table(asked) + table(down))
    times = down[0]["p50 ms"] / down[1]["p50 ms"]
    rate = min(row["points/s"] for row in taken[:2])
    held = {
        f"{rate / 1e6:.2f}M points/s through append on one core, log synced (bar: 1M)": rate >= BAR_POINTS,
        f"{small[0]['ratio']:.1f}:1 on sensor data (bar: 10:1)": small[0]["ratio"] >= BAR_RATIO,
        f"1M points read in {asked[2]['p50 ms']:.0f} ms (bar: 100)": asked[2]["p50 ms"] <= BAR_SCAN_MS,
        f"a recent series in {asked[0]['p99 ms']:.2f} ms at p99 (bar: 10)": asked[0]["p99 ms"] <= BAR_RECENT_MS,
        f"30 days of hours {times:.1f} times faster from a rollup (bar: 5)": times >= BAR_ROLLUP,
    }
    headline("; ".join(f"{text}: {'held' if good else 'MISSED'}" for text, good in held.items()))
    raw([*taken, *again, *small, *asked, *down])
    return 0 if all(held.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
