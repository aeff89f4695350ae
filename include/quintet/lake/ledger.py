"""The ledger of files: one row for each file and content that was ever offered.

The data table's transaction log is the truth about what landed: the commit that adds a batch carries the batch's
ledger rows in its commit information. The ledger is written after it, and `heal` copies rows that a killed landing
left out. Every row is guarded by an application transaction of the ledger table, so that two landings that heal the
same row leave one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError

from quintet.catalogue import Table
from quintet.lake.arrays import column
from quintet.lake.errors import LandingError
from quintet.lake.tables import arrow_schema

__all__ = ["COMMIT_KEY", "Entry", "heal", "read", "record", "to_commit"]

#: Key of the commit information that carries the ledger rows of a batch.
COMMIT_KEY = "quintet.files"

#: Commits of the data table that `heal` looks back over. Every landing heals first, so that only landings that run
#: at the same time can be ahead of the ledger.
_HEAL_COMMITS = 50
_ATTEMPTS = 10
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Entry:
    """One row of the ledger; `file_version` is 0 for content that did not land under this name."""

    feed: str
    source_file: str
    file_version: int
    file_hash: str
    file_date: date | None
    ingested_at: datetime
    batch_id: str
    status: str
    duplicate_of: str | None = None
    reason: str | None = None
    records: int | None = None
    bytes: int | None = None
    encoding: str | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """What is unique in the ledger."""
        return self.feed, self.source_file, self.file_hash

    @property
    def transaction(self) -> str:
        """Application transaction that guards the row."""
        return ":".join(self.key)


def read(path: Path, *, feed: str | None = None, batch_id: str | None = None) -> list[Entry]:
    """Rows of the ledger, all or of one feed or batch."""
    asked = {"feed": feed, "_batch_id": batch_id}
    predicate = " AND ".join(f"{name} = '{_quoted(value)}'" for name, value in asked.items() if value is not None)
    # Not to_pyarrow_table: its reader threads abort an interpreter that ends right after ("terminate called"). Not
    # pa.table(…), nor times as they are: both import pandas, most of a second.
    found = pa.RecordBatchReader.from_stream(DeltaTable(path).scan(predicate=predicate or None)).read_all()
    place = found.schema.get_field_index("_ingested_at")
    times = found.column(place).cast(pa.int64()).to_pylist()
    rows = found.remove_column(place).to_pylist()
    return [
        Entry(ingested_at=_EPOCH + timedelta(microseconds=time), **{name.lstrip("_"): row[name] for name in row})
        for row, time in zip(rows, times, strict=True)
    ]


def record(path: Path, table: Table, entries: Iterable[Entry]) -> int:
    """Write rows that the ledger lacks, and renew the rows of files that are refused again; number of rows written."""
    given = list(entries)
    refused = [entry for entry in given if entry.status == "refused"]
    if refused:
        _renew(path, table, refused)
    return len(refused) + _append(path, table, [entry for entry in given if entry.status != "refused"])


def heal(data: DeltaTable, path: Path, table: Table, known: Iterable[Entry]) -> list[Entry]:
    """Write the rows that landed in the data table and are absent from `known`; returns them."""
    have = {entry.key for entry in known if entry.status == "landed"}
    missing = {}
    for commit in data.history(_HEAL_COMMITS):
        for entry in _from_commit(commit.get(COMMIT_KEY, "[]")):
            if entry.key not in have:
                missing[entry.key] = entry
    _append(path, table, list(missing.values()))
    return list(missing.values())


def to_commit(entries: Sequence[Entry]) -> dict[str, str]:
    """Commit information that carries the rows."""
    rows = [{name: value for name, value in asdict(entry).items() if value is not None} for entry in entries]
    return {COMMIT_KEY: json.dumps(rows, default=lambda value: value.isoformat(), separators=(",", ":"))}


def _quoted(text: str) -> str:
    return text.replace("'", "''")


def _from_commit(text: str) -> list[Entry]:
    return [Entry(**_parsed(row)) for row in json.loads(text)]


def _parsed(row: dict[str, Any]) -> dict[str, Any]:
    day = row.get("file_date")
    return {
        **row,
        "file_date": date.fromisoformat(day) if day else None,
        "ingested_at": datetime.fromisoformat(row["ingested_at"]),
    }


def _append(path: Path, table: Table, entries: list[Entry]) -> int:
    for _ in range(_ATTEMPTS):
        ledger = DeltaTable(path)
        new = [entry for entry in entries if ledger.transaction_version(entry.transaction) is None]
        if not new:
            return 0
        guards = [Transaction(entry.transaction, 1) for entry in new]
        try:
            write_deltalake(
                ledger, _rows(table, new), mode="append", commit_properties=CommitProperties(app_transactions=guards)
            )
        except CommitFailedError:
            continue  # another landing wrote some of these rows: look again
        return len(new)
    raise LandingError(f"the ledger at {path} is written by others without end", remedy="Run again")


def _renew(path: Path, table: Table, entries: list[Entry]) -> None:
    """A refused file is offered, and refused, until somebody repairs it: its row shows the latest batch."""
    for _ in range(_ATTEMPTS):
        ledger = DeltaTable(path)
        same = " AND ".join(f"old.{name} = new.{name}" for name in table.key)
        merge = ledger.merge(_rows(table, entries), f"{same} AND old.status = 'refused'", "new", "old")
        try:
            merge.when_matched_update_all().when_not_matched_insert_all().execute()
        except CommitFailedError:
            continue
        return
    raise LandingError(f"the ledger at {path} is written by others without end", remedy="Run again")


def _rows(table: Table, entries: Sequence[Entry]) -> pa.Table:
    schema = arrow_schema(table)
    return pa.Table.from_arrays(
        [column([getattr(entry, kind.name.lstrip("_")) for entry in entries], kind.type) for kind in schema],
        schema=schema,
    )
