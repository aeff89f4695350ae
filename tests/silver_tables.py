"""Silver tables as values that can be compared, and labs whose files have been judged already."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

from quintet.catalogue import Table
from quintet.catalogue.lakehouse import CUSTOMERS, DAY_BALANCE, INVOICE_LINES, PRODUCTS, QUARANTINE
from quintet.lake.landing import land
from quintet.lake.tables import arrow_schema, delta_path
from quintet.lakehouse.feeds import CUSTOMER_CHANGES, PRODUCT_CHANGES
from quintet.lakehouse.feeds import INVOICE_LINES as LINES
from quintet.settings import Lab

PUBLISHED = (INVOICE_LINES, CUSTOMERS, PRODUCTS, DAY_BALANCE)
_FEEDS = {"by_day": LINES, "customers": CUSTOMER_CHANGES, "products": PRODUCT_CHANGES}


def table_rows(lab: Lab, table: Table) -> list[dict[str, Any]]:
    """Rows in the order of the table's key."""
    found: list[dict[str, Any]] = pa.table(DeltaTable(delta_path(lab, table)).scan()).to_pylist()
    return sorted(found, key=lambda row: tuple(row[name] for name in table.key))


def silver_tables(lab: Lab) -> dict[str, list[dict[str, Any]]]:
    """Every published table."""
    return {table.name: table_rows(lab, table) for table in PUBLISHED}


def table_versions(lab: Lab) -> dict[str, int]:
    """Delta version of every published table."""
    return {table.name: DeltaTable(delta_path(lab, table)).version() for table in PUBLISHED}


def land_files(lab: Lab, files: Iterable[Path]) -> None:
    """Land files by the folder they lie in: by_day, customers or products; others are days."""
    for path in files:
        land(lab, _FEEDS.get(path.parent.name, LINES), [path], batch_id="test")


def hold_rows(lab: Lab, rows: Iterable[tuple[str, int]], *, status: str = "open") -> None:
    """Set the rows (file hash, line) of quarantine, in place of what is there."""
    schema = arrow_schema(QUARANTINE)
    fixed = {
        "_source_file": "any",
        "_file_version": 1,
        "_reasons": "test",
        "_status": status,
        "_run_id": "test",
        "_detected_at": datetime(2025, 1, 1, tzinfo=UTC),
    }
    content = [{**dict.fromkeys(schema.names), **fixed, "_file_hash": name, "_line_number": at} for name, at in rows]
    write_deltalake(delta_path(lab, QUARANTINE), pa.Table.from_pylist(content, schema=schema), mode="overwrite")
