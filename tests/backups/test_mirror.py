"""The copy in the object store: restored from alone, rotated with the repository, and never emptied by an empty one."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from backup_server import Guarded, guarded_server
from labs import lab_below
from quintet.backups import copying, mirror, tasks
from quintet.backups.drill import mark
from quintet.backups.errors import FilledFolderError, RepositoryDamagedError
from quintet.backups.mirror import PREFIX
from quintet.backups.scratch import recovered, restore, scratch_folder
from quintet.backups.tablehash import hashes
from quintet.errors import GateError, LabError
from quintet.objects import Bucket
from weed_server import ADMIN, WeedServer

ROLE = Path(__file__).parents[2] / "ansible" / "roles" / "objects"
SECRET = "the-secret-of-the-keeper"


@pytest.fixture(scope="module")
def guarded() -> Iterator[Guarded]:
    with guarded_server() as found:
        found.server.ask("create table orders (id int); insert into orders select generate_series(1, 200)")
        tasks.back_up("full", lab_file=str(found.lab.file))
        yield found


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WeedServer]:
    """A store with the user of backups as the role declares him."""
    defaults = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text(encoding="utf-8"))
    user = next(user for user in defaults["objects_users"] if user["name"] == "backups")
    assert "backups" in defaults["objects_buckets"]
    actions = [f"{right}:{place}" for place in user["reads"] for right in ("Read", "List")]
    keeper = {
        "name": user["name"],
        "credentials": [{"accessKey": user["name"], "secretKey": SECRET}],
        "actions": [*actions, *(f"Write:{place}" for place in user["writes"])],
    }
    server = WeedServer(tmp_path_factory.mktemp("objects"), users=[keeper])
    server.start()
    try:
        yield server
    finally:
        server.kill()


@pytest.fixture
def bucket(store: WeedServer) -> Bucket:
    """The bucket, empty, as its keeper."""
    files = store.files(*ADMIN)
    if files.get_file_info("backups").type.name == "Directory":
        files.delete_dir_contents("backups")
    files.create_dir("backups")
    return Bucket("backups", endpoint=store.endpoint, user="backups", secret=SECRET)


def test_the_database_is_restored_from_the_store_alone(guarded: Guarded, bucket: Bucket) -> None:
    server, lab = guarded.server, guarded.lab
    found = mark(server)
    time.sleep(0.01)
    server.ask("delete from orders")
    server.archive_now()
    sent = mirror.send(guarded.repository.folder, bucket)
    assert sent["sent"] > 5
    away = guarded.repository.folder.rename(lab.path("backups") / "away")
    try:
        with (
            scratch_folder(lab.path("data") / "scratch", lab.user) as folder,
            scratch_folder(lab.path("run") / "scratch", lab.user) as sockets,
        ):
            copy = folder / "copy"
            fetched = mirror.fetch(bucket, copy)
            assert fetched["files"] == len(bucket.sizes(PREFIX))
            for path in (copy, *copy.rglob("*")):
                if os.geteuid() == 0:
                    shutil.chown(path, lab.user, lab.user)
            repository = guarded.repository.at(copy)
            restore(repository, folder / "data", found.moment, keeps_archiving=False)
            with recovered(repository, folder / "data", sockets) as restored:
                assert hashes(restored) == found.tables
            with pytest.raises(FilledFolderError):
                mirror.fetch(bucket, copy)
    finally:
        away.rename(guarded.repository.folder)


def test_a_second_copy_sends_what_is_new_and_removes_what_was_rotated_away(guarded: Guarded, bucket: Bucket) -> None:
    repository = guarded.repository
    first = mirror.send(repository.folder, bucket)
    assert mirror.send(repository.folder, bucket)["sent"] == 0
    old = repository.backups()[0].label
    tasks.back_up("full", lab_file=str(guarded.lab.file))
    repository.run("expire", f"--set={old}")
    second = mirror.send(repository.folder, bucket)
    assert 0 < second["sent"] < first["sent"] + 10
    assert second["removed"] > 0
    there = bucket.sizes(PREFIX)
    assert [
        key for key in there if f"/{old}/" in key and not key.startswith(f"{PREFIX}backup/main/backup.history")
    ] == []
    names = {f"{PREFIX}{name}" for name in files_of(repository.folder)}
    assert {*there} == names
    assert mirror.labels(bucket.content(f"{PREFIX}backup/main/backup.info")) == [b.label for b in repository.backups()]


def test_a_repository_that_lost_its_backups_does_not_empty_the_copy(
    guarded: Guarded, bucket: Bucket, tmp_path: Path
) -> None:
    mirror.send(guarded.repository.folder, bucket)
    before = bucket.sizes(PREFIX)
    with guarded_server() as other:
        tasks.back_up("full", lab_file=str(other.lab.file))
        with pytest.raises(GateError, match=r"is unknown to the repository: nothing was changed"):
            mirror.send(other.repository.folder, bucket)
    with pytest.raises(RepositoryDamagedError, match="no list of backups"):
        mirror.send(tmp_path, bucket)
    assert bucket.sizes(PREFIX) == before


def test_the_program_copies_as_the_keeper_whom_the_lab_file_names(
    guarded: Guarded, bucket: Bucket, store: WeedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"objects": {"bucket": "lake", "writer": "w", "reader": "r", "backups": "backups", "keeper": "backups"}}
    secrets = {"objects_backups": SECRET}
    lab = lab_below(tmp_path / "lab", more_doors={"objects": store.port}, options=options, secrets=secrets)
    monkeypatch.setenv("QUINTET_LAB", str(lab.file))
    assert copying.main("send", str(guarded.repository.folder)) == 0
    assert copying.main("fetch", str(tmp_path / "copy")) == 0
    assert sorted(files_of(tmp_path / "copy")) == sorted(files_of(guarded.repository.folder))
    assert copying.main("fetch", str(tmp_path / "copy")) == FilledFolderError.exit_code
    older = lab_below(tmp_path / "older", more_doors={"objects": store.port}, options={"objects": {"bucket": "lake"}})
    monkeypatch.setenv("QUINTET_LAB", str(older.file))
    assert copying.main("send", str(guarded.repository.folder)) == LabError.exit_code
    assert bucket.sizes(PREFIX)


def test_an_empty_bucket_and_a_stranger_are_told(bucket: Bucket, store: WeedServer, tmp_path: Path) -> None:
    with pytest.raises(RepositoryDamagedError, match="platform_backup_postgres"):
        mirror.fetch(bucket, tmp_path / "copy")
    stranger = Bucket("backups", endpoint=store.endpoint, user="backups", secret="wrong")
    file = tmp_path / "file"
    file.write_text("words")
    with pytest.raises(LabError, match="cannot write postgres/file"):
        stranger.send("postgres/file", file)
    with pytest.raises(LabError, match="access is refused"):
        stranger.sizes(PREFIX)


def files_of(folder: Path) -> list[str]:
    found = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return [path.relative_to(folder).as_posix() for path in found]
