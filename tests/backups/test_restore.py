"""A real server, the real pgBackRest: backup, changes, restore to a moment, and what may be wrong with it."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from backup_server import Guarded, guarded_server
from quintet.backups import tasks
from quintet.backups.drill import compare, mark
from quintet.backups.errors import FilledFolderError, LogGapError, NoBackupError, RepositoryDamagedError
from quintet.backups.repository import number
from quintet.backups.scratch import recovered, restore, scratch_folder
from quintet.backups.tablehash import TableHash, hashes
from quintet.errors import InputError, VerifyError
from quintet.monitoring.backups import backups


@pytest.fixture(scope="module")
def guarded() -> Iterator[Guarded]:
    """A server with a table, a full backup of it, and an incremental one with more rows."""
    with guarded_server() as found:
        ask = found.server.ask
        ask("create database shop")
        ask("create table orders (id int primary key, note text); insert into orders values (1, 'first')", "shop")
        assert tasks.back_up("full", lab_file=str(found.lab.file))["kind"] == "full"
        ask("insert into orders select n, repeat('more', n) from generate_series(2, 500) n", "shop")
        assert tasks.back_up("incr", lab_file=str(found.lab.file))["kind"] == "incr"
        yield found


def restored(guarded: Guarded, moment: datetime) -> dict[str, TableHash]:
    """Hashes of a scratch server at a moment."""
    repository = guarded.repository
    with (
        scratch_folder(guarded.lab.path("data") / "scratch", guarded.lab.user) as folder,
        scratch_folder(guarded.lab.path("run") / "scratch", guarded.lab.user) as sockets,
    ):
        restore(repository, folder / "data", moment, keeps_archiving=False)
        with recovered(repository, folder / "data", sockets) as server:
            return hashes(server)


def test_the_database_comes_back_as_it_was_at_a_moment(guarded: Guarded) -> None:
    server = guarded.server
    server.ask("insert into orders values (1000, 'after the backups')", "shop")
    found = mark(server)
    time.sleep(0.01)
    server.ask("update orders set note = 'changed' where id = 1000; delete from orders where id < 100", "shop")
    server.ask("create table late (id int)", "shop")
    server.archive_now()
    there = restored(guarded, found.moment)
    assert there == found.tables
    assert there["shop.public.orders"].rows == 501
    assert "shop.public.late" not in there
    assert hashes(server)["shop.public.orders"] != there["shop.public.orders"]


def test_the_drill_proves_it_and_leaves_nothing_behind(guarded: Guarded) -> None:
    # As a task of another environment hands it over.
    found = json.loads(json.dumps(tasks.drill(lab_file=str(guarded.lab.file))))
    assert found["tables"] >= 2
    assert found["moving"] == []
    assert 0 < found["restored_in_s"] < 600
    assert not (guarded.lab.path("data") / "postgres-drill").exists()
    assert not (guarded.lab.path("run") / "postgres-drill").exists()
    told = tasks.listing(lab_file=str(guarded.lab.file))
    assert told["drill"]["tables"] == found["tables"]
    assert 0 <= told["last"]["lost_s"] < 600
    figures = {figure.name: figure.value for figure in backups(guarded.lab)}
    assert figures["quintet_backup_recovery_time_seconds"] == found["restored_in_s"]
    assert figures["quintet_backup_recovery_point_seconds"] == told["last"]["lost_s"]
    assert 0 <= time.time() - figures["quintet_backup_timestamp_seconds"] < 600


def test_a_drill_whose_rows_differ_is_told(guarded: Guarded) -> None:
    found = mark(guarded.server)
    other = {**found.tables, "shop.public.orders": TableHash("shop.public.orders", 1, "0" * 32)}
    with pytest.raises(VerifyError, match=r"differs in 1 of \d+ tables: shop\.public\.orders: 1 rows, \d+ wanted"):
        compare(found, other, {})


def test_the_kinds_of_backups_hang_on_one_another(guarded: Guarded) -> None:
    full, incr = guarded.repository.backups()[:2]
    assert (full.kind, incr.kind) == ("full", "incr")
    assert incr.label.startswith(full.label)
    assert incr.stored < full.stored / 2
    with pytest.raises(InputError, match="no kind weekly"):
        tasks.back_up("weekly", lab_file=str(guarded.lab.file))


def test_a_moment_before_the_first_backup_is_refused(guarded: Guarded) -> None:
    with pytest.raises(NoBackupError, match="quintet backup list"):
        restored(guarded, datetime(2020, 1, 1, tzinfo=UTC))


def test_a_folder_with_files_is_left_alone(guarded: Guarded) -> None:
    with pytest.raises(FilledFolderError, match="not empty"):
        tasks.restore(str(guarded.data), lab_file=str(guarded.lab.file))
    assert guarded.server.value("select 1") == "1"


def test_a_missing_segment_of_the_log_is_named(guarded: Guarded, tmp_path: Path) -> None:
    server, repository = guarded.server, guarded.repository
    first = server.archive_now()
    server.ask("insert into orders values (2000, 'in the segment that will be missing')", "shop")
    lost = server.archive_now()
    server.ask("insert into orders values (2001, 'behind it')", "shop")
    found = mark(server)
    server.ask("insert into orders values (2002, 'afterwards')", "shop")
    server.archive_now()
    (segment,) = repository.folder.rglob(f"{lost}-*")
    kept = shutil.move(segment, tmp_path / segment.name)
    try:
        with pytest.raises(LogGapError, match=f"{lost[8:]}.*read up to {first}.*kind full"):
            restored(guarded, found.moment)
        with pytest.raises(LogGapError, match=lost[8:]):
            tasks.check(lab_file=str(guarded.lab.file))
        # A full backup needs nothing of before: moments since it can be restored.
        taken = tasks.back_up("full", lab_file=str(guarded.lab.file))["label"]
        assert tasks.check(lab_file=str(guarded.lab.file))["missing"] == [lost[8:]]
    finally:
        shutil.move(kept, segment)
    assert restored(guarded, found.moment) == found.tables
    assert tasks.check(lab_file=str(guarded.lab.file))["missing"] == []
    assert tasks.remove(taken, lab_file=str(guarded.lab.file))["removed"] == [taken]


@pytest.mark.parametrize("what", ["bundle/1", "backup.info", "archive"])
def test_a_damaged_file_of_the_repository_is_told(guarded: Guarded, what: str) -> None:
    repository = guarded.repository
    label = repository.backups()[0].label
    if what == "archive":
        victims = [next(repository.folder.rglob(f"{guarded.server.archive_now()}-*"))]
    elif what == "backup.info":
        victims = [repository.folder / "backup" / "main" / name for name in ("backup.info", "backup.info.copy")]
    else:
        victims = [repository.folder / "backup" / "main" / label / what]
    before = [victim.read_bytes() for victim in victims]
    try:
        for victim, whole in zip(victims, before, strict=True):
            middle = len(whole) // 2
            flipped = bytes(byte ^ 0xFF for byte in whole[middle : middle + 4])
            victim.write_bytes(whole[:middle] + flipped + whole[middle + 4 :])
        with pytest.raises(RepositoryDamagedError, match=r"is damaged.*kind full.*quintet backup remove"):
            tasks.check(lab_file=str(guarded.lab.file))
    finally:
        for victim, whole in zip(victims, before, strict=True):
            victim.write_bytes(whole)
    assert tasks.check(lab_file=str(guarded.lab.file))["backups"] >= 2


def test_the_place_of_a_segment_counts_over_the_edge_of_its_name() -> None:
    assert number("000000020000000100000000") - number("0000000100000000000000FF") == 1
