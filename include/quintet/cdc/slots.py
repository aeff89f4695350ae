"""The replication slot of a source: how far behind its reader is, what it holds back of the log, and its loss.

A slot keeps the database's log for its reader. A reader that is away would fill the disk: beyond the size that the
server allows (`max_slot_wal_keep_size`) the slot is lost instead, and the reader starts anew (`quintet.cdc.recovery`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from quintet.catalogue import ChangeSource
from quintet.cdc.connector import ROLE
from quintet.cdc.database import connect
from quintet.settings import Lab

__all__ = ["Slot", "drop", "position", "slot_of"]

#: Share of the allowed size from which on a slot is a worry.
WORRY = 0.5


@dataclass(frozen=True)
class Slot:
    """One slot. `status` is PostgreSQL's: reserved, extended, unreserved or lost; sizes in bytes."""

    name: str
    is_active: bool
    status: str
    behind: int
    held: int
    allowed: int | None

    @property
    def is_lost(self) -> bool:
        """The log it needs is gone: nothing can be read from it any more."""
        return self.status == "lost"

    @property
    def is_worrying(self) -> bool:
        """It holds back more than half of what it may, or is about to be lost."""
        too_much = self.allowed is not None and self.held > WORRY * self.allowed
        return too_much or self.status in {"unreserved", "lost"}

    def as_json(self) -> dict[str, Any]:
        """JSON object."""
        return {
            "slot": self.name,
            "active": self.is_active,
            "status": self.status,
            "behind_bytes": self.behind,
            "held_bytes": self.held,
            "allowed_bytes": self.allowed,
        }


def slot_of(lab: Lab, source: ChangeSource) -> Slot | None:
    """The source's slot; None: there is none. Raises ServiceDownError."""
    with connect(lab, source.database, role=ROLE) as database:
        row = database.execute(
            "select active, coalesce(wal_status, 'lost'), "
            "coalesce((pg_current_wal_insert_lsn() - confirmed_flush_lsn)::bigint, 0), "
            "coalesce((pg_current_wal_insert_lsn() - restart_lsn)::bigint, 0), "
            "(select setting::bigint from pg_settings where name = 'max_slot_wal_keep_size') "
            "from pg_replication_slots where slot_name = %s",
            [source.slot],
        ).fetchone()
    if row is None:
        return None
    active, status, behind, held, allowed = row
    return Slot(source.slot, active, status, behind, held, None if allowed < 0 else allowed * 1024 * 1024)


def drop(lab: Lab, source: ChangeSource) -> bool:
    """Drop the slot; tells whether there was one. Its reader must be stopped. Raises ServiceDownError."""
    with connect(lab, source.database, role=ROLE, autocommit=True) as database:
        return bool(
            database.execute(
                "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = %s",
                [source.slot],
            ).rowcount
        )


def position(lab: Lab, source: ChangeSource) -> int:
    """Place where the database's log ends now, in bytes. Raises ServiceDownError."""
    with connect(lab, source.database, role=ROLE) as database:
        return int(database.execute("select (pg_current_wal_insert_lsn() - '0/0')::bigint").fetchone()[0])
