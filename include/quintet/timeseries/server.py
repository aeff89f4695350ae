"""The service: line protocol in, health and figures out, the Prometheus API, SQL and a page.

| route | scope | what |
|---|---|---|
| POST /write, /api/v2/write | write | line protocol, gzip; 204, or 400 with the lines that were refused |
| GET /health, /ping | none | the process answers |
| GET /ready | none | the store is open |
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
from quintet.timeseries.bodies import BodyError, read_body
from quintet.timeseries.counters import CONTENT_TYPE
from quintet.timeseries.errors import StoreClosedError
from quintet.timeseries.ingest import precision_of
from quintet.timeseries.service import Service

__all__ = ["create_app", "run"]


def create_app(service: Service) -> Starlette:
    """The application; its end closes the service's threads, the store is the caller's."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(service.close)

    return Starlette(routes=[*_write_routes(service), *_health_routes(service)], lifespan=lifespan)


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

    return [service.route(path, write, scope="write", methods=("POST",)) for path in ("/write", "/api/v2/write")]


def _health_routes(service: Service) -> list[Route]:
    async def health(_: Request) -> Response:
        return JSONResponse({"name": "quintet-timeseries", "status": "pass", "version": __version__})

    async def ping(_: Request) -> Response:
        return Response(status_code=204, headers={"X-Influxdb-Version": f"quintet-{__version__}"})

    async def ready(_: Request) -> Response:
        try:
            await service.read(service.store.stats)
        except StoreClosedError as error:
            return JSONResponse({"status": "closed", "message": str(error)}, 503)
        return JSONResponse({"status": "ready"})

    async def metrics(_: Request) -> Response:
        stats = await service.read(service.store.stats)
        gauges = {
            f"store_{name}": float(value)
            for name, value in vars(stats).items()
            if isinstance(value, int) and not isinstance(value, bool)
        }
        return PlainTextResponse(service.counters.text(gauges), media_type=CONTENT_TYPE)

    return [
        service.route("/health", health, scope=""),
        service.route("/ping", ping, scope="", methods=("GET", "HEAD")),
        service.route("/ready", ready, scope=""),
        service.route("/metrics", metrics, scope=""),
    ]
