"""Builder of an event log: landings as `quintet.cdc.landing` commits them, without a broker."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake

from labs import lab_below
from quintet.catalogue import Table
from quintet.catalogue.ecommercebatch import BATCH_TABLES, EVENT_LOG
from quintet.cdc.changelog import BATCH
from quintet.ecommerce.batch.rows import as_row
from quintet.ecommerce.definitions import KINDS
from quintet.lake.tables import arrow_schema, create_empty, delta_path
from quintet.settings import Lab

Record = dict[str, Any]


class EventLog:
    """The log of a lab of its own, and what was read of its tables."""

    def __init__(self, home: Path, jars: Path | None) -> None:
        self.lab: Lab = lab_below(home, jars=jars)
        for table in BATCH_TABLES:
            create_empty(self.lab, table)
        self._offsets: Counter[str] = Counter()

    def land(self, records: Mapping[str, Iterable[Record]]) -> int:
        """A landing of records by kind, each with the fields of its topic and `arrived_at`; its number."""
        rows = []
        for kind, given in records.items():
            for record in given:
                fields = {name: value for name, value in record.items() if name != "arrived_at"}
                arrived = int(record["arrived_at"].timestamp() * 1000)
                place = self._offsets[kind]
                self._offsets[kind] += 1
                rows.append(as_row(kind, fields, arrived_ms=arrived, schema_id=1, partition=0, offset=place))
        table = DeltaTable(delta_path(self.lab, EVENT_LOG))
        number = (table.transaction_version(BATCH) or 0) + 1
        schema = arrow_schema(EVENT_LOG)
        columns = [*zip(*rows, strict=True), (number,) * len(rows)]
        arrays = [
            pa.array(values, pa.int64()).cast(field.type)
            if pa.types.is_timestamp(field.type)
            else pa.array(values, field.type)
            for values, field in zip(columns, schema, strict=True)
        ]
        noted = CommitProperties(app_transactions=[Transaction(BATCH, number)])
        content = pa.Table.from_arrays(arrays, schema=schema)
        write_deltalake(table, content, mode="append", commit_properties=noted)
        return number

    def rows(self, table: Table) -> list[Record]:
        """Rows of a table by its key."""
        found = pa.table(DeltaTable(delta_path(self.lab, table)).scan()).to_pylist()
        return sorted(found, key=lambda row: tuple(row[name] for name in table.key))


def records_of(day: Path) -> dict[str, list[Record]]:
    """Records of one day of an input, by kind."""
    return {kind: pq.read_table(day / f"{kind}.parquet").to_pylist() for kind in KINDS}
