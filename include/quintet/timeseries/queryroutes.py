"""Reading over HTTP: PromQL, remote read, SQL, downsampling, and what a query would touch.

Answers are made in threads for queries; parameters come in the address or as a form.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from quintet.timeseries import sql
from quintet.timeseries.answerdata import downsampled_data, selected_data, table_data, touched_data
from quintet.timeseries.bodies import read_body
from quintet.timeseries.downsample import Asked, fill_of
from quintet.timeseries.labelroutes import LabelApi
from quintet.timeseries.model import SECOND
from quintet.timeseries.parameters import Parameters
from quintet.timeseries.prometheusapi import BOTH, Api, Limited
from quintet.timeseries.promql.answers import instant_data, range_data
from quintet.timeseries.promql.errors import QueryLimitError, QuerySyntaxError
from quintet.timeseries.promql.evaluate import LOOKBACK, Engine
from quintet.timeseries.promql.formatting import format_expression
from quintet.timeseries.promql.functions import step_of
from quintet.timeseries.promql.limits import Budget
from quintet.timeseries.promql.parser import parse, parse_selector
from quintet.timeseries.remote import compress, decompress, encode_read_response, read_queries
from quintet.timeseries.service import Handler, Service
from quintet.timeseries.statusroutes import StatusApi

__all__ = ["query_routes"]

#: Largest answer of SQL, and of downsampling, in rows.
_ROWS = 1_000_000
_POST = ("POST",)


def query_routes(service: Service) -> list[Route]:
    """The routes that read; all need the scope `read`."""
    return [route for api in (QueryApi, LabelApi, StatusApi) for route in api(service).routes()]


class QueryApi(Api):
    """Routes that read points."""

    def handlers(self) -> Sequence[tuple[str, Handler, tuple[str, ...]]]:
        """Path, handler and methods of each route."""
        return [
            ("/api/v1/query", self.query, BOTH),
            ("/api/v1/query_range", self.query_range, BOTH),
            ("/api/v1/query_explain", self.query_explain, BOTH),
            ("/api/v1/format_query", self.format_query, BOTH),
            ("/api/v1/read", self.remote, _POST),
            ("/api/v1/downsample", self.downsample, BOTH),
            ("/sql", self.sql, BOTH),
        ]

    def engine(self, given: Parameters) -> Engine:
        """What evaluates a request's query: within its own time limit, where that is shorter, and look-back."""
        limits = self.service.options.limits
        if given.every("timeout"):
            limits = replace(limits, seconds=min(limits.seconds, step_of(given.text("timeout")) / SECOND))
        lookback = step_of(given.text("lookback_delta")) if given.every("lookback_delta") else LOOKBACK
        return Engine(self.store, limits=limits, lookback=lookback)

    async def query(self, request: Request) -> Response:
        """The value at one time."""
        given = await Parameters.of(request)
        query, moment, limit = given.text("query"), given.moment("time", _now()), given.count("limit")
        engine = self.engine(given)
        return await self.answer(lambda: _first(instant_data(engine.instant(query, moment)), limit))

    async def query_range(self, request: Request) -> Response:
        """The values at steps."""
        given = await Parameters.of(request)
        query, start, end = given.text("query"), given.moment("start"), given.moment("end")
        step, limit = step_of(given.text("step")), given.count("limit")
        engine = self.engine(given)
        return await self.answer(lambda: _first(range_data(engine.range(query, start, end, step)), limit))

    async def query_explain(self, request: Request) -> Response:
        """What each selector of a query would touch; an addition to Prometheus' API."""
        given = await Parameters.of(request)
        query, end = given.text("query"), given.moment("end", _now())
        start = given.moment("start", end)
        engine = self.engine(given)
        return await self.answer(lambda: [touched_data(one) for one in engine.explain(query, start, end)])

    async def format_query(self, request: Request) -> Response:
        """A query in the one form in which queries are written."""
        given = await Parameters.of(request)
        query = given.text("query")
        return await self.answer(lambda: format_expression(parse(query)))

    async def remote(self, request: Request) -> Response:
        """Remote read: points as they are stored."""
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
        """A SELECT over the table points."""
        given = await Parameters.of(request)
        statement, explained = given.text("q"), given.every("explain") in (["1"], ["true"])
        if explained:
            return await self.answer(lambda: selected_data(self.store, statement))
        return await self.answer(lambda: self.rows(statement))

    def rows(self, statement: str) -> dict[str, Any]:
        """Columns and rows of an answer, and what it read."""
        answer = sql.query(self.store, statement, self.service.options.limits)
        if answer.table.num_rows > _ROWS:
            raise QueryLimitError(
                f"the answer has {answer.table.num_rows} rows, the limit is {_ROWS}", remedy="Aggregate, or LIMIT"
            )
        return {**table_data(answer.table), "touched": vars(answer.stats)}

    async def downsample(self, request: Request) -> Response:
        """Aggregates of the series of a selector by bucket of [start, end); an addition to Prometheus' API."""
        given = await Parameters.of(request)
        selector, *others = given.every("match[]") or [given.text("match[]")]
        if others:
            raise QuerySyntaxError("several parameters 'match[]'", remedy="Ask for one selector at a time")
        asked = Asked(
            parse_selector(selector),
            given.moment("start"),
            given.moment("end", _now()),
            step_of(given.text("step")),
            fill_of((given.every("fill") or ["none"])[0]),
        )
        return await self.answer(lambda: downsampled_data(self.store, asked, self.service.options.limits, _ROWS))


def _first(data: dict[str, Any], limit: int) -> Any:
    """The answer with at most `limit` series, 0 for all; a scalar or a string has no more than one value."""
    if not 0 < limit < len(data["result"]) or data["resultType"] in {"scalar", "string"}:
        return data
    return Limited({**data, "result": data["result"][:limit]})


def _now() -> int:
    return time.time_ns() // 1_000_000 * 1_000_000
