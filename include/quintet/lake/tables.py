"""Delta tables of the catalogue: where they lie, their declared schema, and how they come to be.

Tables are created here and nowhere else; writers append or merge into them and must bring exactly the declared
columns, in order.
"""

from __future__ import annotations

import json
from pathlib import Path

import deltalake
import pyarrow as pa
from deltalake.schema import PrimitiveType

from quintet.catalogue import Table, tables
from quintet.errors import LabError
from quintet.lake.arrowtypes import arrow_type
from quintet.settings import Lab

__all__ = [
    "arrow_schema",
    "create_empty",
    "declared_schema",
    "delta_path",
    "delta_tables",
    "delta_uri",
]


def delta_tables(slug: str | None = None) -> tuple[Table, ...]:
    """Delta tables of the catalogue, or those of one project."""
    return tuple(entry for entry in tables(slug) if entry.catalog == "delta")


def delta_path(lab: Lab, table: Table) -> Path:
    """Folder of a Delta table in this lab."""
    return lab.path("lake") / table.location


def delta_uri(lab: Lab, table: Table) -> str:
    """Give the location as Spark and Trino want it, a file URI."""
    return delta_path(lab, table).resolve().as_uri()


def declared_schema(table: Table) -> deltalake.Schema:
    """Delta schema of a table: names, types, nullability, and the description of each column as its comment."""
    return deltalake.Schema(
        [
            deltalake.Field(
                column.name,
                PrimitiveType(column.type),
                nullable=column.nullable,
                metadata={"comment": column.description},
            )
            for column in table.columns
        ]
    )


def arrow_schema(table: Table) -> pa.Schema:
    """Arrow schema of a table, as a writer must bring it: `timestamp` is timestamp[us, tz=UTC]."""
    return pa.schema(
        [pa.field(column.name, arrow_type(column.type), nullable=column.nullable) for column in table.columns]
    )


def create_empty(lab: Lab, table: Table) -> bool:
    """Create the table empty with its declared schema; True when it was made, False when it was there.

    Columns that the catalogue gained since are added to a table that is there (nullable ones only); an open table may
    have more columns than are declared.

    Raises:
        LabError: the table that is there has another schema than the declared one.

    """
    path = delta_path(lab, table)
    if deltalake.DeltaTable.is_deltatable(str(path)):
        _evolve(path, table)
        return False
    path.mkdir(parents=True, exist_ok=True)
    deltalake.DeltaTable.create(
        path,
        declared_schema(table),
        mode="ignore",
        name=table.name,
        description=table.description,
        partition_by=list(table.partition_by) or None,
    )
    return True


def _evolve(path: Path, table: Table) -> None:
    found = deltalake.DeltaTable(path)
    have = {field.name: _signature(field) for field in found.schema().fields}
    want = {field.name: _signature(field) for field in declared_schema(table).fields}
    added = [field for field in declared_schema(table).fields if field.name not in have]
    gained = {name for name in have if name not in want and table.is_open}
    changed = sorted(name for name in have.keys() - gained if want.get(name) != have[name])
    if changed or any(not field.nullable for field in added):
        names = ", ".join([*changed, *(field.name for field in added if not field.nullable)])
        raise LabError(
            f"the table {table.full_name} at {path} differs from the catalogue in: {names}",
            remedy="Reset the data (make reset) or restore a backup of the same version",
        )
    if added:
        found.alter.add_columns(added)


def _signature(field: deltalake.Field) -> tuple[str, bool]:
    return json.dumps(json.loads(field.type.to_json())), field.nullable
