"""What the tests of lineage share: the compiled dbt project of this clone, and a PostgreSQL of its own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from paths import ROOT
from postgres_server import enter, postgres_server
from quintet.lineage import dbtflow
from quintet.lineage.model import Flow
from quintet.lineage.scan import compiled
from quintet.lineage.store import Store

MARTS = ROOT / "dbt" / "models" / "marts"
#: dbt is in another environment than the driver of PostgreSQL.
DBT = Path(os.environ.get("QUINTET_DBT", ROOT / ".venv-dbt" / "bin" / "dbt"))


@pytest.fixture(scope="session")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Manifest with compiled SQL; no server is asked."""
    if not DBT.exists():
        subprocess.run([ROOT / "scripts" / "env", "dbt"], check=True, cwd=ROOT)
    # The port is none: a compilation that asked the server would fail.
    given = {"QUINTET_TRINO_PORT": "1", "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}
    return compiled(DBT, ROOT / "dbt", tmp_path_factory.mktemp("dbt"), given)


@pytest.fixture(scope="session")
def models(manifest: Path) -> list[Flow]:
    return dbtflow.flows(manifest, dbtflow.lake_schemas(MARTS))


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Port of a PostgreSQL that nobody else knows."""
    with postgres_server(tmp_path_factory.mktemp("postgres")) as port:
        yield port


@pytest.fixture
def store(postgres: int) -> Store:
    """Prepared collector in a database of its own."""
    with enter(postgres, autocommit=True) as server:
        server.execute("drop database if exists collector")
        server.execute("create database collector")
    found = Store(lambda: enter(postgres, "collector"), Path("/lake"))
    assert found.prepare()
    return found
