"""A store in memory without any cleverness: a dictionary of dictionaries. The truth that others are compared with."""

from __future__ import annotations

import re
import struct
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import numpy as np
import pyarrow as pa

from quintet.timeseries.aggregates import Aggregates, bucketed
from quintet.timeseries.downsample import RAW, ROWS, Fill, Touch, filled_table, whole_buckets
from quintet.timeseries.errors import MatcherError, StoreClosedError
from quintet.timeseries.model import (
    METRIC,
    Batch,
    Cardinality,
    CompactReport,
    Labels,
    Matcher,
    Options,
    Scan,
    ScanStats,
    StoreStats,
)

__all__ = ["NaiveStore"]


class NaiveStore:
    """The interface of `quintet.timeseries.store.Store`; values are kept as their eight bytes."""

    def __init__(self) -> None:
        self._points: dict[Labels, dict[int, bytes]] = {}
        self._lock = threading.RLock()
        self._closed = False
        self._appended = 0

    @classmethod
    def open(cls, path: Path, options: Options | None = None) -> NaiveStore:
        return cls()

    def append(self, batch: Batch) -> int:
        with self._lock:
            if self._closed:
                raise StoreClosedError("the store is closed")
            for number, time, value in zip(batch.series.tolist(), batch.timestamps.tolist(), batch.values, strict=True):
                self._points.setdefault(batch.labels[number], {})[time] = struct.pack("<d", value)
            self._appended += len(batch)
            return len(batch)

    def scan(self, matchers: Sequence[Matcher], start: int, end: int) -> Scan:
        labels: list[Labels] = []
        offsets, times, values = [0], [], []
        with self._lock:
            for one in sorted(self._matching(matchers)):
                inside = sorted((time, value) for time, value in self._points[one].items() if start <= time < end)
                if inside:
                    labels.append(one)
                    times += [time for time, _ in inside]
                    values += [value for _, value in inside]
                    offsets.append(len(times))
        return Scan(
            labels,
            np.array(offsets, np.int64),
            np.array(times, np.int64),
            np.frombuffer(b"".join(values), np.float64),
            ScanStats(head_points=len(times)),
        )

    def query(self, matchers: Sequence[Matcher], start: int, end: int) -> pa.Table:
        scan = self.scan(matchers, start, end)
        rows = [one for one, count in zip(scan.labels, np.diff(scan.offsets), strict=True) for _ in range(count)]
        return pa.table(
            {
                "series": pa.array([str(row) for row in rows]).dictionary_encode(),
                "labels": pa.array([list(row) for row in rows], pa.map_(pa.string(), pa.string())),
                "timestamp": pa.array(scan.timestamps, pa.timestamp("ns", "UTC")),
                "value": pa.array(scan.values),
            }
        )

    def explain(self, matchers: Sequence[Matcher], start: int, end: int) -> ScanStats:
        with self._lock:
            points = sum(start <= time < end for one in self._matching(matchers) for time in self._points[one])
        return ScanStats(head_points=points)

    def downsample(
        self, matchers: Sequence[Matcher], start: int, end: int, step: int, fill: Fill = "none", *, limit: int = ROWS
    ) -> pa.Table:
        points = Aggregates.of_points(self.scan(matchers, *whole_buckets(start, end, step)))
        return filled_table(bucketed(points, step), step, fill, limit)

    def explain_downsample(self, matchers: Sequence[Matcher], start: int, end: int, step: int) -> list[Touch]:
        bounds = whole_buckets(start, end, step)
        return [Touch(RAW, *bounds, self.explain(matchers, *bounds))]

    def series(self, matchers: Sequence[Matcher], start: int, end: int) -> list[Labels]:
        return self.scan(matchers, start, end).labels

    def label_names(self, start: int = -(2**63), end: int = 2**63 - 1) -> list[str]:
        return sorted({name for one in self.series((), start, end) for name, _ in one})

    def label_values(self, name: str, start: int = -(2**63), end: int = 2**63 - 1) -> list[str]:
        return sorted({value for one in self.series((), start, end) for label, value in one if label == name})

    def cardinality(self) -> Cardinality:
        with self._lock:
            metrics = Counter(dict(one).get(METRIC, "") for one in self._points)
        return Cardinality(
            len(self._points), dict(metrics), {name: len(self.label_values(name)) for name in self.label_names()}
        )

    def delete(self, matchers: Sequence[Matcher], start: int, end: int) -> int:
        concerned = 0
        with self._lock:
            for one in self._matching(matchers):
                gone = [time for time in self._points[one] if start <= time < end]
                concerned += bool(gone)
                for time in gone:
                    del self._points[one][time]
                if not self._points[one]:
                    del self._points[one]
        return concerned

    def flush(self) -> None:
        """Nothing: all is memory."""

    def compact(self) -> CompactReport:
        return CompactReport()

    def roll_up(self) -> dict[str, int]:
        return {}

    def retain(self, now: int) -> int:
        return 0

    def move_tiers(self, now: int) -> int:
        return 0

    def stats(self) -> StoreStats:
        with self._lock:
            times = [time for points in self._points.values() for time in points]
        return StoreStats(
            points_head=len(times),
            series_head=len(self._points),
            series=len(self._points),
            appended_points=self._appended,
            min_time=min(times, default=None),
            max_time=max(times, default=None),
        )

    def close(self) -> None:
        self._closed = True

    def __enter__(self) -> NaiveStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _matching(self, matchers: Sequence[Matcher]) -> list[Labels]:
        return [one for one in self._points if all(_holds(matcher, dict(one)) for matcher in matchers)]


def _holds(matcher: Matcher, labels: dict[str, str]) -> bool:
    value = labels.get(matcher.name, "")
    if matcher.op in {"=", "!="}:
        return (value == matcher.value) == (matcher.op == "=")
    try:
        found = re.fullmatch(matcher.value, value, re.DOTALL) is not None
    except re.error as error:
        raise MatcherError(f"regular expression {matcher.value!r}: {error}") from error
    return found == (matcher.op == "=~")
