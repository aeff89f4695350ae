"""Where the batch layer stands: what has landed, what was taken back, what was published. Plain Delta, no Spark."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

from quintet.catalogue import Table
from quintet.catalogue.ecommercebatch import EVENT_LOG, PUBLICATIONS, WITHDRAWALS
from quintet.cdc.changelog import BATCH
from quintet.ecommerce.definitions import KINDS
from quintet.errors import InputError
from quintet.lake.tables import arrow_schema, delta_path
from quintet.settings import Lab, lab_of

__all__ = ["Publication", "Withdrawal", "append", "landed", "published", "withdraw", "withdrawals"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Publication:
    """What was published last."""

    number: int = 0
    up_to_batch: int = 0
    up_to_withdrawal: int = 0
    settled_until: datetime = _EPOCH


@dataclass(frozen=True)
class Withdrawal:
    """Records of a kind that arrived on a day, of landings up to one."""

    number: int
    kind: str
    arrived_date: date
    up_to_batch: int


def landed(lab: Lab) -> int:
    """Number of the newest landing; 0: there is none."""
    return DeltaTable(delta_path(lab, EVENT_LOG)).transaction_version(BATCH) or 0


def published(lab: Lab) -> Publication:
    """The last publication."""
    rows = _rows(lab, PUBLICATIONS, list(Publication.__dataclass_fields__))
    return Publication(**max(rows, key=lambda row: row["number"])) if rows else Publication()


def withdrawals(lab: Lab) -> list[Withdrawal]:
    """All withdrawals in their order."""
    rows = _rows(lab, WITHDRAWALS, list(Withdrawal.__dataclass_fields__))
    return [Withdrawal(**row) for row in sorted(rows, key=lambda row: row["number"])]


def withdraw(*, kind: str, arrived_date: str, by: str, reason: str, lab_file: str | None = None) -> dict[str, Any]:
    """Take back what has landed so far of a kind that arrived on a day; the corrected records are to be sent again.

    Returns {"number", "kind", "arrived_date", "up_to_batch"}.

    Raises:
        InputError: there is no such kind, the day is none, or nothing has landed.

    """
    lab = lab_of(lab_file)
    try:
        day = date.fromisoformat(arrived_date)
    except ValueError as error:
        raise InputError(f"'{arrived_date}' is no day", remedy="Write it as YYYY-MM-DD") from error
    if kind not in KINDS:
        raise InputError(f"there is no kind of event '{kind}'", remedy=f"Known kinds: {', '.join(KINDS)}")
    newest = landed(lab)
    if not newest:
        raise InputError("nothing has landed that could be taken back", remedy="Land the events first")
    number = max((entry.number for entry in withdrawals(lab)), default=0) + 1
    row = {
        "number": number,
        "kind": kind,
        "arrived_date": day,
        "up_to_batch": newest,
        "withdrawn_by": by,
        "reason": reason,
    }
    append(lab, WITHDRAWALS, [row])
    return {"number": number, "kind": kind, "arrived_date": arrived_date, "up_to_batch": newest}


def append(lab: Lab, table: Table, rows: list[dict[str, Any]]) -> None:
    """Add rows to a table that delta-rs writes."""
    content = pa.Table.from_pylist(rows, schema=arrow_schema(table))
    write_deltalake(delta_path(lab, table), content, mode="append")


def _rows(lab: Lab, table: Table, columns: list[str]) -> list[dict[str, Any]]:
    return list(pa.table(DeltaTable(delta_path(lab, table)).scan(columns=columns)).to_pylist())
