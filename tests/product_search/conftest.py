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

START_MS = 1_735_689_600_000


@pytest.fixture(scope="session")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the tables of a shop of 6,000 products, 60 of each type."""
    from quintet.ecommerce.generator import Scale, write_catalogue
    from quintet.ecommerce.simulation import Simulation

    folder = tmp_path_factory.mktemp("shop")
    simulation = Simulation(11, START_MS, START_MS + 3_600_000, Scale(products=6000, users=50))
    write_catalogue(folder, simulation.shop)
    return folder / "catalogue"


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


@pytest.fixture(scope="session")
def built(nodes: Nodes, catalogue: Path) -> Nodes:
    """The cluster with an index of the catalogue."""
    from quintet.ecommerce.search.building import build
    from quintet.ecommerce.search.documents import Catalogue

    build(nodes, Catalogue(catalogue))
    return nodes


@pytest.fixture
def client(built: Nodes, opensearch: str, redis_port: int, redis: Redis) -> Iterator[httpx.Client]:
    """A client of a service that lets everybody in."""
    from shop_service import served

    with served(opensearch, redis_port) as found:
        yield found
