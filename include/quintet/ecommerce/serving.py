"""What streams keep for people in PostgreSQL: tables of the layer `live`, made and emptied as the catalogue says."""

from __future__ import annotations

from typing import Any

from quintet.catalogue.ecommerce import LIVE_SCHEMA, LIVE_TABLES
from quintet.catalogue.model import Table
from quintet.cdc.database import connect
from quintet.settings import Lab

__all__ = ["DATABASE", "empty", "provide", "rows", "statement_of"]

#: Database of the schema; its owner has the same name.
DATABASE = "shop"
#: Any number; two programs that make the tables at once wait for each other.
_LOCK = 7_261_305
_TYPES = {"long": "bigint", "integer": "integer", "string": "text", "timestamp": "timestamp(3)", "boolean": "boolean"}


def statement_of(table: Table) -> str:
    """What makes a table; times have no zone, they are UTC."""
    columns = [
        f"{column.name} {_TYPES.get(column.type, column.type.replace('decimal', 'numeric'))}"
        + ("" if column.nullable else " not null")
        for column in table.columns
    ]
    key = f"primary key ({', '.join(table.key)})"
    return f"create table if not exists {table.schema}.{table.name} ({', '.join([*columns, key])})"


def provide(lab: Lab) -> list[str]:
    """Make what is missing; names of all tables. Raises ServiceDownError."""
    with connect(lab, DATABASE) as shop:
        shop.execute("select pg_advisory_xact_lock(%s)", [_LOCK])
        shop.execute(f"create schema if not exists {LIVE_SCHEMA}")
        for table in LIVE_TABLES:
            shop.execute(statement_of(table))
    return [table.full_name for table in LIVE_TABLES]


def empty(lab: Lab) -> None:
    """Remove every row. Raises ServiceDownError."""
    provide(lab)
    with connect(lab, DATABASE) as shop:
        shop.execute(f"truncate {', '.join(f'{table.schema}.{table.name}' for table in LIVE_TABLES)}")


def rows(lab: Lab, statement: str) -> list[tuple[Any, ...]]:
    """Answer to a question about them. Raises ServiceDownError."""
    with connect(lab, DATABASE) as shop:
        return list(shop.execute(statement).fetchall())
