"""Delta tables made of many small commits, as many landings leave them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

from quintet.catalogue import Table
from quintet.lake.tables import arrow_schema, delta_path
from quintet.settings import Lab


def append_rows(lab: Lab, table: Table, commits: int, *, rows: int = 20, first: int = 0) -> None:
    """Append `commits` times `rows` rows: a file a commit, and every day in every file."""
    for commit in range(commits):
        numbers = [first + commit + commits * place for place in range(rows)]
        content = [{field.name: _value(field, number) for field in arrow_schema(table)} for number in numbers]
        write_deltalake(
            delta_path(lab, table), pa.Table.from_pylist(content, schema=arrow_schema(table)), mode="append"
        )


def version_of(lab: Lab, table: Table) -> int:
    """Version of a table."""
    return DeltaTable(delta_path(lab, table)).version()


def files_of(lab: Lab, table: Table) -> int:
    """Number of data files that a table is made of now."""
    return len(DeltaTable(delta_path(lab, table)).file_uris())


def sorted_rows(lab: Lab, table: Table, *, version: int | None = None) -> list[dict[str, Any]]:
    """All rows, in the order of the key."""
    found = pa.RecordBatchReader.from_stream(DeltaTable(delta_path(lab, table), version=version).scan()).read_all()
    return sorted(found.to_pylist(), key=lambda row: tuple(row[name] for name in table.key))


def _value(field: pa.Field, number: int) -> Any:
    if field.nullable and number % 7 == 0:
        return None
    if pa.types.is_date(field.type):
        return date(2011, 1, 1) + timedelta(days=number % 5)
    if pa.types.is_timestamp(field.type):
        return datetime(2011, 1, 1, tzinfo=UTC) + timedelta(seconds=number)
    if pa.types.is_boolean(field.type):
        return number % 2 == 0
    return f"{field.name}-{number:06}" if pa.types.is_string(field.type) else number
