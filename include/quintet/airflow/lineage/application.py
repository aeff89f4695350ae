"""Routes: the collector's door, the page, and what the page asks.

The door is for programs, which show the secret of the lab's writers; everything else is for people who may see the UI.
"""

from __future__ import annotations

import hmac
import json
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

from airflow.api_fastapi.auth.managers.models.resource_details import AccessView
from airflow.api_fastapi.core_api.security import requires_access_view
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException as StarletteHTTPException

from quintet.catalogue import search as catalogue_search
from quintet.errors import InputError, QuintetError
from quintet.lineage import emit
from quintet.lineage.answers import Answers
from quintet.lineage.store import Store
from quintet.products import read_products
from quintet.settings import load_lab

__all__ = ["make_application"]

_PAGE = Path(__file__).with_name("page.html")
#: Colours and forms are those of the page Lab.
_STYLE = Path(__file__).parents[1] / "lab_page" / "style.html"
#: The page loads nothing from anywhere and may be framed by Airflow only.
_STRICT = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
#: Bytes of one delivery: events of a few hundred tables are smaller.
_LARGEST = 20_000_000

Name = Annotated[str, Query(min_length=1, max_length=300)]


def make_application() -> FastAPI:
    """Application for Airflow to mount."""
    application = FastAPI(title="Lineage", docs_url=None, redoc_url=None, openapi_url=None)
    application.add_exception_handler(StarletteHTTPException, _refusal)
    application.add_exception_handler(QuintetError, _error)
    application.add_api_route(emit.ENDPOINT.removeprefix("/lineage"), _collect, methods=["POST"])
    seen = APIRouter(dependencies=[Depends(requires_access_view(AccessView.WEBSITE))])
    seen.add_api_route("/", _page, response_class=HTMLResponse)
    seen.add_api_route("/graph", _graph)
    seen.add_api_route("/of", _of)
    seen.add_api_route("/table", _table)
    seen.add_api_route("/impact", _impact)
    seen.add_api_route("/search", _search)
    seen.add_api_route("/products", _products)
    application.include_router(seen)
    return application


async def _collect(request: Request) -> Response:
    """Take one event or a list of them, as OpenLineage clients send them."""
    shown = request.headers.get("authorization", "").removeprefix("Bearer ")
    if not hmac.compare_digest(shown.encode(), load_lab().secret(emit.SECRET).encode()):
        raise HTTPException(401, "Events are taken from the lab's own jobs only: show the secret lineage_writer")
    text = await request.body()
    if len(text) > _LARGEST:
        raise HTTPException(413, f"More than {_LARGEST} bytes at once: send fewer events")
    try:
        given = json.loads(text)
    except ValueError as error:
        raise HTTPException(400, f"This is no JSON: {error}") from error
    done = await run_in_threadpool(Store.of_lab(load_lab()).record, given if isinstance(given, list) else [given])
    return JSONResponse(vars(done), status_code=201)


def _page() -> HTMLResponse:
    headers = {"Content-Security-Policy": _STRICT, "Cache-Control": "no-store"}
    style = _STYLE.read_text(encoding="utf-8")
    return HTMLResponse(_PAGE.read_text(encoding="utf-8").replace("<!-- style -->", style), headers=headers)


def _graph() -> Any:
    return _plain(Answers(load_lab()).whole())


def _of(name: Name) -> Any:
    return _plain(Answers(load_lab()).of(name))


def _table(name: Name) -> Any:
    return _plain(Answers(load_lab()).details(name))


def _impact(name: Name) -> Any:
    return _plain(Answers(load_lab()).impact(name))


def _search(text: Name) -> Any:
    return {"found": [found.as_json() for found in catalogue_search.search(text, limit=40)]}


def _products() -> Any:
    return {"products": [product.as_json() for product in read_products()]}


def _plain(answer: Any) -> Any:
    """Times become text."""
    return json.loads(json.dumps(answer, default=str))


async def _error(_: Request, error: Exception) -> Response:
    """Tell what is wrong and what to do: the question or event is wrong (400), or the database is away (503)."""
    status = 400 if isinstance(error, InputError) else 503
    return JSONResponse({"detail": str(error)}, status_code=status)


async def _refusal(request: Request, error: Exception) -> Response:
    """Send a browser without a session to the login, tell others in JSON."""
    assert isinstance(error, StarletteHTTPException)  # noqa: S101  # the handler is registered for it alone
    if error.status_code == 401 and "text/html" in request.headers.get("accept", ""):
        return RedirectResponse(f"/auth/login/?next={quote(str(request.url.path), safe='')}", status_code=302)
    return JSONResponse({"detail": error.detail}, status_code=error.status_code)
