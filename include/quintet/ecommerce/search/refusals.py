"""Errors as answers: `{"error": {"code": …, "message": …}}`, clear to whoever asked, silent about the inside."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from quintet.ecommerce.search.errors import BUILD_FIRST, NoIndexError, SearchDownError, SearchRefusedError
from quintet.ecommerce.search.limits import RateError
from quintet.ecommerce.search.shop import Shop
from quintet.webservice.tokens import AccessError

__all__ = ["Guard", "add_refusals", "refusal"]

_LOG = logging.getLogger(__name__)
_CODES = {
    400: "invalid",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    411: "length_required",
    413: "too_large",
    414: "too_long",
    429: "too_many_requests",
    503: "unavailable",
}
Handler = Callable[[Request, Any], Awaitable[Response]]


def refusal(status: int, message: str, headers: dict[str, str] | None = None, code: str = "") -> JSONResponse:
    """An error as the service answers it; `code` where that of the status would say too little."""
    told = {"code": code or _CODES.get(status, "internal"), "message": message}
    return JSONResponse({"error": told}, status, headers)


def add_refusals(app: FastAPI, shop: Shop) -> None:
    """Turn errors of the routes into answers."""

    async def access(_: Request, error: AccessError) -> Response:
        return refusal(error.status, str(error), {"WWW-Authenticate": "Bearer"} if error.status == 401 else None)

    async def rate(_: Request, error: RateError) -> Response:
        return refusal(429, str(error), {"Retry-After": str(max(1, round(error.retry_after)))})

    async def invalid(_: Request, error: RequestValidationError) -> Response:
        return refusal(400, "; ".join(_told(wrong) for wrong in error.errors()))

    async def http(_: Request, error: HTTPException) -> Response:
        return refusal(error.status_code, str(error.detail), dict(error.headers or {}))

    async def down(_: Request, error: SearchDownError) -> Response:
        return refusal(503, "the search does not answer: try again", {"Retry-After": "2"})

    async def not_indexed(_: Request, error: NoIndexError) -> Response:
        return refusal(503, f"there is no index of products yet. {BUILD_FIRST}", {"Retry-After": "30"}, "not_indexed")

    async def unexpected(request: Request, error: Exception) -> Response:
        shop.counters.add("failures_total", error=type(error).__name__)
        _LOG.error("%s %s: %s", request.method, request.url.path, error)
        return refusal(500, f"internal error: {type(error).__name__}")

    handlers: dict[type[Exception], Handler] = {
        AccessError: access,
        RateError: rate,
        RequestValidationError: invalid,
        HTTPException: http,
        SearchDownError: down,
        NoIndexError: not_indexed,
        SearchRefusedError: unexpected,
        Exception: unexpected,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)


class Guard:
    """Refuses what is too large before it is read, and counts requests by route and status."""

    def __init__(self, app: ASGIApp, shop: Shop) -> None:
        self._app, self._shop = app, shop

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500

        async def sending(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        refused = self._refused(scope)
        try:
            await (refused or self._app)(scope, receive, sending)
        finally:
            route = scope.get("route")
            path = getattr(route, "path", "other")
            self._shop.counters.add("http_requests_total", path=path, status=str(status))

    def _refused(self, scope: Scope) -> JSONResponse | None:
        options = self._shop.options
        if len(scope["query_string"]) > options.query_bytes:
            return refusal(414, f"the query is longer than {options.query_bytes} bytes: send fewer filters")
        if scope["method"] in {"GET", "HEAD"}:
            return None
        length = dict(scope["headers"]).get(b"content-length", b"").decode("latin-1")
        if not length.isdecimal():
            return refusal(411, "send the header Content-Length")
        if int(length) > options.body_bytes:
            return refusal(413, f"the body is larger than {options.body_bytes} bytes")
        return None


def _told(wrong: Any) -> str:
    """A rule that was broken, with the name of the parameter."""
    place = [str(part) for part in wrong["loc"] if part not in ("query", "body", "path")]
    text = str(wrong["msg"]).removeprefix("Value error, ")
    if wrong["type"] == "extra_forbidden":
        text = "is not known"
    return f"{'.'.join(place)}: {text}" if place else text
