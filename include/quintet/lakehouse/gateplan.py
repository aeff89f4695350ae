"""What the gate judges: the newest version of each file that is pending, of a range of days, or of all.

A file is pending when silver has not published it, or published it with other rows in quarantine than are there now:
a person has accepted some. A plan speaks of one version of the bronze table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import pyarrow as pa
from deltalake import DeltaTable

from quintet.catalogue.lakehouse import DAY_BALANCE, INVOICE_LINES_RAW
from quintet.errors import LabError
from quintet.lake import ledger
from quintet.lake.ledger import Entry
from quintet.lake.tables import delta_path
from quintet.lakehouse.feeds import INVOICE_LINES
from quintet.lakehouse.held import quarantined_rows
from quintet.quality.groups import HISTORY
from quintet.settings import Lab

__all__ = ["Plan", "Selection", "make_plan"]

_ATTEMPTS = 10


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What is asked for: nothing set means pending files; a range takes files by the day in their name."""

    from_: date | None = None
    to: date | None = None
    full_refresh: bool = False

    def wants(self, entry: Entry, settled: set[str]) -> bool:
        """Whether a file belongs to the batch; `settled` are the hashes of files that silver is done with."""
        if not entry.records:
            return False  # a header alone: there is nothing to judge, and silver keeps no balance of it
        if self.full_refresh:
            return True
        if self.from_ is None and self.to is None:
            return entry.file_hash not in settled
        day = entry.file_date
        return day is not None and (self.from_ or day) <= day <= (self.to or day)


@dataclass(frozen=True)
class Plan:
    """Files to judge, published files they are compared with, and files that no longer count."""

    bronze_version: int
    batch: tuple[Entry, ...]
    history: tuple[Entry, ...]
    superseded: tuple[Entry, ...]


def make_plan(lab: Lab, selection: Selection) -> Plan:
    """Choose the files. Raises LabError when files land without end meanwhile."""
    path = delta_path(lab, INVOICE_LINES_RAW)
    ledger_path = delta_path(lab, INVOICE_LINES.ledger)
    for _ in range(_ATTEMPTS):
        bronze = DeltaTable(path)
        known = ledger.read(ledger_path, feed=INVOICE_LINES.name)
        # A landing that was killed between data and ledger is made good here too.
        landed = [*known, *ledger.heal(bronze, ledger_path, INVOICE_LINES.ledger, known)]
        # The ledger is read between two looks at the table: when both see one version, it tells of just that version.
        if DeltaTable(path).version() == bronze.version():
            return _plan(lab, bronze.version(), [entry for entry in landed if entry.status == "landed"], selection)
    raise LabError("files land in bronze without end", remedy="Run the gate when the ingest has finished")


def _plan(lab: Lab, version: int, landed: Sequence[Entry], selection: Selection) -> Plan:
    newest: dict[str, int] = {}
    for entry in landed:
        newest[entry.source_file] = max(entry.file_version, newest.get(entry.source_file, 0))
    counting = [entry for entry in landed if entry.file_version == newest[entry.source_file]]
    balanced = _balanced(lab)
    held = quarantined_rows(lab)
    settled = {key for key, rows in balanced.items() if rows == held.get(key, 0)}
    batch = [entry for entry in counting if selection.wants(entry, settled)]
    chosen = {entry.file_hash for entry in batch}
    published = [entry for entry in counting if entry.file_hash in balanced and entry.file_hash not in chosen]
    older = [entry for entry in landed if entry.file_version < newest[entry.source_file]]
    return Plan(version, tuple(batch), tuple(_history(batch, published)), tuple(older))


def _balanced(lab: Lab) -> dict[str, int]:
    """Files that silver has published (hash), and how many of their rows it left in quarantine."""
    scan = DeltaTable(delta_path(lab, DAY_BALANCE)).scan(columns=["file_hash", "quarantined_rows"])
    found = pa.table(scan).to_pydict()
    return dict(zip(found["file_hash"], found["quarantined_rows"], strict=True))


def _history(batch: Sequence[Entry], published: Sequence[Entry]) -> list[Entry]:
    """Published files that are the history of any file of the batch, or stand between its days."""
    days = [entry.file_date for entry in batch if entry.file_date]
    if not days:
        return []
    first, last = min(days), max(days)
    dated = sorted((entry.file_date, entry.source_file, entry.file_hash) for entry in published if entry.file_date)
    before = [key for day, _, key in dated if day < first][-HISTORY:]
    between = [key for day, _, key in dated if first <= day <= last]
    wanted = {*before, *between}
    return [entry for entry in published if entry.file_hash in wanted]
