"""A lab with a cluster that answers and a ledger in a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from flink_definitions import make_definition
from flink_server import FlinkServer, flink_server
from labs import lab_below
from postgres_server import PASSWORD, postgres_server
from quintet.flink.definition import JobDefinition
from quintet.settings import Lab

KAFKA = {"security_protocol": "SASL_PLAINTEXT", "mechanism": "SCRAM-SHA-512", "user": "quintet", "admin": "admin"}


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with postgres_server(tmp_path_factory.mktemp("postgres")) as port:
        yield port


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quintet.flink.deploy.PAUSE", 0.01)
    monkeypatch.setattr("quintet.flink.gateway.PAUSE", 0.01)


@pytest.fixture
def cluster() -> Iterator[FlinkServer]:
    with flink_server() as server:
        yield server


@pytest.fixture
def lab(tmp_path: Path, cluster: FlinkServer, postgres: int) -> Lab:
    home = tmp_path / "lab"
    doors = {"flink": cluster.port, "flink_sql_gateway": cluster.port, "postgres": postgres, "kafka": 1, "registry": 2}
    flink = {name: f"file://{home}/data/lake/flink/{name}" for name in ("checkpoints", "savepoints")}
    return lab_below(
        home,
        more_doors=doors,
        options={"kafka": KAFKA, "flink": flink},
        secrets={"postgres_lake": PASSWORD},
    )


@pytest.fixture
def definition(request: pytest.FixtureRequest) -> JobDefinition:
    """A job of its own for every test: the ledger is one for all of them."""
    name = request.node.name.split("[")[0][-60:]
    return make_definition(name)
