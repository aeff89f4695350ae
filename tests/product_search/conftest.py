"""A small catalogue, servers that run for all tests, and a service over them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import httpx
    from redis import Redis

    from quintet.ecommerce.search.nodes import Nodes


@pytest.fixture(scope="session")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the tables of a shop of 500 products, five of each type: an index of it is soon made."""
    from shop_tables import catalogue_below

    return catalogue_below(tmp_path_factory.mktemp("shop"), products=500)


@pytest.fixture(scope="session")
def opensearch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    from opensearch_server import opensearch_server

    with opensearch_server(tmp_path_factory.mktemp("opensearch")) as address:
        yield address


@pytest.fixture(scope="session")
def redis_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    from redis_server import redis_server

    with redis_server(tmp_path_factory.mktemp("redis")) as port:
        yield port


@pytest.fixture
def redis(redis_port: int) -> Iterator[Redis]:
    """An empty Redis."""
    from redis import Redis

    with Redis(host="127.0.0.1", port=redis_port, decode_responses=True) as client:
        client.flushall()
        yield client


@pytest.fixture(scope="session")
def nodes(opensearch: str) -> Iterator[Nodes]:
    from quintet.ecommerce.search.nodes import Nodes, SearchDoor

    with Nodes(SearchDoor((opensearch,))) as found:
        yield found


@pytest.fixture(scope="module")
def built(nodes: Nodes, catalogue: Path) -> Nodes:
    """The cluster with an index of the module's catalogue."""
    from quintet.ecommerce.search.building import build
    from quintet.ecommerce.search.documents import Catalogue

    build(nodes, Catalogue(catalogue))
    return nodes


@pytest.fixture(scope="module")
def service(built: Nodes, opensearch: str, redis_port: int) -> Iterator[httpx.Client]:
    """A client of a service that lets everybody in."""
    from shop_service import served

    with served(opensearch, redis_port) as found:
        yield found


@pytest.fixture
def client(service: httpx.Client, redis: Redis) -> httpx.Client:
    """The same, nobody having asked it for anything."""
    return service
