"""What the tables of the lab under test hold."""

from __future__ import annotations

from collections.abc import Iterable

from tests.lab.conftest import LabUnderTest

SILVER = tuple(f"delta.silver_lakehouse.{name}" for name in ("invoice_lines", "customers", "products", "day_balance"))


def fingerprint(lab: LabUnderTest, tables: Iterable[str] = SILVER) -> dict[str, str]:
    """One checksum over all rows and columns of each table, independent of order, by its bare name."""
    found = {}
    for full_name in tables:
        catalog, schema, name = full_name.split(".")
        columns = [
            row["column"]
            for row in lab.sql(
                f'select column_name as "column" from {catalog}.information_schema.columns '
                f"where table_schema = '{schema}' and table_name = '{name}' order by ordinal_position"
            )
        ]
        row = ", ".join(f'"{column}"' for column in columns)
        found[name] = str(lab.value(f"select to_hex(checksum(row({row}))) from {full_name}"))
    return found
