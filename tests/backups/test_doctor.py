"""What `quintet doctor` says of a real server's archive and backups."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from backup_server import LIMIT, Guarded, guarded_server
from labs import lab_below
from quintet.backups import tasks
from quintet.backups.errors import BackupError
from quintet.health import backups
from quintet.health.backups import ask_archive, ask_backups


@pytest.fixture(scope="module")
def guarded() -> Iterator[Guarded]:
    """With a table of DAGs as Airflow's, in which the one of the backup is not switched on."""
    with guarded_server() as found:
        found.server.ask("create database airflow")
        found.server.ask("create table dag (dag_id text, is_paused boolean)", "airflow")
        found.server.ask("insert into dag values ('platform_backup_postgres', true)", "airflow")
        yield found


def switch(guarded: Guarded, *, on: bool) -> None:
    guarded.server.ask(f"update dag set is_paused = {'false' if on else 'true'}", "airflow")


def test_an_archive_that_fails_is_told_and_one_that_works_again(guarded: Guarded) -> None:
    guarded.server.archive_now()
    assert ask_archive(guarded.lab, 5).startswith("a segment was archived ")
    away = guarded.repository.folder / "away"
    (guarded.repository.folder / "archive").rename(away)
    try:
        guarded.server.ask("create table late (id int); select pg_switch_wal()")
        with pytest.raises(BackupError, match=r"is not archived: 0000.* quintet logs postgres"):
            until_told(guarded)
    finally:
        shutil.rmtree(guarded.repository.folder / "archive", ignore_errors=True)
        away.rename(guarded.repository.folder / "archive")
    guarded.server.archive_now()
    assert ask_archive(guarded.lab, 5).startswith("a segment was archived ")


def until_told(guarded: Guarded) -> None:
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        ask_archive(guarded.lab, 5)
        time.sleep(0.2)


def test_backups_are_wanted_once_their_dag_is_switched_on(guarded: Guarded, monkeypatch: pytest.MonkeyPatch) -> None:
    switch(guarded, on=False)
    assert ask_backups(guarded.lab, 5) == "0 of them; the DAG platform_backup_postgres is not switched on"
    switch(guarded, on=True)
    with pytest.raises(BackupError, match=r"newest full backup of PostgreSQL does not exist.* quintet backup postgres"):
        ask_backups(guarded.lab, 5)
    tasks.back_up("full", lab_file=str(guarded.lab.file))
    assert ask_backups(guarded.lab, 5).startswith("1 of them, the newest of ")
    for days, told in ((3, "newest backup"), (10, "newest full backup")):
        later = datetime.now(UTC) + timedelta(days=days)
        monkeypatch.setattr(backups, "datetime", type("Later", (datetime,), {"now": lambda _, later=later: later}))
        with pytest.raises(BackupError, match=f"the {told} of PostgreSQL is of 20"):
            ask_backups(guarded.lab, 5)


def test_a_lab_without_the_settings_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="make install"):
        ask_archive(lab_below(tmp_path / "lab"), 5)
