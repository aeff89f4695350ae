"""Prove that the database can be brought back: mark a moment, change rows, restore to the moment, compare every row.

A table counts as compared when it was the same before and after the moment was marked; others were written meanwhile,
and nobody knows what they held just then. The drill's own table is never written by others.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime

from quintet.backups.errors import BackupError
from quintet.backups.repository import Repository
from quintet.backups.scratch import recovered, restore, scratch_folder
from quintet.backups.server import Server
from quintet.backups.tablehash import TableHash, hashes
from quintet.errors import VerifyError
from quintet.settings import Lab

__all__ = ["MARKS", "Mark", "Outcome", "drill"]

#: Table of the drill, in the database that belongs to nobody else.
MARKS = "postgres.drill.marks"
#: Rows of earlier drills that are kept in it.
KEPT = 20
_MAKE = """
create schema if not exists drill;
create table if not exists drill.marks (number bigint generated always as identity primary key,
  marked_at timestamptz not null default clock_timestamp(), note text not null);
"""


@dataclass(frozen=True)
class Mark:
    """A moment, by the server's clock, and the hashes of the tables that did not change about it."""

    moment: datetime
    tables: dict[str, TableHash]
    moving: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """What a drill found; `restored_in_s` is from nothing to a server that takes writes."""

    moment: datetime
    tables: int
    rows: int
    moving: tuple[str, ...]
    restored_in_s: float


def drill(lab: Lab, repository: Repository) -> Outcome:
    """Mark, change, restore into a scratch folder, compare, remove it.

    Raises:
        VerifyError: rows differ.
        QuintetError: one of quintet.backups.errors.

    """
    server = repository.server
    server.require_primary()
    found = mark(server)
    _change(server)
    server.archive_now()
    began = time.monotonic()
    with scratch_folder(lab.path("data") / "postgres-drill", repository.user) as folder:
        restore(repository, folder / "data", found.moment, keeps_archiving=False)
        with (
            scratch_folder(lab.path("run") / "postgres-drill", repository.user) as sockets,
            recovered(repository, folder / "data", sockets) as restored,
        ):
            seconds = time.monotonic() - began
            compare(found, hashes(restored), hashes(server))
    return Outcome(
        moment=found.moment,
        tables=len(found.tables),
        rows=sum(table.rows for table in found.tables.values()),
        moving=found.moving,
        restored_in_s=round(seconds, 1),
    )


def mark(server: Server) -> Mark:
    """Write a row, note the time and the hashes of all tables about it."""
    server.ask(_MAKE)
    server.ask(f"delete from drill.marks where number <= (select max(number) - {KEPT} from drill.marks)")
    server.ask("insert into drill.marks (note) values ('kept'), ('changed afterwards'), ('deleted afterwards')")
    before = hashes(server)
    moment = datetime.fromisoformat(server.value("select clock_timestamp()")).astimezone(UTC)
    after = hashes(server)
    still = {name: found for name, found in before.items() if after.get(name) == found}
    if MARKS not in still:
        raise BackupError(f"somebody else writes {MARKS}", remedy="Let one drill run at a time")
    return Mark(moment, still, tuple(sorted({*before, *after} - {*still})))


def _change(server: Server) -> None:
    """Change what must not be found after the restore."""
    newest = "(select max(number) from drill.marks)"
    server.ask(f"update drill.marks set note = 'changed' where number = {newest} - 1")
    server.ask(f"delete from drill.marks where number = {newest}")
    server.ask("insert into drill.marks (note) values ('added afterwards')")


def compare(found: Mark, restored: dict[str, TableHash], live: dict[str, TableHash]) -> None:
    """Raise VerifyError unless all tables are as they were at the moment, and the drill's own is not as it is now."""
    wrong = [
        f"{name}: {there.rows if there else 'no'} rows, {noted.rows} wanted"
        for name, noted in found.tables.items()
        if (there := restored.get(name)) != noted
    ]
    if wrong:
        raise VerifyError(
            f"what was restored to {found.moment.isoformat()} differs in {len(wrong)} of {len(found.tables)} tables: "
            f"{'; '.join(wrong[:10])}",
            remedy="Do not trust this backup: take a full one (quintet backup postgres --kind full) and drill again",
        )
    if restored[MARKS] == live[MARKS]:
        raise VerifyError(
            f"what was restored holds changes that are younger than {found.moment.isoformat()}",
            remedy="Compare the clocks of the nodes, then drill again",
        )
