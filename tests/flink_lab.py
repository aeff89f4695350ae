"""Fixtures of a lab with a cluster that answers and a ledger in a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from flink_server import FlinkServer, flink_server
from labs import lab_below
from postgres_server import PASSWORD, postgres_server
from quintet.settings import Lab

KAFKA = {"security_protocol": "SASL_PLAINTEXT", "mechanism": "SCRAM-SHA-512", "user": "quintet", "admin": "admin"}


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with postgres_server(tmp_path_factory.mktemp("postgres")) as port:
        yield port


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[FlinkServer]:
    monkeypatch.setattr("quintet.flink.deploy.PAUSE", 0.01)
    monkeypatch.setattr("quintet.flink.gateway.PAUSE", 0.01)
    with flink_server() as server:
        yield server


@pytest.fixture
def streaming_lab(tmp_path: Path, cluster: FlinkServer, postgres: int) -> Lab:
    home = tmp_path / "lab"
    doors = {"flink": cluster.port, "flink_sql_gateway": cluster.port, "postgres": postgres, "kafka": 1, "registry": 2}
    flink = {name: f"file://{home}/data/lake/flink/{name}" for name in ("checkpoints", "savepoints")}
    return lab_below(
        home, more_doors=doors, options={"kafka": KAFKA, "flink": flink}, secrets={"postgres_lake": PASSWORD}
    )
