"""What the last backup of PostgreSQL and the last restore drill have told of themselves."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from quintet.backups.tasks import LAST_BACKUP, LAST_DRILL, SLUG
from quintet.monitoring.figures import Figure
from quintet.runs import record
from quintet.settings import Lab

__all__ = ["backups"]


def backups(lab: Lab) -> Iterator[Figure]:
    """Times of both, what would have been lost when the backup began, and how long the drill restored.

    A lab that has none yet tells nothing.
    """
    taken, drilled = (record.read(lab, SLUG, name) for name in (LAST_BACKUP, LAST_DRILL))
    if taken:
        yield Figure("quintet_backup_timestamp_seconds", _seconds(taken["at"]))
        yield Figure("quintet_backup_stored_bytes", float(taken["stored"]))
        if taken["lost_s"] is not None:
            yield Figure("quintet_backup_recovery_point_seconds", float(taken["lost_s"]))
    if drilled:
        yield Figure("quintet_backup_drill_timestamp_seconds", _seconds(drilled["at"]))
        yield Figure("quintet_backup_recovery_time_seconds", float(drilled["restored_in_s"]))


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()
