"""The service: line protocol in, health and figures out, the Prometheus API, SQL and a page.

| route | scope | what |
|---|---|---|
| POST /write, /api/v2/write | write | line protocol, gzip; 204, or 400 with the lines that were refused |
| POST /api/v1/write | write | remote write 1.0 |
| /api/v1/query, query_range, format_query, query_exemplars | read | PromQL, as in Prometheus |
| /api/v1/labels, label/<name>/values, series, metadata | read | as in Prometheus |
| /api/v1/status/…, rules, alerts, targets | read | as in Prometheus, for Grafana |
| /api/v1/query_explain | read | what a query would touch |
| /api/v1/downsample?match[]=…&start=…&end=…&step=1h&fill=none | read | aggregates by bucket of [start, end) |
| POST /api/v1/read | read | remote read |
| /sql?q=…&explain=1 | read | a SELECT over `points` |
| POST /admin/flush, /admin/compact | admin | write the head as a block; merge blocks |
| POST /admin/roll_up | admin | bring rollups up to date for days that are over |
| GET / | none | the page; it asks for a token where one is needed |
| GET /health, /ping, /-/healthy | none | the process answers |
| GET /ready, /-/ready | none | the store takes points and its background work goes on |
| GET /metrics | none | figures of the service and its store |
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from quintet import __version__
from quintet.timeseries.admin import admin_routes
from quintet.timeseries.bodies import BodyError, read_body
from quintet.timeseries.errors import StoreClosedError
from quintet.timeseries.ingest import precision_of
from quintet.timeseries.page import page_routes
from quintet.timeseries.queryroutes import query_routes
from quintet.timeseries.selfmetrics import gauges
from quintet.timeseries.service import Service, prometheus_error
from quintet.webservice.counters import CONTENT_TYPE

__all__ = ["create_app", "run"]


def create_app(service: Service) -> Starlette:
    """The application; its end closes the service's threads, the store is the caller's."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        care = asyncio.create_task(service.care())
        yield
        care.cancel()
        await asyncio.to_thread(service.close)

    routes = [*_write_routes(service), *query_routes(service), *_health_routes(service), *_care_routes(service)]
    return Starlette(routes=[*routes, *admin_routes(service), *page_routes()], lifespan=lifespan)


def run(service: Service, *, host: str, port: int) -> None:
    """Serve until a signal ends it."""
    uvicorn.run(
        create_app(service),
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        limit_concurrency=256,
        timeout_graceful_shutdown=10,
    )


def _write_routes(service: Service) -> list[Route]:
    async def write(request: Request) -> Response:
        precision = precision_of(request.query_params.get("precision", ""), lambda text: BodyError(400, text))
        body = await read_body(request, service.options.body_bytes)
        await service.write(
            service.ingest.lines,
            body,
            encoding=request.headers.get("content-encoding", ""),
            precision=precision,
            name=request.state.token,
        )
        return Response(status_code=204)

    async def remote(request: Request) -> Response:
        if "io.prometheus.write.v2" in request.headers.get("content-type", ""):
            raise BodyError(415, "remote write 2.0: send 1.0, prometheus.WriteRequest")
        body = await read_body(request, service.options.body_bytes)
        await service.write(service.ingest.samples, body, name=request.state.token)
        return Response(status_code=204)

    return [
        *(service.route(path, write, scope="write", methods=("POST",)) for path in ("/write", "/api/v2/write")),
        service.route("/api/v1/write", remote, scope="write", methods=("POST",), errors=prometheus_error),
    ]


def _health_routes(service: Service) -> list[Route]:
    async def health(_: Request) -> Response:
        return JSONResponse({"name": "quintet-timeseries", "status": "pass", "version": __version__})

    async def ping(_: Request) -> Response:
        return Response(status_code=204, headers={"X-Influxdb-Version": f"quintet-{__version__}"})

    async def ready(_: Request) -> Response:
        try:
            trouble = (await service.read(service.store.stats)).trouble
        except StoreClosedError as error:
            return JSONResponse({"status": "closed", "message": str(error)}, 503)
        if trouble:
            return JSONResponse({"status": "trouble", "message": trouble}, 503)
        return JSONResponse({"status": "ready"})

    async def metrics(_: Request) -> Response:
        found = await service.read(gauges, service)
        return PlainTextResponse(service.counters.text(found), media_type=CONTENT_TYPE)

    return [
        service.route("/health", health, scope=""),
        service.route("/-/healthy", health, scope="", methods=("GET", "HEAD")),
        service.route("/ping", ping, scope="", methods=("GET", "HEAD")),
        service.route("/ready", ready, scope=""),
        service.route("/-/ready", ready, scope="", methods=("GET", "HEAD")),
        service.route("/metrics", metrics, scope=""),
    ]


def _care_routes(service: Service) -> list[Route]:
    async def flush(_: Request) -> Response:
        await service.read(service.store.flush)
        return Response(status_code=204)

    async def compact(_: Request) -> Response:
        return JSONResponse(vars(await service.read(service.store.compact)))

    async def roll_up(_: Request) -> Response:
        return JSONResponse({"windows": await service.read(service.store.roll_up)})

    return [
        service.route("/admin/flush", flush, scope="admin", methods=("POST",)),
        service.route("/admin/compact", compact, scope="admin", methods=("POST",)),
        service.route("/admin/roll_up", roll_up, scope="admin", methods=("POST",)),
    ]
