"""Bad requests get a clear 4xx, and nothing of the inside."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the search environment has it")
import httpx
from shop_service import served

from quintet.ecommerce.search.building import build, remove
from quintet.ecommerce.search.documents import Catalogue
from quintet.ecommerce.search.shop import ShopOptions
from quintet.webservice.tokens import Token, Tokens

SECRETS = {"reader": "secret of reader", "writer": "secret of writer", "admin": "secret of admin"}
SCOPES = {"reader": {"read"}, "writer": {"read", "write"}, "admin": {"read", "write", "admin"}}
TOKENS = Tokens(
    tuple(
        Token(name, frozenset(SCOPES[name]), hashlib.sha256(secret.encode()).hexdigest())
        for name, secret in SECRETS.items()
    )
)
ROUTES = {"/api/v1/search": "read", "/api/v1/suggest?q=a": "read", "/api/v1/trending": "read"}


@pytest.fixture(scope="module")
def guarded(built: Any, opensearch: str, redis_port: int) -> Iterator[httpx.Client]:
    with served(opensearch, redis_port, tokens=TOKENS) as client:
        yield client


def bearer(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {SECRETS[name]}"}


def told(answer: httpx.Response) -> str:
    assert set(answer.json()) == {"error"}
    assert set(answer.json()["error"]) == {"code", "message"}
    return str(answer.json()["error"]["message"])


@pytest.mark.parametrize("path", [*ROUTES, "/api/v1/products/1", "/api/v1/operations"])
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic Og=="}])
def test_without_a_key_and_with_a_wrong_one_nobody_is_let_in(
    guarded: httpx.Client, path: str, headers: dict[str, str]
) -> None:
    answer = guarded.get(path, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "unauthorized" in told(answer)


def test_a_key_does_what_its_scopes_say(guarded: httpx.Client) -> None:
    assert guarded.get("/api/v1/search", headers=bearer("reader")).status_code == 200
    click = {"product_id": 1}
    assert guarded.post("/api/v1/clicks", json=click, headers=bearer("reader")).status_code == 403
    assert guarded.post("/api/v1/clicks", json=click, headers=bearer("writer")).status_code == 204
    assert guarded.get("/api/v1/operations", headers=bearer("writer")).status_code == 403
    assert guarded.get("/api/v1/operations", headers=bearer("admin")).status_code == 200


def test_pages_documentation_and_health_want_no_key(guarded: httpx.Client) -> None:
    for path in ("/", "/page/page.js", "/docs", "/openapi.json", "/health", "/ready", "/metrics"):
        assert guarded.get(path).status_code == 200, path


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("q=" + "x" * 201, "q"),
        ("q=%27%20OR%201%3D1%20--", "q"),
        ("q=%3Cscript%3Ealert(1)%3C%2Fscript%3E", "q"),
        ("q=%7B%22match_all%22%3A%7B%7D%7D", "q"),
        ("q=%00", "q"),
        ("page=501&size=100", "page 501"),
        ("page=-1", "page"),
        ("size=100000", "size"),
        ("size=all", "size"),
        ("sort=_script", "sort"),
        ("lang=../../etc", "lang"),
        ("brand=*", "brand"),
        ("min_price=cheap", "min_price"),
        ("lat=100&lon=0", "lat"),
        ("lat=1", "lat"),
        ("color=red", "color: is not known"),
        ("user=-1", "user"),
        ("user=1%20OR%201", "user"),
    ],
)
def test_a_bad_search_is_answered_with_400_and_the_parameter(guarded: httpx.Client, query: str, name: str) -> None:
    answer = guarded.get(f"/api/v1/search?{query}", headers=bearer("reader"))
    assert answer.status_code == 400
    assert name in told(answer)


def test_a_query_beyond_all_measure_is_refused_before_it_is_read(guarded: httpx.Client) -> None:
    answer = guarded.get("/api/v1/search?" + "&".join(f"brand=b{number}" for number in range(2000)))
    assert (answer.status_code, answer.json()["error"]["code"]) == (414, "too_long")


def test_bodies_are_checked_for_size_and_form(guarded: httpx.Client) -> None:
    large = guarded.post("/api/v1/clicks", content=b" " * 5000, headers=bearer("writer"))
    assert (large.status_code, large.json()["error"]["code"]) == (413, "too_large")
    endless = guarded.post("/api/v1/clicks", content=iter([b"{}"]), headers=bearer("writer"))
    assert endless.status_code == 411
    for body in (b"", b"{", b"[]", b'{"product_id": "1; --"}', b'{"product_id": 1, "more": 2}'):
        answer = guarded.post("/api/v1/clicks", content=body, headers=bearer("writer"))
        assert answer.status_code == 400, body
        assert told(answer)


def test_what_is_not_there_is_told_in_the_same_form(guarded: httpx.Client) -> None:
    assert told(guarded.get("/api/v2/search")) == "Not Found"
    assert guarded.delete("/api/v1/search", headers={"Content-Length": "0"}).status_code == 405
    assert guarded.get("/api/v1/products/abc", headers=bearer("reader")).status_code == 400


def test_a_key_that_asks_too_often_is_told_when_to_come_back(opensearch: str, redis_port: int, built: Any) -> None:
    options = ShopOptions(requests_per_second=5)
    with served(opensearch, redis_port, tokens=TOKENS, options=options, token=SECRETS["reader"]) as client:
        answers = [client.get("/api/v1/trending") for _ in range(12)]
        assert [answer.status_code for answer in answers[:10]] == [200] * 10
        refused = answers[-1]
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) >= 1
        assert "'reader'" in told(refused)
        assert client.get("/api/v1/trending", headers=bearer("writer")).status_code == 200


def test_a_cluster_that_is_away_is_a_503_that_tells_nothing_of_it(redis_port: int) -> None:
    with served("http://127.0.0.1:9", redis_port) as client:
        answer = client.get("/api/v1/search", params={"q": "sofa"})
        assert answer.status_code == 503
        assert told(answer) == "the search does not answer: try again"
        assert client.get("/ready").status_code == 503
        assert client.get("/health").status_code == 200


@pytest.mark.usefixtures("redis")
def test_without_an_index_it_is_told_how_to_build_one(
    built: Any, catalogue: Path, opensearch: str, redis_port: int
) -> None:
    remove(built)
    with served(opensearch, redis_port) as client:
        for path in ("/api/v1/search?q=sofa", "/api/v1/suggest?q=so", "/api/v1/products/1", "/api/v1/operations"):
            answer = client.get(path)
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "not_indexed"), path
            assert "quintet run ecommerce --dag ecommerce_index_products" in told(answer), path
        assert client.get("/api/v1/trending").json() == {"texts": [], "products": []}
        assert client.get("/ready").status_code == 503
        assert client.get("/health").status_code == 200
        build(built, Catalogue(catalogue))
        assert client.get("/api/v1/search?q=sofa").status_code == 200


def test_the_documentation_names_every_route_and_loads_nothing_from_other_hosts(guarded: httpx.Client) -> None:
    described = guarded.get("/openapi.json").json()
    assert set(described["paths"]) == {
        "/api/v1/search",
        "/api/v1/suggest",
        "/api/v1/trending",
        "/api/v1/products/{product_id}",
        "/api/v1/clicks",
    }
    names = {one["name"] for one in described["paths"]["/api/v1/search"]["get"]["parameters"]}
    assert {"q", "lang", "brand", "min_price", "distance_km", "sort", "page", "user"} <= names
    for path in ("/", "/docs", "/page/page.js", "/page/search.js", "/page/style.css"):
        text = guarded.get(path).text
        assert "https://" not in text, path
        assert "http://" not in text.replace("http://www.w3.org/2000/svg", ""), path
