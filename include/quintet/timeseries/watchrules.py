"""When a person is told of the database: rules over its figures, before anything is lost.

| source | severity | when |
|---|---|---|
| `watch.log` | critical | the disk has refused a write or a sync of the log |
| `watch.trouble` | critical | the background work does not go on, or retention and tiers failed |
| `watch.refused` | critical | writes were refused because there would be too many series |
| `watch.rejected` | warning | more lines and points were refused than a share of what was sent |
| `watch.series` | warning | series come near the limit |
| `watch.disk` | warning, critical | a disk is nearly full |
| `watch.backup` | warning | the newest backup is too old |
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["SOURCES", "Finding", "Sample", "Thresholds", "findings", "read_metrics"]

_PREFIX = "quintet_timeseries_"
_LINE = re.compile(r"^([a-zA-Z_:][\w:]*)(\{.*\})?\s+(\S+)$")
SOURCES = ("log", "trouble", "refused", "rejected", "series", "disk", "backup")


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """Shares are parts of 1; backup_seconds: age of the newest backup."""

    rejected: float = 0.01
    series: float = 0.9
    disk: float = 0.1
    disk_critical: float = 0.03
    backup_seconds: float = 7 * 86_400


@dataclass(frozen=True)
class Sample:
    """Figures at one moment. metrics: by name and labels as exposed, without the prefix; backup_age: seconds.

    trouble: what the service says it is in, empty for nothing.
    """

    metrics: Mapping[str, float] = field(default_factory=dict)
    backup_age: float | None = None
    trouble: str = ""

    def total(self, name: str, labels: str = "") -> float:
        """Sum of all series of a metric whose labels hold a text."""
        return sum(value for key, value in self.metrics.items() if key.partition("{")[0] == name and labels in key)


@dataclass(frozen=True)
class Finding:
    """What is wrong, on what, and what to do."""

    source: str
    severity: Literal["critical", "warning"]
    title: str
    detail: str
    remedy: str


def read_metrics(text: str) -> dict[str, float]:
    """Values of an exposition by name and labels, without the service's prefix."""
    found = {}
    for line in text.splitlines():
        match = _LINE.match(line)
        if match and match[1].startswith(_PREFIX):
            found[match[1].removeprefix(_PREFIX) + (match[2] or "")] = float(match[3])
    return found


def findings(now: Sample, before: Sample, limits: Thresholds | None = None) -> list[Finding]:
    """What is wrong now; counters count from `before`, or from 0 where the service was started between."""
    return list(_findings(now, before, limits or Thresholds()))


def _findings(now: Sample, before: Sample, limits: Thresholds) -> Iterator[Finding]:
    restarted = now.total("start_time_seconds") != before.total("start_time_seconds")

    def more(name: str, labels: str = "") -> float:
        return now.total(name, labels) - (0 if restarted else before.total(name, labels))

    if (failures := now.total("store_wal_failures")) > 0:
        yield Finding(
            "watch.log",
            "critical",
            "the disk refuses the log",
            f"{failures:.0f} writes or syncs of the log have failed since the database was started",
            "Look at the disk (full, broken, read-only?), then restart the service: what was acknowledged comes back",
        )
    if now.trouble or more("care_failures_total") > 0:
        yield Finding(
            "watch.trouble",
            "critical",
            "the database does not get on with its work",
            now.trouble or "retention or moving blocks to their tiers has failed",
            "Read: quintet logs timeseries. It is tried again until it works; writes may be refused meanwhile",
        )
    if (refused := more("points_refused_total", 'reason="series limit"')) > 0:
        yield Finding(
            "watch.refused",
            "critical",
            "points are refused: too many series",
            f"{refused:.0f} points were refused because their series would be more than the store may hold",
            "Find the label with many values (/api/v1/status/tsdb) and drop it, or raise timeseries_max_series",
        )
    yield from _rejected(
        more("lines_refused_total") + more("points_too_old_total"), more("points_written_total"), limits
    )
    yield from _near_limits(now, limits)
    if now.backup_age is not None and now.backup_age > limits.backup_seconds:
        yield Finding(
            "watch.backup",
            "warning",
            "the newest backup is old",
            f"It is {now.backup_age / 86_400:.1f} days old, the limit is {limits.backup_seconds / 86_400:g}",
            "Switch the DAG timeseries_backup_store on, or find out why it fails",
        )


def _rejected(rejected: float, written: float, limits: Thresholds) -> Iterator[Finding]:
    if rejected > limits.rejected * (rejected + written):
        yield Finding(
            "watch.rejected",
            "warning",
            "senders send what cannot be stored",
            f"{rejected:.0f} lines or points were refused, {written:.0f} points were written",
            "The answer to each request names line and reason: read the sender's log",
        )


def _near_limits(now: Sample, limits: Thresholds) -> Iterator[Finding]:
    series, most = now.total("store_series"), now.total("store_series_limit")
    if most and series > limits.series * most:
        yield Finding(
            "watch.series",
            "warning",
            "series come near the limit",
            f"The store holds {series:.0f} series of {most:.0f} that it may hold",
            "Find the label with many values (/api/v1/status/tsdb), or raise timeseries_max_series",
        )
    for name in ("store", "warm"):
        free, size = now.total(f"{name}_disk_free_bytes"), now.total(f"{name}_disk_size_bytes")
        if size and free < limits.disk * size:
            yield Finding(
                "watch.disk",
                "critical" if free < limits.disk_critical * size else "warning",
                f"the disk of the {name} folder is nearly full",
                f"{free / 2**30:.1f} GiB of {size / 2**30:.0f} are free",
                "Make room, shorten timeseries_retention, or move older blocks to another disk or to S3",
            )
            return
