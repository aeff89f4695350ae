"""Connections to the databases of captured sources, for the length of one piece of work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from quintet import postgres
from quintet.errors import ServiceDownError
from quintet.settings import Lab

__all__ = ["connect"]


@contextmanager
def connect(lab: Lab, database: str, *, role: str | None = None, autocommit: bool = False) -> Iterator[Any]:
    """Enter a database as its owner, or as another role; committed at the end, rolled back on an error.

    Raises:
        ServiceDownError: PostgreSQL does not answer, or does not let the role in.

    """
    connection = postgres.connect(lab, database, role=role, autocommit=autocommit)
    try:
        with connection:
            yield connection
    except psycopg.OperationalError as error:
        door = lab.endpoint("postgres")
        raise ServiceDownError(
            f"PostgreSQL at {door.host}:{door.port} ended the connection of {role or database} ({str(error).strip()})",
            remedy="Run: quintet doctor",
        ) from error
