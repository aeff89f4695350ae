"""What the routes of Prometheus' HTTP API have in common: scope, form of answers and errors, threads, limits.

Source: Prometheus, "HTTP API" (format overview).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from quintet.timeseries.service import Handler, Service, prometheus_error

__all__ = ["BOTH", "GET", "Api", "Limited", "limited"]

GET = ("GET",)
#: A long query goes as a form.
BOTH = ("GET", "POST")


@dataclass(frozen=True)
class Limited:
    """Data of which the rest was cut off."""

    data: Any


def limited(items: list[Any], limit: int) -> Any:
    """The first `limit` items, 0 for all of them."""
    return Limited(items[:limit]) if 0 < limit < len(items) else items


class Api:
    """A group of routes; all need the scope `read`."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.store = service.store

    def handlers(self) -> Sequence[tuple[str, Handler, tuple[str, ...]]]:
        """Path, handler and methods of each route."""
        raise NotImplementedError

    def routes(self) -> list[Route]:
        """The routes."""
        return [
            self.service.route(path, handler, scope="read", methods=methods, errors=prometheus_error)
            for path, handler, methods in self.handlers()
        ]

    async def answer(self, make: Callable[[], Any]) -> Response:
        """The answer with what `make` gives, made in a thread for queries."""

        def content() -> bytes:
            data = make()
            body: dict[str, Any] = {"status": "success", "data": data}
            if isinstance(data, Limited):
                body |= {"data": data.data, "warnings": ["results truncated due to limit"]}
            return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()

        return Response(await self.service.read(content), media_type="application/json")
