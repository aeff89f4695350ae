"""Connections to the lab's PostgreSQL, each as the role that the work is for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from quintet.errors import ServiceDownError
from quintet.settings import Lab

__all__ = ["connect"]

#: Seconds until a server that says nothing counts as absent.
PATIENCE = 10


@contextmanager
def connect(lab: Lab, database: str, *, role: str | None = None, autocommit: bool = False) -> Iterator[Any]:
    """Enter a database as its owner, or as another role; committed at the end, rolled back on an error.

    Raises:
        ServiceDownError: PostgreSQL does not answer, or does not let the role in.

    """
    user = role or database
    door = lab.endpoint("postgres")
    try:
        connection = psycopg.connect(
            host=door.host,
            port=door.port,
            dbname=database,
            user=user,
            password=lab.secret(f"postgres_{user}"),
            connect_timeout=PATIENCE,
            application_name="quintet",
            options="-c timezone=UTC",
            autocommit=autocommit,
        )
    except psycopg.OperationalError as error:
        raise ServiceDownError(
            f"PostgreSQL at {door.host}:{door.port} does not let {user} into {database} ({str(error).strip()})",
            remedy="Run: quintet doctor",
        ) from error
    try:
        with connection:
            yield connection
    except psycopg.OperationalError as error:
        raise ServiceDownError(
            f"PostgreSQL at {door.host}:{door.port} ended the connection of {user} ({str(error).strip()})",
            remedy="Run: quintet doctor",
        ) from error
