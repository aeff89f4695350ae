"""The operators' page at `/` and the pages of the API's documentation: files of packages, nothing from other hosts."""

from __future__ import annotations

from importlib.resources import files

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

__all__ = ["add_pages"]

_FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page/style.css": ("style.css", "text/css; charset=utf-8"),
    "/page/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/page/search.js": ("search.js", "text/javascript; charset=utf-8"),
}
#: The browser loads and calls nothing but this service.
_POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:"


def add_pages(app: FastAPI) -> None:
    """Add the files; they hold no data, so they need no key."""
    for path, (name, kind) in _FILES.items():
        _add(app, path, name, kind)


def _add(app: FastAPI, path: str, name: str, kind: str) -> None:
    content = files("quintet.ecommerce.search").joinpath("static", name).read_bytes()

    async def file(_: Request) -> Response:
        headers = {"Content-Security-Policy": _POLICY, "X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache"}
        return Response(content, media_type=kind, headers=headers)

    app.add_route(path, file, include_in_schema=False)
