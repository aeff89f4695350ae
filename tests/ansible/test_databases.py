"""The program that makes the databases: applied once, again when something changed, and what failed is not done."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from plays import ANSIBLE
from postgres_server import PASSWORD, postgres_server

PROGRAM = ANSIBLE / "roles" / "postgresql" / "files" / "databases.sh"

Apply = Callable[[], subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """psql and port of a server whose superuser is `postgres`, as in the lab."""
    with postgres_server(tmp_path_factory.mktemp("postgres")) as port:
        psql = sorted(Path("/usr/lib/postgresql").glob("*/bin/psql"))[-1]
        asked(psql, str(port), f"create role postgres superuser login password '{PASSWORD}'", user="lake")
        yield psql, str(port)


def asked(psql: Path, port: str, statement: str, *, user: str = "postgres") -> str:
    done = subprocess.run(
        [psql, "-XAtq", "-h", "127.0.0.1", "-p", port, "-U", user, "-d", "postgres", "-c", statement],
        env={**os.environ, "PGPASSWORD": PASSWORD},
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


@pytest.fixture
def apply(door: tuple[Path, str], tmp_path: Path) -> Apply:
    (tmp_path / "databases.sql").write_text("create table if not exists marks (word text);\n")
    (tmp_path / "secrets.yaml").write_text("postgres_shop: first\n")

    def run() -> subprocess.CompletedProcess[str]:
        psql, port = door
        files = [tmp_path / "databases.sql", tmp_path / "secrets.yaml"]
        return subprocess.run(
            ["bash", PROGRAM, psql, "127.0.0.1", port, *files],
            env={**os.environ, "PGPASSWORD": PASSWORD},
            check=False,
            capture_output=True,
            text=True,
        )

    return run


def test_a_script_is_applied_once_and_again_when_a_password_changed(
    apply: Apply, door: tuple[Path, str], tmp_path: Path
) -> None:
    with (tmp_path / "databases.sql").open("a") as script:
        script.write("insert into marks values (:'password_shop');\n\\connect template1\n")
    assert [apply().stdout.strip() for _ in range(3)] == ["changed", "same", "same"]
    (tmp_path / "secrets.yaml").write_text("postgres_shop: second\n")
    assert [apply().stdout.strip() for _ in range(2)] == ["changed", "same"]
    assert asked(*door, "select string_agg(word, ' ' order by word) from marks") == "first second"


def test_what_failed_half_way_is_not_taken_as_applied(apply: Apply, tmp_path: Path) -> None:
    whole = (tmp_path / "databases.sql").read_text()
    (tmp_path / "databases.sql").write_text(f"{whole}select 1 / 0;\n")
    for _ in range(2):
        failed = apply()
        assert failed.returncode != 0
        assert "division by zero" in failed.stderr
    (tmp_path / "databases.sql").write_text(whole)
    assert apply().stdout.strip() == "changed"
