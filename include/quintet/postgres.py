"""Connections to the lab's PostgreSQL, each as the role that the work is for."""

from __future__ import annotations

from typing import Any

import psycopg

from quintet.errors import ServiceDownError
from quintet.settings import Lab

__all__ = ["connect"]

#: Seconds until a server that says nothing counts as absent.
PATIENCE = 10


def connect(
    lab: Lab,
    database: str,
    *,
    role: str | None = None,
    program: str = "quintet",
    patience: int = PATIENCE,
    autocommit: bool = False,
) -> psycopg.Connection[Any]:
    """Enter a database as its owner, or as another role; the caller closes.

    Args:
        lab: the lab whose PostgreSQL is meant.
        database: name of the database, and of its owner.
        role: who enters; the secret of the password is `postgres_<role>`.
        program: what the server calls the connection.
        patience: seconds until a server that says nothing counts as absent.
        autocommit: whether every statement is a transaction of its own.

    Raises:
        ServiceDownError: PostgreSQL does not answer, or does not let the role in.

    """
    user = role or database
    door = lab.endpoint("postgres")
    try:
        return psycopg.connect(
            host=door.host,
            port=door.port,
            dbname=database,
            user=user,
            password=lab.secret(f"postgres_{user}"),
            connect_timeout=patience,
            application_name=program,
            options="-c timezone=UTC",
            autocommit=autocommit,
        )
    except psycopg.OperationalError as error:
        raise ServiceDownError(
            f"PostgreSQL does not answer at {door.host}:{door.port}, or does not let {user} into {database} "
            f"({str(error).strip()})",
            remedy="Run: quintet doctor",
        ) from error
