"""Reading over HTTP: Prometheus' API, remote read, SQL, and what a query would touch.

Answers are made in threads for queries; parameters come in the address or as a form.
"""

from __future__ import annotations

import json
import math
import time
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import pyarrow as pa
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from quintet.timeseries import sql
from quintet.timeseries.bodies import read_body
from quintet.timeseries.model import MAX_TIME, METRIC, MIN_TIME, Labels, Matcher
from quintet.timeseries.promql.answers import instant_data, range_data
from quintet.timeseries.promql.errors import QueryLimitError, QuerySyntaxError
from quintet.timeseries.promql.evaluate import Engine, Touched
from quintet.timeseries.promql.functions import step_of
from quintet.timeseries.promql.limits import Budget
from quintet.timeseries.promql.parser import parse_selector
from quintet.timeseries.remote import compress, decompress, encode_read_response, read_queries
from quintet.timeseries.service import Service, prometheus_error

__all__ = ["query_routes", "touched_data"]

#: Largest form in bytes and largest answer of SQL in rows.
_FORM_BYTES = 1024 * 1024
_SQL_ROWS = 1_000_000
_BOTH = ("GET", "POST")


class _Parameters:
    """Parameters of a request, from its address and its form."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._pairs = pairs

    @classmethod
    async def of(cls, request: Request) -> _Parameters:
        pairs = list(request.query_params.multi_items())
        if request.method == "POST":
            form = await read_body(request, _FORM_BYTES)
            pairs += parse_qsl(form.decode("utf-8", "replace"), keep_blank_values=True)
        return cls(pairs)

    def every(self, name: str) -> list[str]:
        return [value for given, value in self._pairs if given == name]

    def text(self, name: str) -> str:
        found = self.every(name)
        if not found:
            raise QuerySyntaxError(f"the parameter {name!r} is missing")
        return found[0]

    def moment(self, name: str, default: int | None = None) -> int:
        if default is not None and not self.every(name):
            return default
        return time_of(self.text(name))


def time_of(text: str) -> int:
    """Seconds since the epoch or RFC 3339, in ns.

    Raises:
        QuerySyntaxError: it is neither.

    """
    try:
        seconds = float(text)
    except ValueError:
        try:
            moment = datetime.fromisoformat(text)
            seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        except ValueError as error:
            raise QuerySyntaxError(f"time {text!r}", remedy="Write seconds since the epoch or RFC 3339") from error
    if not math.isfinite(seconds) or abs(seconds) > 9e9:
        raise QuerySyntaxError(f"time {text!r} is beyond the years 1684 to 2255")
    return round(seconds * 1000) * 1_000_000  # to the millisecond, as Prometheus


def query_routes(service: Service) -> list[Route]:
    """The routes that read; all need the scope `read`."""
    return [
        service.route(path, handler, scope="read", methods=methods, errors=prometheus_error)
        for path, handler, methods in _Reading(service).handlers()
    ]


class _Reading:
    def __init__(self, service: Service) -> None:
        self.service = service
        self.store = service.store
        self.engine = Engine(service.store, limits=service.options.limits)

    def handlers(self) -> list[tuple[str, Any, tuple[str, ...]]]:
        return [
            ("/api/v1/query", self.query, _BOTH),
            ("/api/v1/query_range", self.query_range, _BOTH),
            ("/api/v1/query_explain", self.query_explain, _BOTH),
            ("/api/v1/labels", self.labels, _BOTH),
            ("/api/v1/label/{name}/values", self.values, ("GET",)),
            ("/api/v1/series", self.series, _BOTH),
            ("/api/v1/status/tsdb", self.status, ("GET",)),
            ("/api/v1/status/buildinfo", self.build, ("GET",)),
            ("/api/v1/metadata", self.metadata, ("GET",)),
            ("/api/v1/read", self.remote, ("POST",)),
            ("/sql", self.sql, _BOTH),
        ]

    async def query(self, request: Request) -> Response:
        given = await _Parameters.of(request)
        query, moment = given.text("query"), given.moment("time", _now())
        return await self.answer(lambda: instant_data(self.engine.instant(query, moment)))

    async def query_range(self, request: Request) -> Response:
        given = await _Parameters.of(request)
        query, start, end = given.text("query"), given.moment("start"), given.moment("end")
        step = step_of(given.text("step"))
        return await self.answer(lambda: range_data(self.engine.range(query, start, end, step)))

    async def query_explain(self, request: Request) -> Response:
        given = await _Parameters.of(request)
        query, end = given.text("query"), given.moment("end", _now())
        start = given.moment("start", end)
        return await self.answer(lambda: [touched_data(one) for one in self.engine.explain(query, start, end)])

    async def labels(self, request: Request) -> Response:
        given = await _Parameters.of(request)
        if not given.every("match[]"):
            return await self.answer(self.store.label_names)
        return await self.answer(lambda: sorted({name for labels in self.found(given) for name, _ in labels}))

    async def values(self, request: Request) -> Response:
        given, name = await _Parameters.of(request), request.path_params["name"]
        if not given.every("match[]"):
            return await self.answer(lambda: self.store.label_values(name))
        return await self.answer(
            lambda: sorted({value for labels in self.found(given) for label, value in labels if label == name})
        )

    async def series(self, request: Request) -> Response:
        given = await _Parameters.of(request)
        if not given.every("match[]"):
            raise QuerySyntaxError("the parameter 'match[]' is missing")
        return await self.answer(lambda: [dict(labels) for labels in sorted(self.found(given))])

    def found(self, given: _Parameters) -> set[Labels]:
        """Series of all selectors of a request."""
        start, end = given.moment("start", MIN_TIME), given.moment("end", MAX_TIME - 1)
        series: set[Labels] = set()
        for selector in given.every("match[]"):
            series.update(self.store.series(parse_selector(selector), start, end + 1))
        Budget(self.service.options.limits).take(0, len(series))
        return series

    async def status(self, _: Request) -> Response:
        return await self.answer(self.figures)

    def figures(self) -> dict[str, Any]:
        """Series by metric and label, as Prometheus' page of the same name."""
        stats, cardinality = self.store.stats(), self.store.cardinality()

        def largest(counts: dict[str, int]) -> list[dict[str, Any]]:
            ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:10]
            return [{"name": name, "value": count} for name, count in ranked]

        return {
            "headStats": {
                "numSeries": cardinality.series,
                "numLabelPairs": sum(cardinality.by_label.values()),
                "chunkCount": 0,
                "minTime": (stats.min_time or 0) // 1_000_000,
                "maxTime": (stats.max_time or 0) // 1_000_000,
            },
            "seriesCountByMetricName": largest(cardinality.by_metric),
            "labelValueCountByLabelName": largest(cardinality.by_label),
            "store": {name: value for name, value in vars(stats).items() if not isinstance(value, dict)},
        }

    async def build(self, _: Request) -> Response:
        """Grafana asks for it to learn what the server can."""
        return await self.answer(lambda: {"version": "2.42.0", "application": "quintet-timeseries"})

    async def metadata(self, _: Request) -> Response:
        return await self.answer(dict)

    async def remote(self, request: Request) -> Response:
        body = await read_body(request, self.service.options.body_bytes)

        def answer() -> bytes:
            budget = Budget(self.service.options.limits)
            scans = []
            for query in read_queries(decompress(body, self.service.options.body_bytes)):
                budget.take_scan(self.store.explain(query.matchers, query.start, query.end))
                scans.append(self.store.scan(query.matchers, query.start, query.end))
                budget.take(0, len(scans[-1].labels))
            return compress(encode_read_response(scans))

        content = await self.service.read(answer)
        return Response(content, media_type="application/x-protobuf", headers={"Content-Encoding": "snappy"})

    async def sql(self, request: Request) -> Response:
        given = await _Parameters.of(request)
        statement, explained = given.text("q"), given.every("explain") in (["1"], ["true"])
        if explained:
            return await self.answer(lambda: selected_data(self.store, statement))
        return await self.answer(lambda: self.rows(statement))

    def rows(self, statement: str) -> dict[str, Any]:
        answer = sql.query(self.store, statement, self.service.options.limits)
        if answer.table.num_rows > _SQL_ROWS:
            raise QueryLimitError(
                f"the answer has {answer.table.num_rows} rows, the limit is {_SQL_ROWS}", remedy="Aggregate, or LIMIT"
            )
        return {**table_data(answer.table), "touched": vars(answer.stats)}

    async def answer(self, make: Any) -> Response:
        """The answer of Prometheus' API with what `make` gives, made in a thread."""

        def content() -> bytes:
            text = json.dumps({"status": "success", "data": make()}, separators=(",", ":"), ensure_ascii=False)
            return text.encode()

        return Response(await self.service.read(content), media_type="application/json")


