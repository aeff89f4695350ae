"""What the routes of the service share: options, access, threads, counters, and errors turned into answers."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from quintet.errors import InputError, QuintetError
from quintet.timeseries.bodies import BodyError
from quintet.timeseries.cluster.errors import LogError, ShardDownError
from quintet.timeseries.errors import StoreClosedError, TierError
from quintet.timeseries.ingest import Ingest, PartialWriteError
from quintet.timeseries.promql.errors import QueryError, QueryLimitError, QueryTimeoutError
from quintet.timeseries.promql.limits import QueryLimits
from quintet.timeseries.quotas import PointQuota, QuotaError
from quintet.timeseries.storage import Storage
from quintet.webservice.counters import Counters
from quintet.webservice.tokens import AccessError, Tokens

__all__ = ["Handler", "Service", "ServiceOptions", "audit", "influx_error", "prometheus_error"]

_LOG = logging.getLogger(__name__)

Handler = Callable[[Request], Awaitable[Response]]
Result = TypeVar("Result")
Answer = tuple[int, dict[str, Any], dict[str, str]]


@dataclass(frozen=True, kw_only=True)
class ServiceOptions:
    """Limits of the service.

    body_bytes: largest body, as sent and unpacked; points_per_second: of each token; care_seconds: between two looks
    at retention and tiers.
    """

    body_bytes: int = 64 * 1024 * 1024
    points_per_second: float | None = None
    write_threads: int = 2
    query_threads: int = 2
    care_seconds: float = 600
    limits: QueryLimits = field(default_factory=QueryLimits)


class Service:
    """A store behind HTTP."""

    def __init__(self, store: Storage, *, tokens: Tokens, options: ServiceOptions) -> None:
        self.store = store
        self.tokens = tokens
        self.options = options
        self.counters = Counters("quintet_timeseries_")
        self.ingest = Ingest(store, PointQuota(options.points_per_second), self.counters, options.body_bytes)
        self.started = time.time()
        self._writers = ThreadPoolExecutor(options.write_threads, "write")
        self._readers = ThreadPoolExecutor(options.query_threads, "query")

    async def write(self, function: Callable[..., Result], *arguments: Any, **named: Any) -> Result:
        """Run in a thread for writes."""
        return await asyncio.get_running_loop().run_in_executor(self._writers, partial(function, *arguments, **named))

    async def read(self, function: Callable[..., Result], *arguments: Any, **named: Any) -> Result:
        """Run in a thread for queries, which never wait for writes."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, partial(function, *arguments, **named))

    async def care(self) -> None:
        """Keep the store's retention and tiers until cancelled; trouble is logged and tried again."""
        while True:
            await asyncio.sleep(self.options.care_seconds)
            try:
                self.counters.add("blocks_removed_total", await self.read(self.store.retain, time.time_ns()))
                self.counters.add("blocks_moved_total", await self.read(self.store.move_tiers, time.time_ns()))
            except QuintetError as error:
                _LOG.error("retention and tiers: %s", error)
                self.counters.add("care_failures_total")

    def close(self) -> None:
        """Wait for the threads; the store stays open."""
        self._writers.shutdown()
        self._readers.shutdown()

    def route(
        self,
        path: str,
        handler: Handler,
        *,
        scope: str,
        methods: tuple[str, ...] = ("GET",),
        errors: Callable[[Exception], Answer] | None = None,
    ) -> Route:
        """A route that asks for a token with `scope` ("" for none) and counts; errors become its kind of answer."""
        explain = errors or influx_error

        async def endpoint(request: Request) -> Response:
            begun = time.perf_counter()
            try:
                name = self.tokens.check(request.headers.get("authorization"), scope) if scope else ""
                request.state.token = name
                answer = await handler(request)
            except Exception as error:  # noqa: BLE001 - the boundary: every error becomes an answer
                status, body, headers = explain(error)
                if isinstance(error, AccessError):
                    audit(request, error)
                if status >= 500 and not isinstance(error, QuintetError):
                    self.counters.add("failures_total", error=type(error).__name__)
                    _LOG.exception("%s %s", request.method, path)
                answer = JSONResponse(body, status, headers)
            self.counters.add("http_requests_total", path=path, status=str(answer.status_code))
            self.counters.observe("http_request_seconds", time.perf_counter() - begun, path=path)
            return answer

        return Route(path, endpoint, methods=list(methods))


def audit(request: Request, error: AccessError) -> None:
    """Log a request that was refused for its token: what, from where, why; the token's name, never the token."""
    sender = request.client.host if request.client else "unknown"
    _LOG.warning("refused %s %s from %s: %s", request.method, request.url.path, sender, error)


def _status(error: Exception) -> tuple[int, dict[str, str]]:
    """HTTP status and headers of an error."""
    match error:
        case AccessError():
            return error.status, {"WWW-Authenticate": "Bearer"} if error.status == 401 else {}
        case BodyError():
            return error.status, {}
        case QuotaError():
            return 429, {"Retry-After": str(max(1, round(error.retry_after)))}
        case PartialWriteError():
            return 400, {}
        case QueryLimitError():
            return 422, {}
        case QueryTimeoutError() | StoreClosedError() | TierError() | LogError() | ShardDownError():
            return 503, {}
        case QueryError():
            return error.status, {}
        case InputError():
            return 400, {}
    return 500, {}


def _text(error: Exception) -> str:
    """What the sender is told; the text of an unexpected error may hold what is not for it."""
    known = (QuintetError, AccessError, BodyError, QuotaError, PartialWriteError)
    return str(error) if isinstance(error, known) else f"internal error: {type(error).__name__}"


_INFLUX_CODES = {
    400: "invalid",
    401: "unauthorized",
    403: "forbidden",
    413: "request too large",
    415: "unsupported media type",
    422: "unprocessable entity",
    429: "too many requests",
    503: "unavailable",
}
_PROMETHEUS_TYPES = {400: "bad_data", 401: "unauthorized", 403: "forbidden", 422: "execution", 503: "timeout"}


def influx_error(error: Exception) -> Answer:
    """An error as InfluxDB 2 answers it; for a partial write with every refused line up to a hundred."""
    status, headers = _status(error)
    body: dict[str, Any] = {"code": _INFLUX_CODES.get(status, "internal error"), "message": _text(error)}
    if isinstance(error, PartialWriteError):
        body["line"] = error.errors[0].line
        body["written"] = error.written
        body["refused"] = error.refused
        body["errors"] = [{"line": one.line, "message": one.reason} for one in error.errors]
    return status, body, headers


def prometheus_error(error: Exception) -> Answer:
    """An error as Prometheus answers it."""
    status, headers = _status(error)
    kind = _PROMETHEUS_TYPES.get(status, "internal")
    return status, {"status": "error", "errorType": kind, "error": _text(error)}, headers
