"""Days of invoice lines that land, and what silver would note of them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

from quintet.catalogue.lakehouse import DAY_BALANCE
from quintet.lake import ledger
from quintet.lake.landing import land
from quintet.lake.tables import arrow_schema, delta_path
from quintet.lakehouse.feeds import INVOICE_LINES
from quintet.settings import Lab


def landed(lab: Lab, files: Iterable[Path]) -> None:
    """Land files of invoice lines."""
    result = land(lab, INVOICE_LINES, list(files), batch_id="batch")
    assert not result.refused


def day_lines(
    count: int, *, day: str, changes: dict[int, dict[str, str]] | None = None, first_invoice: int = 536365
) -> list[str]:
    """Good records of a day, one invoice each; `changes` gives other fields to the record on a line of the file."""
    good = {"code": "85123A", "text": "LANTERN", "pieces": "6", "time": f"{day} 08:26:00", "price": "2.55"}
    good |= {"customer": "17850.0", "country": "United Kingdom"}
    records = []
    for place in range(count):
        record = {"invoice": str(first_invoice + place), **good, **(changes or {}).get(place + 2, {})}
        records.append(",".join(record.values()))
    return records


def balance(lab: Lab, *names: str, quarantined: int = 0) -> None:
    """Write what silver notes of published files."""
    entries = [entry for entry in ledger.read(delta_path(lab, INVOICE_LINES.ledger)) if entry.source_file in names]
    rows = [
        {
            "source_file": entry.source_file,
            "file_hash": entry.file_hash,
            "file_date": entry.file_date,
            "bronze_rows": entry.records,
            "silver_rows": (entry.records or 0) - quarantined,
            "exact_duplicate_rows": 0,
            "business_duplicate_rows": 0,
            "quarantined_rows": quarantined,
            "superseded_rows": 0,
        }
        for entry in entries
        if entry.status == "landed"
    ]
    schema = arrow_schema(DAY_BALANCE)
    table = pa.Table.from_pylist([{name: row.get(name) for name in schema.names} for row in rows], schema=schema)
    write_deltalake(DeltaTable(delta_path(lab, DAY_BALANCE)), table, mode="append")