def touched_data(one: Touched) -> dict[str, Any]:
    """What a selector touches, for a person and for programs."""
    return {"selector": _text(one.matchers), "start": one.start, "end": one.end, **vars(one.stats)}


def selected_data(store: Any, statement: str) -> dict[str, Any]:
    """What a statement would read."""
    selection, stats = sql.explain(store, statement)
    if selection is None:
        return {"selector": None, **vars(stats)}
    return {"selector": _text(selection.matchers), "start": selection.start, "end": selection.end, **vars(stats)}


def table_data(table: pa.Table) -> dict[str, Any]:
    """Columns and rows; times as text in ISO 8601, numbers that JSON does not know as text."""
    columns = []
    for column in table.columns:
        if pa.types.is_timestamp(column.type) or not pa.types.is_nested(column.type):
            column = column.cast(pa.string()) if not _is_plain(column.type) else column
        columns.append([_json(value) for value in column.to_pylist()])
    return {"columns": table.column_names, "rows": [list(row) for row in zip(*columns, strict=True)]}


def _is_plain(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_string(kind)
        or pa.types.is_null(kind)
    )


def _json(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
    if isinstance(value, list) and all(isinstance(item, tuple) for item in value):
        return {str(name): _json(item) for name, item in value}
    if isinstance(value, bool | int | float | str) or value is None:
        return value
    return str(value)


def _text(matchers: tuple[Matcher, ...]) -> str:
    metric = next((one.value for one in matchers if one.name == METRIC and one.op == "="), "")
    others = [one for one in matchers if not (one.name == METRIC and one.op == "=" and one.value == metric)]
    return metric + "{" + ",".join(f"{one.name}{one.op}{json.dumps(one.value)}" for one in others) + "}"


def _now() -> int:
    return time.time_ns() // 1_000_000 * 1_000_000
