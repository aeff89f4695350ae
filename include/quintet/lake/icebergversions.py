"""Versions of an Iceberg table: its snapshots, through Trino."""

from __future__ import annotations

from typing import Any

import trino

from quintet.catalogue import Table
from quintet.lake import versions
from quintet.lake.trino import query

__all__ = ["history", "rollback"]


def history(connection: trino.dbapi.Connection, table: Table, limit: int | None) -> list[dict[str, Any]]:
    """Snapshots, latest first; see quintet.lake.timetravel."""
    found = query(
        connection,
        "SELECT snapshot_id, committed_at, operation, CAST(element_at(summary, 'total-records') AS bigint) "
        f"FROM {_meta(table, 'snapshots')} ORDER BY committed_at DESC",
    )
    current = _current(connection, table)
    return [
        versions.row(number, at, operation, rows, is_current=number == current, is_readable=True)
        for number, at, operation, rows in found[:limit]
    ]


def rollback(connection: trino.dbapi.Connection, table: Table, version: int) -> dict[str, Any]:
    """Make a snapshot the current one; see quintet.lake.timetravel."""
    known = {entry["version"]: entry["rows"] for entry in history(connection, table, None)}
    if version not in known:
        raise versions.unknown(table, version, list(known))
    current = _current(connection, table)
    if version != current:
        query(connection, f"ALTER TABLE {table.full_name} EXECUTE rollback_to_snapshot(snapshot_id => {version})")
    now = _current(connection, table)
    return {"table": table.full_name, "from": current, "to": version, "version": now, "rows": known[version]}


def _current(connection: trino.dbapi.Connection, table: Table) -> int | None:
    found = query(connection, f"SELECT snapshot_id FROM {_meta(table, 'refs')} WHERE name = 'main'")
    return int(found[0][0]) if found else None


def _meta(table: Table, part: str) -> str:
    return f'{table.catalog}.{table.schema}."{table.name}${part}"'
