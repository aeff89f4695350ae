"""Which series and labels there are, over HTTP: labels, values, series, metadata."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from quintet.timeseries.model import MAX_TIME, MIN_TIME, Labels
from quintet.timeseries.parameters import Parameters
from quintet.timeseries.prometheusapi import BOTH, GET, Api, limited
from quintet.timeseries.promql.errors import QuerySyntaxError
from quintet.timeseries.promql.limits import Budget
from quintet.timeseries.promql.parser import parse_selector
from quintet.timeseries.service import Handler

__all__ = ["LabelApi", "label_name"]

#: In a name that was made fit for an address: an underscore, or a character by its number in hexadecimal digits.
_ESCAPED = re.compile(r"__|_([0-9a-fA-F]{1,6})_")


def label_name(text: str) -> str:
    """The name of a label as it stands in an address: one that begins with `U__` has its other characters escaped.

    Source: Prometheus, "HTTP API" (querying label values): values-escaping of names.
    """
    if not text.startswith("U__"):
        return text
    return _ESCAPED.sub(_character, text[3:])


def _character(found: re.Match[str]) -> str:
    number = int(found[1], 16) if found[1] else ord("_")
    return chr(number) if number < 0x110000 else found[0]


class LabelApi(Api):
    """Routes over labels. Times are kept to the exactness of blocks and chunks, as Prometheus does."""

    def handlers(self) -> Sequence[tuple[str, Handler, tuple[str, ...]]]:
        """Path, handler and methods of each route."""
        return [
            ("/api/v1/labels", self.names, BOTH),
            ("/api/v1/label/{name}/values", self.values, GET),
            ("/api/v1/series", self.series, BOTH),
            ("/api/v1/metadata", self.metadata, GET),
        ]

    async def names(self, request: Request) -> Response:
        """Names of labels, sorted."""
        given = await Parameters.of(request)

        def found() -> list[str]:
            if not given.every("match[]"):
                return self.store.label_names(*_interval(given))
            return sorted({name for labels in self.found(given) for name, _ in labels})

        return await self.answer(lambda: limited(found(), given.count("limit")))

    async def values(self, request: Request) -> Response:
        """Values of a label, sorted."""
        given, name = await Parameters.of(request), label_name(request.path_params["name"])

        def found() -> list[str]:
            if not given.every("match[]"):
                return self.store.label_values(name, *_interval(given))
            return sorted({value for labels in self.found(given) for label, value in labels if label == name})

        return await self.answer(lambda: limited(found(), given.count("limit")))

    async def series(self, request: Request) -> Response:
        """Series, each as its labels."""
        given = await Parameters.of(request)
        if not given.every("match[]"):
            raise QuerySyntaxError("the parameter 'match[]' is missing")

        def found() -> list[dict[str, str]]:
            return [dict(labels) for labels in sorted(self.found(given))]

        return await self.answer(lambda: limited(found(), given.count("limit")))

    def found(self, given: Parameters) -> set[Labels]:
        """Series of all selectors of a request."""
        series: set[Labels] = set()
        for selector in given.every("match[]"):
            series.update(self.store.series(parse_selector(selector), *_interval(given)))
        Budget(self.service.options.limits).take(0, len(series))
        return series

    async def metadata(self, request: Request) -> Response:
        """Types and units of metrics: none, points are stored without."""
        given = await Parameters.of(request)
        for name in ("limit", "limit_per_metric"):
            given.count(name)
        return await self.answer(dict[str, Any])


def _interval(given: Parameters) -> tuple[int, int]:
    """[start, end), ns; in the request both ends belong to it."""
    return given.moment("start", MIN_TIME), given.moment("end", MAX_TIME - 1) + 1
