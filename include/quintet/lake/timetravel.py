"""Versions of a table, and the way back to one of them.

A version of a Delta table is a commit, one of an Iceberg table a snapshot. Both stay readable until the care of the
tables removes files that only they need (`quintet.lake.care.RETENTION_HOURS`).

Rolling back is a commit of its own: what was there before can be rolled back to in turn.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import trino
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError

from quintet.catalogue import Layer, Table
from quintet.lake.errors import VersionError
from quintet.lake.tables import delta_path
from quintet.lake.trino import connect, query
from quintet.settings import Lab

__all__ = ["HISTORY_LIMIT", "history", "rollback", "row_version"]

#: Versions that are told when nobody asks for more: counting the rows of one reads the log up to it.
HISTORY_LIMIT = 20
#: Versions that an error names.
_NAMED = 10
#: Operations on a Delta table that change no row.
_SAME_ROWS = ("OPTIMIZE", "VACUUM START", "VACUUM END")


def history(lab: Lab, table: Table, *, limit: int | None = HISTORY_LIMIT) -> list[dict[str, Any]]:
    """Versions, latest first: {"version", "at" (ISO, UTC), "operation", "rows", "is_current", "is_readable"}.

    `rows` is the number of rows of the table at that version; None: the log no longer tells. A version that is not
    readable has lost files to the care of the tables.

    Raises:
        VersionError: the table is not there.
        ServiceDownError: an Iceberg table, and Trino does not answer.

    """
    if table.catalog == "delta":
        return _delta_history(_delta_path(lab, table), limit)
    connection = connect(lab)
    try:
        return _iceberg_history(connection, table)[:limit]
    finally:
        connection.close()


def row_version(lab: Lab, table: Table) -> int:
    """Version of a Delta table that brought its present rows: later ones, if any, are of the care of the tables."""
    delta = DeltaTable(_delta_path(lab, table))
    changes = (commit["version"] for commit in delta.history() if commit.get("operation") not in _SAME_ROWS)
    return int(next(changes, delta.version()))


def rollback(lab: Lab, table: Table, version: int) -> dict[str, Any]:
    """Make a version (Delta: its number, Iceberg: the snapshot's id) the current state of the table.

    Returns {"table", "from", "to", "version": what is current now, "rows"}. Rolling back to the current version
    changes nothing. Tables built from this one, and the balance of files, are not rolled back with it: a full refresh
    computes them anew.

    Raises:
        VersionError: there is no such version, its files are gone, or the table is one of bronze: what has landed
            would count as landed for ever.
        ServiceDownError: an Iceberg table, and Trino does not answer.

    """
    if table.layer is Layer.BRONZE:
        raise VersionError(
            f"the table {table.full_name} cannot be rolled back: every content lands once, and the files of the later "
            "versions would never land again",
            remedy="Read the old version, or restore a backup of the whole lab",
        )
    if table.catalog == "delta":
        return _delta_rollback(_delta_path(lab, table), table, version)
    connection = connect(lab)
    try:
        return _iceberg_rollback(connection, table, version)
    finally:
        connection.close()


def _delta_path(lab: Lab, table: Table) -> Path:
    path = delta_path(lab, table)
    if not DeltaTable.is_deltatable(str(path)):
        raise VersionError(f"the table {table.full_name} is not at {path}", remedy="Run: make install")
    return path


def _delta_history(path: Path, limit: int | None) -> list[dict[str, Any]]:
    delta = DeltaTable(path)
    return [
        {
            "version": commit["version"],
            "at": datetime.fromtimestamp(commit["timestamp"] / 1000, UTC).isoformat(timespec="seconds"),
            "operation": commit.get("operation", ""),
            "rows": rows,
            "is_current": commit["version"] == delta.version(),
            "is_readable": rows is not None and missing == 0,
        }
        for commit in delta.history(limit)
        for rows, missing in [_delta_state(path, commit["version"])]
    ]


def _delta_state(path: Path, version: int) -> tuple[int | None, int]:
    """Rows at a version and how many of its files are gone; (None, 0) when the log does not lead there any more."""
    try:
        found = DeltaTable(path, version=version)
    except DeltaError:
        return None, 0
    files = pa.table(found.get_add_actions()).column("path").to_pylist()
    return found.count(), sum(not (path / unquote(file)).exists() for file in files)


def _delta_rollback(path: Path, table: Table, version: int) -> dict[str, Any]:
    delta = DeltaTable(path)
    current = delta.version()
    known = [int(commit["version"]) for commit in delta.history()]
    rows, missing = _delta_state(path, version) if version in known else (None, 0)
    if rows is None:
        raise _unknown(table, version, [number for number in known if _delta_state(path, number)[0] is not None])
    if missing:
        whole = [number for number in known if _delta_state(path, number)[1] == 0]
        raise VersionError(
            f"version {version} of {table.full_name} cannot be read any more: {missing} of its files were removed "
            "by the care of the tables",
            remedy=f"Take a version that can be read: {_listed(whole)}",
        )
    if version != current:
        try:
            delta.restore(version)
        except CommitFailedError as error:
            raise VersionError(
                f"the table {table.full_name} was written meanwhile and was not rolled back",
                remedy="Run again when no other run writes",
            ) from error
    return {"table": table.full_name, "from": current, "to": version, "version": delta.version(), "rows": rows}


def _iceberg_history(connection: trino.dbapi.Connection, table: Table) -> list[dict[str, Any]]:
    found = query(
        connection,
        "SELECT snapshot_id, to_iso8601(date_trunc('second', committed_at) AT TIME ZONE 'UTC'), operation, "
        "CAST(element_at(summary, 'total-records') AS bigint) "
        f"FROM {_meta(table, 'snapshots')} ORDER BY committed_at DESC",
    )
    current = _current_snapshot(connection, table)
    return [
        {
            "version": version,
            "at": str(at).replace("Z", "+00:00"),
            "operation": operation,
            "rows": rows,
            "is_current": version == current,
            "is_readable": True,
        }
        for version, at, operation, rows in found
    ]


def _iceberg_rollback(connection: trino.dbapi.Connection, table: Table, version: int) -> dict[str, Any]:
    versions = {row["version"]: row for row in _iceberg_history(connection, table)}
    if version not in versions:
        raise _unknown(table, version, list(versions))
    current = _current_snapshot(connection, table)
    if version != current:
        query(connection, f"ALTER TABLE {table.full_name} EXECUTE rollback_to_snapshot({version})")
    return {
        "table": table.full_name,
        "from": current,
        "to": version,
        "version": _current_snapshot(connection, table),
        "rows": versions[version]["rows"],
    }


def _current_snapshot(connection: trino.dbapi.Connection, table: Table) -> int | None:
    found = query(connection, f"SELECT snapshot_id FROM {_meta(table, 'refs')} WHERE name = 'main'")
    return int(found[0][0]) if found else None


def _meta(table: Table, part: str) -> str:
    return f'{table.catalog}.{table.schema}."{table.name}${part}"'


def _unknown(table: Table, version: int, known: list[int]) -> VersionError:
    return VersionError(f"{table.full_name} has no version {version}", remedy=f"It has: {_listed(known)}")


def _listed(versions: list[int]) -> str:
    if not versions:
        return "none"
    more = len(versions) - _NAMED
    return ", ".join(map(str, versions[:_NAMED])) + (f" and {more} older ones" if more > 0 else "")
