"""Backups of PostgreSQL, for `quintet doctor`: the log is archived, and backups are as young as their schedule."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from quintet.backups.errors import BackupError
from quintet.backups.repository import Backup, Repository
from quintet.catalogue.platform import PLATFORM_DAGS
from quintet.settings import Lab

__all__ = ["ask_archive", "ask_backups"]

#: The DAG takes a backup every day and a full one every week; a day more is the time for a person to look.
ANY, FULL = timedelta(days=2), timedelta(days=9)
_ARCHIVER = """
select coalesce(extract(epoch from now() - last_archived_time), -1)::bigint,
  coalesce(last_failed_time > coalesce(last_archived_time, '-infinity'), false), coalesce(last_failed_wal, '')
from pg_stat_archiver
"""
_IS_ON = f"select not is_paused from dag where dag_id = '{PLATFORM_DAGS[0].dag_id}'"


def ask_archive(lab: Lab, _timeout: float) -> str:
    """Say when the log was archived last.

    Raises:
        BackupError: the last try failed, or the server does not answer.

    """
    server = Repository.of(lab).server
    if server.is_replica():
        return "the server here is a replica"
    age, has_failed, segment = server.ask(_ARCHIVER)[0]
    if has_failed == "t":
        raise BackupError(
            f"the log of PostgreSQL is not archived: {segment} failed, and nothing came through since",
            remedy="Read why: quintet logs postgres; room and rights in the folder backups are common causes",
        )
    return "nothing to archive yet" if age == "-1" else f"a segment was archived {age} s ago"


def ask_backups(lab: Lab, _timeout: float) -> str:
    """Say how old the newest backup of the present cluster is. While nobody has switched the DAG on there need be none.

    Raises:
        QuintetError: it is older than the schedule allows, or the repository cannot be read.

    """
    repository = Repository.of(lab)
    if repository.server.is_replica():
        return "the server here is a replica"
    _, ours = repository.present()
    if repository.server.value(_IS_ON, "airflow") != "t":
        return f"{len(ours)} of them; the DAG {PLATFORM_DAGS[0].dag_id} is not switched on"
    now = datetime.now(UTC)
    for kind, found, limit in (("full", _newest(ours, "full"), FULL), ("any", _newest(ours), ANY)):
        if found is None or now - found.ended_at > limit:
            told = f"is of {found.ended_at:%Y-%m-%d %H:%M} UTC" if found else "does not exist"
            raise BackupError(
                f"the newest {'full ' if kind == 'full' else ''}backup of PostgreSQL {told}",
                remedy=f"Look at the last run of {PLATFORM_DAGS[0].dag_id}, or take one now: quintet backup postgres",
            )
    newest = _newest(ours)
    return f"{len(ours)} of them, the newest of {newest.ended_at:%Y-%m-%d %H:%M} UTC" if newest else ""


def _newest(backups: list[Backup], kind: str | None = None) -> Backup | None:
    return next((backup for backup in reversed(backups) if kind in (None, backup.kind)), None)
