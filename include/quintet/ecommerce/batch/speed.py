"""The tables of the speed layer that the batch layer is compared with: minutes in PostgreSQL, sessions in Iceberg.

Rows are tuples in the order of the catalogue's columns behind the key.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from quintet.catalogue.ecommerce import KPI_COLUMNS, SESSIONS
from quintet.lake.trino import connect as connect_trino
from quintet.lake.trino import query
from quintet.settings import Lab

__all__ = ["LiveMinutes", "LiveSessions"]

#: Database, schema and table of the live figures.
DATABASE, MINUTES = "shop", "live_ecommerce.minutes"
#: Rows of one statement.
TOGETHER = 500
_FIGURES = tuple(column.name for column in KPI_COLUMNS)
_STATE = tuple(column.name for column in SESSIONS.columns)


class LiveMinutes:
    """Figures of minutes; the key is the minute. Raises ServiceDownError when PostgreSQL does not answer."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab

    def read(self, until: datetime) -> dict[Hashable, tuple[Any, ...]]:
        """Minutes of before a moment."""
        statement = f"SELECT minute, {', '.join(_FIGURES)} FROM {MINUTES} WHERE minute < %s"
        with self._connect() as connection:
            rows = connection.execute(statement, [_bare(until)]).fetchall()
        return {minute.replace(tzinfo=UTC): tuple(figures) for minute, *figures in rows}

    def put(self, rows: Mapping[Hashable, tuple[Any, ...]]) -> None:
        """Write minutes, in the place of those that are there, in one transaction."""
        places = ", ".join(["%s"] * (len(_FIGURES) + 1))
        new = ", ".join(f"{name} = excluded.{name}" for name in _FIGURES)
        statement = (
            f"INSERT INTO {MINUTES} (minute, {', '.join(_FIGURES)}) VALUES ({places}) "
            f"ON CONFLICT (minute) DO UPDATE SET {new}"
        )
        with self._connect() as connection, connection.cursor() as cursor:
            cursor.executemany(statement, [(_bare(key), *row) for key, row in rows.items()])

    def drop(self, keys: Sequence[Hashable]) -> None:
        """Remove minutes, in one transaction."""
        with self._connect() as connection, connection.cursor() as cursor:
            cursor.executemany(f"DELETE FROM {MINUTES} WHERE minute = %s", [(_bare(key),) for key in keys])

    def _connect(self) -> Any:
        from quintet.postgres import connect  # not every environment that compares has its client

        return connect(self._lab, DATABASE, program="reconcile")


class LiveSessions:
    """Sessions; the key is user and begin. Raises ServiceDownError when Trino does not answer."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab

    def read(self, until: datetime) -> dict[Hashable, tuple[Any, ...]]:
        """Sessions that ended before a moment."""
        statement = f"SELECT {', '.join(_STATE)} FROM {SESSIONS.full_name} WHERE ends_at < {_instant(until)}"
        return {(user, begins): tuple(state) for user, begins, *state in self._ask([statement])}

    def put(self, rows: Mapping[Hashable, tuple[Any, ...]]) -> None:
        """Write sessions that are not there."""
        values = [
            "(" + ", ".join(map(_literal, (*key, *row))) + ")" for key, row in rows.items() if isinstance(key, tuple)
        ]
        head = f"INSERT INTO {SESSIONS.full_name} ({', '.join(_STATE)}) VALUES "
        self._ask(head + ", ".join(part) for part in _parts(values))

    def drop(self, keys: Sequence[Hashable]) -> None:
        """Remove sessions, as one list of keys: of some hundreds of conditions Trino's compiler makes no method."""
        same = [f"({', '.join(map(_literal, key))})" for key in keys if isinstance(key, tuple)]
        head = f"DELETE FROM {SESSIONS.full_name} WHERE (user_id, begins_at) IN "
        self._ask(f"{head}({', '.join(part)})" for part in _parts(same))

    def _ask(self, statements: Any) -> list[list[Any]]:
        connection = connect_trino(self._lab)
        rows: list[list[Any]] = []
        try:
            for statement in statements:
                rows = query(connection, statement)
        finally:
            connection.close()
        return rows


def _parts(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    for begin in range(0, len(texts), TOGETHER):
        yield texts[begin : begin + TOGETHER]


def _bare(moment: Any) -> datetime:
    """The live tables hold times without a zone, UTC."""
    found: datetime = moment.astimezone(UTC).replace(tzinfo=None)
    return found


def _instant(moment: datetime) -> str:
    return f"TIMESTAMP '{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f} UTC'"


def _literal(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return _instant(value) if isinstance(value, datetime) else str(int(value))
