"""The service: product search over HTTP, documented at /docs; every route of /api wants a key.

| route | scope | what |
|---|---|---|
| GET /api/v1/search | read | products for words and filters, facets, a correction where nothing fits |
| GET /api/v1/suggest | read | what a text may become |
| GET /api/v1/trending | read | texts and products of the last minutes |
| GET /api/v1/products/{product_id} | read | one product |
| POST /api/v1/clicks | write | a product of an answer was clicked |
| GET /api/v1/operations | admin | figures, alerts and searches for the operators' page |
| GET / | none | that page; it asks for a key |
| GET /docs, /openapi.json | none | documentation |
| GET /health, /ready, /metrics | none | the process answers; it can search; figures of the service |
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Path, Query, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from fastapi_offline import FastAPIOffline
from pydantic import BaseModel, ConfigDict, Field
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from quintet import __version__
from quintet.ecommerce.definitions import POINTS
from quintet.ecommerce.search import finding
from quintet.ecommerce.search.asked import Asked, Language, Text
from quintet.ecommerce.search.definition import PRODUCTS
from quintet.ecommerce.search.errors import NoIndexError, SearchDownError, SearchRefusedError
from quintet.ecommerce.search.operations import operations_now
from quintet.ecommerce.search.pages import add_pages
from quintet.ecommerce.search.reading import Completions, Found, Product, read_product
from quintet.ecommerce.search.refusals import Guard, add_refusals
from quintet.ecommerce.search.shop import Shop
from quintet.webservice.counters import CONTENT_TYPE

__all__ = ["create_app", "run"]

_BEARER = HTTPBearer(auto_error=False, description="a key of the service")
#: Texts of /api/v1/trending.
_TRENDING = 10


class Suggesting(BaseModel):
    """Parameters of autocomplete."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    q: Text = Field(min_length=1)
    lang: Language = Language.en
    category: str | None = Field(None, max_length=60, pattern=r"^[a-z_]+$", description="complete within a category")
    size: int = Field(8, ge=1, le=20)


class Click(BaseModel):
    """A product of an answer that was clicked."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    product_id: int = Field(ge=0, le=2**53)
    user: int | None = Field(None, ge=0, le=2**53)


class Trend(BaseModel):
    """A text or product and how often it was asked for; of products their points."""

    text: str
    count: int
    product_id: int | None = None


class Trending(BaseModel):
    """What people look for now."""

    texts: list[Trend]
    products: list[Trend]


def create_app(shop: Shop) -> FastAPI:
    """The application; its end closes the connections of the shop."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        shop.figures.close()
        await shop.nodes.close()
        await shop.memory.close()

    app: FastAPI = FastAPIOffline(
        title="Product search", version=__version__, description="Search of the shop's products.", lifespan=lifespan
    )
    app.add_middleware(Guard, shop=shop)
    add_refusals(app, shop)
    _add_search(app, shop)
    _add_rest(app, shop)
    _add_health(app, shop)
    add_pages(app)
    return app


def run(shop: Shop, *, host: str, port: int) -> None:
    """Serve until a signal ends it."""
    uvicorn.run(
        create_app(shop),
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        limit_concurrency=256,
        timeout_graceful_shutdown=10,
    )


def _key(shop: Shop, scope: str) -> Any:
    """A dependency: the request shows a key that allows the scope and has requests left."""

    async def check(request: Request, _: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)]) -> str:
        name = shop.tokens.check(request.headers.get("authorization"), scope)
        shop.limit.take(name)
        return name

    return Depends(check)


def _add_search(app: FastAPI, shop: Shop) -> None:
    @app.get("/api/v1/search", dependencies=[_key(shop, "read")], response_model=Found)
    async def search(asked: Annotated[Asked, Query()]) -> Response:
        begun = time.perf_counter()
        taste = await shop.taste(asked.user)
        found = await finding.find(shop.nodes, asked, taste)
        seconds = time.perf_counter() - begun
        shop.took(seconds)
        shop.counters.observe("search_seconds", seconds, matched=found.matched)
        counted = shop.memory.searched(asked.q, matched=found.matched, is_first_page=asked.page == 1)
        told = {"took_ms": round(1000 * seconds, 1), "is_personal": bool(taste)}
        # As text at once: the framework would make plain values of every product first.
        text = found.model_copy(update=told).model_dump_json()
        later = BackgroundTask(shop.remembered, counted, None)
        return Response(text, media_type="application/json", background=later)

    @app.get("/api/v1/suggest", dependencies=[_key(shop, "read")])
    async def suggest(asked: Annotated[Suggesting, Query()]) -> Completions:
        return await finding.complete(shop.nodes, asked.q, asked.lang.value, asked.category, asked.size)


def _add_rest(app: FastAPI, shop: Shop) -> None:
    @app.get("/api/v1/trending", dependencies=[_key(shop, "read")])
    async def trending(lang: Language = Language.en) -> Trending:
        texts = await shop.remembered(shop.memory.trending_texts(_TRENDING), [])
        rows = (await asyncio.to_thread(shop.figures.read)).rows["trending"]
        known = await shop.attributes(row["product_id"] for row in rows)
        return Trending(
            texts=[Trend(text=text, count=count) for text, count in texts],
            products=[
                Trend(text=known[number]["name"][lang.value], count=row["points"], product_id=number)
                for row in rows
                if (number := row["product_id"]) in known
            ],
        )

    @app.get("/api/v1/products/{product_id}", dependencies=[_key(shop, "read")])
    async def product(product_id: Annotated[int, Path(ge=0, le=2**53)], lang: Language = Language.en) -> Product:
        try:
            found = await shop.nodes.ask("GET", f"/{PRODUCTS}/_doc/{product_id}")
        except NoIndexError:
            raise
        except SearchRefusedError as error:
            if error.status == 404:
                raise HTTPException(404, f"there is no product {product_id}") from None
            raise
        return read_product(Asked(lang=lang), found)

    @app.post("/api/v1/clicks", dependencies=[_key(shop, "write")], status_code=204)
    async def click(clicked: Click) -> Response:
        await shop.remembered(shop.memory.clicked(clicked.product_id, clicked.user, POINTS["page_view"]), None)
        return Response(status_code=204)

    @app.get("/api/v1/operations", dependencies=[_key(shop, "admin")], include_in_schema=False)
    async def operations() -> Response:
        return JSONResponse(await operations_now(shop))


def _add_health(app: FastAPI, shop: Shop) -> None:
    @app.get("/health", include_in_schema=False)
    async def health() -> Response:
        return JSONResponse({"name": "quintet-shop", "status": "pass", "version": __version__})

    @app.get("/ready", include_in_schema=False)
    async def ready() -> Response:
        try:
            found = await shop.nodes.ask("GET", f"/{PRODUCTS}/_count")
        except (SearchDownError, SearchRefusedError) as error:
            return JSONResponse({"status": "trouble", "message": str(error)}, 503)
        has_memory = await shop.remembered(shop.memory.answers(), False)
        return JSONResponse({"status": "ready", "products": found["count"], "memory": has_memory})

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return PlainTextResponse(shop.counters.text({"start_time_seconds": shop.started}), media_type=CONTENT_TYPE)
