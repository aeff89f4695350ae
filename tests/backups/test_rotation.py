"""What is rotated away and when, what becomes of backups when the cluster is made anew, and a disk without room."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from backup_server import Guarded, guarded_server
from quintet.backups import repository, tasks
from quintet.backups.drill import mark
from quintet.backups.errors import BackupError, NoRoomError, NotPrimaryError
from quintet.backups.scratch import recovered, restore, scratch_folder
from quintet.backups.server import Server
from quintet.backups.tablehash import hashes

DAY = 86400


@pytest.fixture
def guarded() -> Iterator[Guarded]:
    with guarded_server() as found:
        found.server.ask("create table orders (id int); insert into orders select generate_series(1, 200)")
        yield found


def aged(folder: Path, days: dict[str, int]) -> None:
    """Make backups older, by rewriting the list of them with its checksum.

    Source: pgBackRest 2.45, src/info/info.c: SHA-1 of the sections and keys as one JSON object, without the checksum.
    """
    path = folder / "backup" / "main" / "backup.info"
    sections: dict[str, dict[str, str]] = {}
    for line in path.read_text().splitlines():
        if line.startswith("["):
            current = sections.setdefault(line[1:-1], {})
        elif line:
            key, _, value = line.partition("=")
            current[key] = value
    del sections["backrest"]["backrest-checksum"]
    for label, by in days.items():
        entry = json.loads(sections["backup:current"][label])
        for name in ("backup-timestamp-start", "backup-timestamp-stop"):
            entry[name] -= by * DAY
        sections["backup:current"][label] = json.dumps(entry, separators=(",", ":"), sort_keys=True)
    parts = []
    for name, keys in sorted(sections.items()):
        parts.append(f'"{name}":{{' + ",".join(f'"{key}":{value}' for key, value in sorted(keys.items())) + "}")
    checksum = hashlib.sha1(("{" + ",".join(parts) + "}").encode(), usedforsecurity=False).hexdigest()
    sections["backrest"]["backrest-checksum"] = f'"{checksum}"'
    text = "\n".join(
        f"[{name}]\n" + "".join(f"{key}={value}\n" for key, value in sorted(keys.items()))
        for name, keys in sorted(sections.items())
    )
    for file in (path, path.with_name("backup.info.copy")):
        file.write_text(text)


def test_every_moment_of_the_last_seven_days_stays_and_older_ones_go(guarded: Guarded) -> None:
    file, found = str(guarded.lab.file), guarded.repository
    labels = [tasks.back_up(kind, lab_file=file)["label"] for kind in ("full", "incr", "full", "diff", "full")]
    assert tasks.rotate(lab_file=file) == {"kept": labels, "removed": []}
    # The second full backup is six days old: the first is still needed for moments between seven and six days ago.
    aged(found.folder, {labels[0]: 13, labels[1]: 9, labels[2]: 6, labels[3]: 3})
    assert tasks.rotate(lab_file=file)["removed"] == []
    aged(found.folder, {labels[0]: 2, labels[1]: 2, labels[2]: 2})
    before = found.segments(found.present()[0])
    assert tasks.rotate(lab_file=file) == {"kept": labels[2:], "removed": labels[:2]}
    after = found.segments(found.present()[0])
    assert after[0] == found.backups()[0].log_from
    assert {*after} < {*before}
    assert tasks.check(lab_file=file)["backups"] == 3


def test_a_backup_returns_when_every_moment_can_be_restored_from_it(guarded: Guarded) -> None:
    file = str(guarded.lab.file)
    for kind in ("full", "incr", "diff"):
        tasks.back_up(kind, lab_file=file)
        moment = datetime.fromisoformat(guarded.server.value("select clock_timestamp()"))
        copy = guarded.lab.path("data") / f"copy-{kind}"
        tasks.restore(str(copy), moment.isoformat(), lab_file=file)
        assert (copy / "PG_VERSION").exists()
        shutil.rmtree(copy)


def test_a_cluster_that_is_made_anew_goes_on_in_the_same_repository(guarded: Guarded) -> None:
    file = str(guarded.lab.file)
    assert guarded.stanza() == "same"
    first = tasks.back_up("full", lab_file=file)["label"]
    found = mark(guarded.server)
    time.sleep(0.01)
    guarded.server.ask("delete from orders")
    guarded.server.archive_now()
    guarded.stop()
    shutil.rmtree(guarded.data)
    guarded.make()
    guarded.start()
    assert [guarded.stanza() for _ in range(2)] == ["changed", "same"]
    # pgBackRest makes a full one of it: there is none of this cluster that it could hang on.
    second = tasks.back_up("diff", lab_file=file)
    assert second["kind"] == "full"
    assert [backup.label for backup in guarded.repository.backups()] == [first, second["label"]]
    assert tasks.check(lab_file=file)["backups"] == 1
    assert tasks.drill(lab_file=file)["tables"] >= 1
    with (
        scratch_folder(guarded.lab.path("data") / "scratch", guarded.lab.user) as folder,
        scratch_folder(guarded.lab.path("run") / "scratch", guarded.lab.user) as sockets,
    ):
        restore(guarded.repository, folder / "data", found.moment, keeps_archiving=False)
        with recovered(guarded.repository, folder / "data", sockets) as server:
            assert hashes(server) == found.tables


def test_a_restored_cluster_takes_the_place_of_the_one_that_was_lost_and_goes_on(guarded: Guarded) -> None:
    file = str(guarded.lab.file)
    tasks.back_up("full", lab_file=file)
    found = mark(guarded.server)
    time.sleep(0.01)
    guarded.server.ask("drop table orders")
    guarded.server.archive_now()
    guarded.stop()
    guarded.data.rename(guarded.data.with_name("lost"))
    assert tasks.restore(str(guarded.data), found.moment.isoformat(), lab_file=file)["folder"] == str(guarded.data)
    guarded.start()
    there = hashes(guarded.server)
    assert there == found.tables
    assert guarded.stanza() == "same"
    # A new timeline of the log, in the same repository.
    guarded.server.ask("insert into orders values (9)")
    assert guarded.server.archive_now().startswith("00000002")
    assert tasks.back_up("incr", lab_file=file)["kind"] == "incr"
    assert tasks.check(lab_file=file)["backups"] == 2
    assert tasks.drill(lab_file=file)["restored_in_s"] > 0


def test_a_full_disk_is_told_as_one(guarded: Guarded, monkeypatch: pytest.MonkeyPatch) -> None:
    file, found = str(guarded.lab.file), guarded.repository
    tasks.back_up("full", lab_file=file)
    usage = shutil.disk_usage(found.folder)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1024**2))
    with pytest.raises(NoRoomError, match=r"wants \d+ MB, and 1 MB are free"):
        tasks.restore(str(guarded.lab.path("data") / "copy"), lab_file=file)
    # A write that fails while there is room has failed for something else.
    folder = found.folder / "backup" / "main"
    folder.chmod(0o500)
    try:
        with pytest.raises(NoRoomError, match="postgresql_backup_days"):
            tasks.back_up("full", lab_file=file)
        monkeypatch.undo()
        monkeypatch.setenv("PATH", str(Path(guarded.program[0]).parent), prepend=":")
        with pytest.raises(BackupError, match="failed with code") as told:
            tasks.back_up("full", lab_file=file)
        assert not isinstance(told.value, NoRoomError)
    finally:
        folder.chmod(0o750)


def test_a_replica_is_no_place_for_a_backup(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(Server, "ask", lambda *_: [["t"]])
    with pytest.raises(NotPrimaryError, match="the node of the primary; there: quintet backup postgres"):
        Server(tmp_path, tmp_path, 1).require_primary()


def test_a_node_without_the_settings_says_what_to_do(guarded: Guarded) -> None:
    (guarded.lab.path("config") / repository.FILE).rename(guarded.lab.path("config") / "away")
    try:
        with pytest.raises(BackupError, match="of several nodes only those with PostgreSQL"):
            tasks.listing(lab_file=str(guarded.lab.file))
    finally:
        (guarded.lab.path("config") / "away").rename(guarded.lab.path("config") / repository.FILE)


def test_the_settings_are_those_of_the_role(guarded: Guarded) -> None:
    text = (guarded.lab.path("config") / repository.FILE).read_text()
    assert "repo1-retention-full-type=time\nrepo1-retention-full=7\n" in text
    assert dataclasses.asdict(guarded.repository)["folder"] == guarded.lab.path("backups") / "postgres"
