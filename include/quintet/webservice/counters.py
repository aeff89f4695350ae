"""Counters and histograms of the service, and their text for Prometheus.

Source: Prometheus, "Exposition formats", text-based format 0.0.4.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Iterable, Mapping

__all__ = ["CONTENT_TYPE", "Counters"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
#: Upper bounds in seconds.
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

Pairs = tuple[tuple[str, str], ...]


class Counters:
    """Named counters and histograms of seconds, each by labels; safe for many threads."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._lock = threading.Lock()
        self._counts: dict[str, dict[Pairs, float]] = {}
        self._seconds: dict[str, dict[Pairs, list[float]]] = {}

    def add(self, name: str, amount: float = 1, **labels: str) -> None:
        """Count `amount` more."""
        key = tuple(sorted(labels.items()))
        with self._lock:
            counts = self._counts.setdefault(name, {})
            counts[key] = counts.get(key, 0) + amount

    def observe(self, name: str, seconds: float, **labels: str) -> None:
        """Add an observation to a histogram."""
        key = tuple(sorted(labels.items()))
        with self._lock:
            cells = self._seconds.setdefault(name, {}).setdefault(key, [0.0] * (len(_BUCKETS) + 2))
            cells[bisect_left(_BUCKETS, seconds)] += 1
            cells[-1] += seconds

    def value(self, name: str, **labels: str) -> float:
        """A counter as it stands."""
        with self._lock:
            return self._counts.get(name, {}).get(tuple(sorted(labels.items())), 0)

    def text(self, gauges: Mapping[str, float]) -> str:
        """All of it, with these gauges, as an exposition."""
        lines: list[str] = []
        with self._lock:
            for name, counts in sorted(self._counts.items()):
                lines.append(f"# TYPE {self._prefix}{name} counter")
                lines += [f"{self._prefix}{name}{_labels(key)} {value:.17g}" for key, value in sorted(counts.items())]
            for name, series in sorted(self._seconds.items()):
                lines.append(f"# TYPE {self._prefix}{name} histogram")
                for key, cells in sorted(series.items()):
                    lines += self._histogram(f"{self._prefix}{name}", key, cells)
        for name, value in gauges.items():
            lines += [f"# TYPE {self._prefix}{name} gauge", f"{self._prefix}{name} {value:.17g}"]
        return "\n".join(lines) + "\n"

    def _histogram(self, name: str, key: Pairs, cells: list[float]) -> Iterable[str]:
        total = 0.0
        for bound, count in zip([*map(str, _BUCKETS), "+Inf"], cells[:-1], strict=True):
            total += count
            yield f"{name}_bucket{_labels((*key, ('le', bound)))} {total:.17g}"
        yield f"{name}_sum{_labels(key)} {cells[-1]:.17g}"
        yield f"{name}_count{_labels(key)} {total:.17g}"


def _labels(pairs: Pairs) -> str:
    if not pairs:
        return ""
    escaped = ((name, value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")) for name, value in pairs)
    return "{" + ",".join(f'{name}="{value}"' for name, value in escaped) + "}"
