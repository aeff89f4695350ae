"""A PostgreSQL of its own on a free loopback port, with the database and user `lake`, until the tests are over.

The programs are those of the machine; tests that want it are skipped, with the reason, where there are none.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import psycopg

__all__ = ["PASSWORD", "enter", "postgres_server"]

PASSWORD = "correct-horse"


def enter(port: int, database: str = "lake", *, autocommit: bool = False) -> psycopg.Connection[Any]:
    """Connection to a database of such a server, as the owner of all of them."""
    import psycopg

    return psycopg.connect(
        host="127.0.0.1", port=port, dbname=database, user="lake", password=PASSWORD, autocommit=autocommit
    )


@contextmanager
def postgres_server(folder: Path, settings: Mapping[str, str] | None = None) -> Iterator[int]:
    """Port of a running server whose files are below `folder`, with more settings where they are given."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not programs:
        pytest.skip("PostgreSQL is not on this machine: install its package")
    home = programs[-1].parent
    # PostgreSQL refuses to be run by root.
    other = ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups", "--"] if os.geteuid() == 0 else []
    data, password = folder / "data", folder / "password"
    password.write_text(PASSWORD)
    if other:
        shutil.chown(folder, "nobody", "nogroup")
        shutil.chown(password, "nobody", "nogroup")
        for above in folder.parents:
            if above.owner() == "root" and not above.stat().st_mode & 0o001:
                above.chmod(above.stat().st_mode | 0o011)
    making = [
        home / "initdb",
        "-D",
        data,
        "-U",
        "lake",
        "--pwfile",
        password,
        "-A",
        "scram-sha-256",
        "-E",
        "UTF8",
        "-N",
    ]
    subprocess.run([*other, *making], check=True, capture_output=True, cwd="/")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    options = f"-p {port} -h 127.0.0.1 -k {folder} -c fsync=off"
    options += "".join(f" -c {name}={value}" for name, value in (settings or {}).items())
    control = [*other, home / "pg_ctl", "-D", data, "-w", "-t", "60", "-l", folder / "log"]
    subprocess.run([*control, "-o", options, "start"], check=True, capture_output=True, cwd="/")
    try:
        environment = {**os.environ, "PGPASSWORD": PASSWORD}
        creating = [home / "createdb", "-h", "127.0.0.1", "-p", str(port), "-U", "lake", "lake"]
        subprocess.run(creating, check=True, capture_output=True, cwd="/", env=environment)
        yield port
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], check=False, capture_output=True, cwd="/")
