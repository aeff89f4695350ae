"""What Grafana and other clients ask a Prometheus beside data: what it is, what it can, which rules it has.

There are no rules, alerts, targets and exemplars: the answers have Prometheus' form and are empty, which tells a
client that the question is understood, where an error would tell it that the server is broken.
"""

from __future__ import annotations

import platform
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from quintet import __version__
from quintet.timeseries.model import MAX_TIME, METRIC, MIN_TIME
from quintet.timeseries.parameters import Parameters
from quintet.timeseries.prometheusapi import BOTH, GET, Api
from quintet.timeseries.service import Handler

__all__ = ["PROMETHEUS_VERSION", "StatusApi"]

#: The release of Prometheus whose API this is: clients choose by it what they ask.
PROMETHEUS_VERSION = "2.42.0"
#: Rows of each list of the status.
_ROWS = 10

_EMPTY: dict[str, Any] = {
    "/api/v1/rules": {"groups": []},
    "/api/v1/alerts": {"alerts": []},
    "/api/v1/alertmanagers": {"activeAlertmanagers": [], "droppedAlertmanagers": []},
    "/api/v1/targets": {"activeTargets": [], "droppedTargets": []},
    "/api/v1/targets/metadata": [],
    "/api/v1/status/config": {"yaml": ""},
    "/api/v1/status/flags": {},
}


class StatusApi(Api):
    """Routes about the server."""

    def handlers(self) -> Sequence[tuple[str, Handler, tuple[str, ...]]]:
        """Path, handler and methods of each route."""
        return [
            ("/api/v1/status/buildinfo", self._constant(self.build), GET),
            ("/api/v1/status/runtimeinfo", self._constant(self.runtime), GET),
            ("/api/v1/status/tsdb", self._constant(self.figures), GET),
            ("/api/v1/query_exemplars", self.exemplars, BOTH),
            *((path, self._constant(partial(_EMPTY.get, path)), GET) for path in _EMPTY),
        ]

    def _constant(self, make: Callable[[], Any]) -> Handler:
        async def handler(_: Request) -> Response:
            return await self.answer(make)

        return handler

    async def exemplars(self, request: Request) -> Response:
        """No exemplar of the query's series."""
        given = await Parameters.of(request)
        given.text("query")
        return await self.answer(list[Any])

    def build(self) -> dict[str, str]:
        """What Grafana asks first, to learn which API it speaks to."""
        return {
            "version": PROMETHEUS_VERSION,
            "revision": __version__,
            "branch": "",
            "buildUser": "",
            "buildDate": "",
            "goVersion": "",
            "application": "quintet-timeseries",
        }

    def runtime(self) -> dict[str, Any]:
        """How the process does."""
        stats, options = self.store.stats(), getattr(self.store, "options", None)
        retention = getattr(options, "retention", None)
        return {
            "startTime": datetime.fromtimestamp(self.service.started, UTC).isoformat(),
            "CWD": "",
            "hostname": platform.node(),
            "serverTime": datetime.now(UTC).isoformat(),
            "reloadConfigSuccess": True,
            "lastConfigTime": datetime.fromtimestamp(self.service.started, UTC).isoformat(),
            "corruptionCount": stats.quarantined,
            "goroutineCount": threading.active_count(),
            "GOMAXPROCS": self.service.options.query_threads + self.service.options.write_threads,
            "GOGC": "",
            "GODEBUG": "",
            "storageRetention": f"{retention // 10**9}s" if retention else "",
        }

    def figures(self) -> dict[str, Any]:
        """Series by metric and label, as Prometheus' page of the same name."""
        stats, series = self.store.stats(), self.store.series((), MIN_TIME, MAX_TIME)
        metrics = Counter(dict(labels).get(METRIC, "") for labels in series)
        pairs = Counter(pair for labels in series for pair in labels)
        values = Counter(name for name, _ in pairs)
        size: Counter[str] = Counter()
        for name, value in pairs:
            size[name] += len(name) + len(value)
        return {
            "headStats": {
                "numSeries": len(series),
                "numLabelPairs": len(pairs),
                "chunkCount": 0,
                "minTime": (stats.min_time or 0) // 1_000_000,
                "maxTime": (stats.max_time or 0) // 1_000_000,
            },
            "seriesCountByMetricName": _largest(metrics),
            "labelValueCountByLabelName": _largest(values),
            "memoryInBytesByLabelName": _largest(size),
            "seriesCountByLabelValuePair": _largest({"=".join(pair): count for pair, count in pairs.items()}),
            "store": {name: value for name, value in vars(stats).items() if not isinstance(value, dict)},
        }


def _largest(counts: Mapping[str, int]) -> list[dict[str, Any]]:
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:_ROWS]
    return [{"name": name, "value": count} for name, count in ranked]
