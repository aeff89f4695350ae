"""What the tests of lineage share: the compiled dbt project of this clone, and a PostgreSQL of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from paths import ROOT
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
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Socket folder of a PostgreSQL that nobody else knows."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not programs:
        pytest.skip("this machine has no PostgreSQL below /usr/lib/postgresql")
    folder = tmp_path_factory.mktemp("postgres")
    sockets = Path(subprocess.run(["mktemp", "-d"], check=True, capture_output=True, text=True).stdout.strip())
    runner: list[str] = []
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        runner = ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups", "--"]
        for place in (folder, sockets):
            shutil.chown(place, "nobody", "nogroup")
        for parent in folder.parents:
            if parent.stat().st_uid == 0 and parent.stat().st_mode & 0o777 == 0o700:
                parent.chmod(0o711)
    data = folder / "data"
    subprocess.run(
        [*runner, programs[-1] / "initdb", "-D", data, "-U", "lineage", "-A", "trust", "-E", "UTF8", "--no-sync"],
        check=True,
        capture_output=True,
        cwd="/",
    )
    options = f"-c listen_addresses= -c unix_socket_directories={sockets} -c fsync=off"
    control = [*runner, programs[-1] / "pg_ctl", "-D", data, "-w"]
    subprocess.run([*control, "-o", options, "-l", folder / "log", "start"], check=True, capture_output=True, cwd="/")
    try:
        yield str(sockets)
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], check=True, capture_output=True, cwd="/")
        shutil.rmtree(sockets, ignore_errors=True)


@pytest.fixture
def store(postgres: str) -> Store:
    """Prepared collector in a database of its own."""
    with psycopg.connect(host=postgres, user="lineage", dbname="postgres", autocommit=True) as server:
        server.execute("drop database if exists collector")
        server.execute("create database collector")
    found = Store(lambda: psycopg.connect(host=postgres, user="lineage", dbname="collector"), Path("/lake"))
    assert found.prepare()
    return found
