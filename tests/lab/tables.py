"""What the tables of the lab under test hold."""

from __future__ import annotations

from tests.lab.conftest import LabUnderTest

SILVER = ("invoice_lines", "customers", "products", "day_balance")


def fingerprint(lab: LabUnderTest) -> dict[str, str]:
    """One checksum over all rows and columns of each silver table, independent of order."""
    found = {}
    for name in SILVER:
        columns = [
            row["column"]
            for row in lab.sql(
                'select column_name as "column" from delta.information_schema.columns '
                f"where table_schema = 'silver_lakehouse' and table_name = '{name}' order by ordinal_position"
            )
        ]
        row = ", ".join(f'"{column}"' for column in columns)
        found[name] = str(lab.value(f"select to_hex(checksum(row({row}))) from delta.silver_lakehouse.{name}"))
    return found
