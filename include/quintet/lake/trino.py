"""Connections to the lab's Trino, and what the lake asks of it: schemas and registered Delta tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import trino

from quintet.catalogue import Table
from quintet.errors import LabError, ServiceDownError
from quintet.settings import Lab, lab_of

__all__ = ["USER", "check_answers", "connect", "query", "query_with_names", "register", "stream"]

#: Every program of the lab asks as this user; the door is bound to loopback and wants no password.
USER = "quintet"
#: Seconds for one HTTP exchange; a query may take many exchanges.
TIMEOUT = 30.0
#: Characters of a statement that an error shows.
SHOWN = 1000
#: Rows that `stream` holds at a time.
ROWS = 10_000


def connect(lab: Lab, *, catalog: str | None = None, schema: str | None = None) -> trino.dbapi.Connection:
    """Open a DB-API connection; nothing is asked of the server before the first query."""
    door = lab.endpoint("trino")
    return trino.dbapi.connect(
        host=door.host,
        port=door.port,
        http_scheme=door.scheme,
        user=USER,
        catalog=catalog,
        schema=schema,
        source="quintet",
        request_timeout=TIMEOUT,
    )


def query(connection: trino.dbapi.Connection, statement: str, parameters: Iterable[Any] = ()) -> list[list[Any]]:
    """Run one statement to its end and return all rows; raises as `query_with_names`."""
    return query_with_names(connection, statement, parameters)[1]


def query_with_names(
    connection: trino.dbapi.Connection, statement: str, parameters: Iterable[Any] = ()
) -> tuple[list[str], list[list[Any]]]:
    """Run one statement to its end and return the names of the columns and all rows.

    Raises:
        ServiceDownError: nothing answers at the lab file's address.
        LabError: Trino refused the statement, or failed in it.

    """
    given = list(parameters)
    with _asking(connection, statement) as cursor:
        cursor.execute(statement, given) if given else cursor.execute(statement)
        rows = [list(row) for row in cursor.fetchall()]
        return [column[0] for column in cursor.description or []], rows


def stream(connection: trino.dbapi.Connection, statement: str) -> Iterator[list[Any]]:
    """Rows of one statement as they come, so that few are held at a time; raises as `query_with_names`."""
    with _asking(connection, statement) as cursor:
        cursor.execute(statement)
        while rows := cursor.fetchmany(ROWS):
            yield from rows


@contextmanager
def _asking(connection: trino.dbapi.Connection, statement: str) -> Iterator[trino.dbapi.Cursor]:
    """A cursor whose errors are ours."""
    cursor = connection.cursor()
    try:
        yield cursor
    except (trino.exceptions.TrinoConnectionError, trino.exceptions.HttpError, ValueError) as error:
        # A plain HTTP error, or what is no JSON, comes from something else at the port, or from a Trino that starts.
        raise ServiceDownError(
            f"Trino does not answer at {connection.host}:{connection.port} ({error})", remedy="Run: quintet doctor"
        ) from error
    except trino.exceptions.TrinoQueryError as error:
        shown = statement if len(statement) <= SHOWN else f"{statement[:SHOWN]} … ({len(statement):,} characters)"
        raise LabError(f"Trino refused a statement: {error.message}", remedy=f"Statement: {shown}") from error
    finally:
        cursor.close()


def check_answers(*, lab_file: str | None = None) -> dict[str, Any]:
    """Ask the lab's Trino for its version: {"version"}; for a task that goes before many statements.

    Raises:
        ServiceDownError: nothing answers at the lab file's address.

    """
    connection = connect(lab_of(lab_file))
    try:
        ((version,),) = query(connection, "SELECT version()")
    finally:
        connection.close()
    return {"version": version}


def register(lab: Lab, tables: Iterable[Table]) -> list[str]:
    """Make the schemas and register the tables that Trino does not know yet; full names of the new ones.

    Registering is idempotent here because `register_table` fails on a table that is there, so
    `information_schema` is asked first.
    """
    wanted = list(tables)
    done: list[str] = []
    connection = connect(lab)
    try:
        for schema in sorted({table.schema for table in wanted}):
            members = [table for table in wanted if table.schema == schema]
            done += _register_schema(connection, lab.path("lake"), schema, members)
    finally:
        connection.close()
    return done


def _register_schema(connection: trino.dbapi.Connection, lake: Path, schema: str, tables: list[Table]) -> list[str]:
    catalog = tables[0].catalog
    location = (lake / catalog / schema).resolve().as_uri()
    query(connection, f"CREATE SCHEMA IF NOT EXISTS {catalog}.{schema} WITH (location = '{location}')")
    listing = f"SELECT table_name FROM {catalog}.information_schema.tables WHERE table_schema = '{schema}'"
    known = {row[0] for row in query(connection, listing)}
    new = [table for table in tables if table.name not in known]
    for table in new:
        place = (lake / table.location).resolve().as_uri()
        query(
            connection,
            f"CALL {catalog}.system.register_table(schema_name => '{schema}', table_name => '{table.name}', "
            f"table_location => '{place}')",
        )
    return [table.full_name for table in new]
