"""Versions of a Delta table: its commits."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError

from quintet.catalogue import Table
from quintet.lake import versions
from quintet.lake.errors import VersionError
from quintet.lake.tables import delta_path
from quintet.settings import Lab

__all__ = ["history", "rollback", "row_version"]

#: Operations that change no row.
_SAME_ROWS = ("OPTIMIZE", "VACUUM START", "VACUUM END")


def history(lab: Lab, table: Table, limit: int | None) -> list[dict[str, Any]]:
    """Commits, latest first; see quintet.lake.timetravel."""
    path = _path(lab, table)
    delta = DeltaTable(path)
    found = []
    for commit in delta.history(limit):
        number = int(commit["version"])
        rows, missing = _state(path, number)
        found.append(
            versions.row(
                number,
                datetime.fromtimestamp(commit["timestamp"] / 1000, UTC),
                str(commit.get("operation", "")),
                rows,
                is_current=number == delta.version(),
                is_readable=rows is not None and missing == 0,
            )
        )
    return found


def rollback(lab: Lab, table: Table, version: int) -> dict[str, Any]:
    """Restore a version; see quintet.lake.timetravel."""
    path = _path(lab, table)
    delta = DeltaTable(path)
    current = delta.version()
    rows, missing = _state(path, version) if 0 <= version <= current else (None, 0)
    if rows is None:
        known = [number for number in _numbers(delta) if _state(path, number)[0] is not None]
        raise versions.unknown(table, version, known)
    if missing:
        whole = [number for number in _numbers(delta) if _state(path, number)[1] == 0]
        raise VersionError(
            f"version {version} of {table.full_name} cannot be read any more: {missing} of its files were removed "
            "by the care of the tables",
            remedy=f"Take a version that can be read: {versions.listed(whole)}",
        )
    if version != current:
        _restore(delta, table, version)
    return {"table": table.full_name, "from": current, "to": version, "version": delta.version(), "rows": rows}


def row_version(lab: Lab, table: Table) -> int:
    """Version that brought the present rows of a Delta table: later ones, if any, are of the care of the tables.

    Only the end of the log is read, which the care has made longer since, not what was written before.
    """
    delta = DeltaTable(_path(lab, table))
    commits = delta.version() + 1
    # Mostly it is the last commit: after care it is a few earlier.
    window = 1
    while True:
        for commit in delta.history(window):
            if commit.get("operation") not in _SAME_ROWS:
                return int(commit["version"])
        if window >= commits:
            return int(delta.version())
        window *= 2


def _path(lab: Lab, table: Table) -> Path:
    path = delta_path(lab, table)
    if not DeltaTable.is_deltatable(str(path)):
        raise VersionError(f"the table {table.full_name} is not at {path}", remedy="Run: make install")
    return path


def _numbers(delta: DeltaTable) -> list[int]:
    """Versions that the log tells of, latest first: it is read as a whole."""
    return [int(commit["version"]) for commit in delta.history()]


def _state(path: Path, version: int) -> tuple[int | None, int]:
    """Rows at a version and how many of its files are gone; (None, 0) when the log does not lead there any more."""
    try:
        found = DeltaTable(path, version=version)
    except DeltaError:
        return None, 0
    files = pa.table(found.get_add_actions()).column("path").to_pylist()
    return found.count(), sum(not (path / unquote(file)).exists() for file in files)


def _restore(delta: DeltaTable, table: Table, version: int) -> None:
    try:
        delta.restore(version)
    except CommitFailedError as error:
        raise VersionError(
            f"the table {table.full_name} was written meanwhile and was not rolled back",
            remedy="Run again when no other run writes",
        ) from error
