"""Restore a backup to a moment, and run what was restored as a server of its own that nobody else can enter."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from quintet.backups.errors import BackupError, NoRoomError
from quintet.backups.folders import free, hand_over, require_empty
from quintet.backups.repository import Repository, gap, name_of, number
from quintet.backups.server import Server, programs_of

__all__ = ["recovered", "restore", "scratch_folder"]

#: Seconds that recovery may take, that a server may take to end, and between two looks.
RECOVERY, ENDING, PAUSE = 3600.0, 60.0, 0.2
_RESTORED = re.compile(r'restored log file "([0-9A-F]{24})" from archive')
_LAST = re.compile(r"last completed transaction was at log time (\S+ \S+)")
_TOO_EARLY = "recovery ended before configured recovery target was reached"


def restore(repository: Repository, target: Path, moment: datetime | None, *, keeps_archiving: bool) -> None:
    """Write the newest backup before a moment into an empty folder; a server that starts there goes on to it.

    Args:
        repository: where the backup is.
        target: folder, absent or empty.
        moment: None is the end of the log.
        keeps_archiving: whether the server will archive its log as the one does that the backup is of: only one may.

    Raises:
        FilledFolderError: the folder has files.
        NoBackupError: no backup is older.
        NoRoomError: the disk has no room for it.
        RepositoryDamagedError: a file of the backup is not what was written.

    """
    require_empty(target)
    _require_room(repository, target)
    made = not target.exists()
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    hand_over(target, repository.user)
    kind = ("--type=default",) if moment is None else ("--type=time", f"--target={_text(moment)}", *_PROMOTE)
    archiving = "preserve" if keeps_archiving else "off"
    try:
        repository.run("restore", f"--pg1-path={target}", f"--archive-mode={archiving}", *kind)
    except BaseException:
        if made:
            shutil.rmtree(target, ignore_errors=True)
        raise


_PROMOTE = ("--target-action=promote",)


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f+00")


def _require_room(repository: Repository, target: Path) -> None:
    wanted, room = max((backup.size for backup in repository.backups()), default=0), free(target)
    if wanted > room:
        raise NoRoomError(
            f"a restore into {target} wants {wanted // 1024**2} MB, and {room // 1024**2} MB are free",
            remedy="Make room, or name a folder on another disk",
        )


@contextmanager
def scratch_folder(folder: Path, user: str) -> Iterator[Path]:
    """An empty folder of the services' user, which is removed at the end; what an ended run left goes first."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    hand_over(folder, user)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def recovered(repository: Repository, data: Path, sockets: Path) -> Iterator[Server]:
    """Run what `restore` wrote, wait until it takes writes at its moment, and end it.

    Raises:
        LogGapError: the log ended before the moment.
        BackupError: it does not start.

    """
    server = replace(repository.server, data=data, sockets=sockets)
    log = sockets / "log"
    command: list[str | Path] = [*repository.identity, programs_of(data) / "postgres", "-D", data]
    for setting in (
        "listen_addresses=",
        f"unix_socket_directories={sockets}",
        f"port={server.port}",
        # On several nodes a commit would wait for a replica that this server has not.
        "synchronous_standby_names=",
        "archive_mode=off",
        "logging_collector=off",
        "log_destination=stderr",
        "max_wal_size=256MB",
    ):
        command += ["-c", setting]
    with log.open("wb") as complaint:
        process = subprocess.Popen(command, cwd="/", stdin=subprocess.DEVNULL, stdout=complaint, stderr=complaint)
    try:
        _wait(server, process, log)
        yield server
    finally:
        process.send_signal(signal.SIGINT)  # at once: sessions that are open do not hold it up
        try:
            process.wait(ENDING)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(server: Server, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + RECOVERY
    while time.monotonic() < end:
        if process.poll() is not None:
            raise _failure(server, log.read_text(encoding="utf-8", errors="replace"))
        try:
            if server.value("select pg_is_in_recovery()") == "f":
                return
        except BackupError:  # it takes nobody yet
            pass
        time.sleep(PAUSE)
    raise BackupError(f"recovery in {server.data} has not ended within {RECOVERY:.0f} s", remedy=f"Read: {log}")


def _failure(server: Server, told: str) -> Exception:
    if _TOO_EARLY in told:
        read = _RESTORED.findall(told)
        last = _LAST.findall(told)
        until = f"the last change before it is of {last[-1]} UTC" if last else "no change is before it"
        following = name_of(number(read[-1]) + 1) if read else "behind the backup"
        return gap(following, f"the log was read up to {read[-1] if read else 'nothing'}, {until}")
    return BackupError(f"what was restored to {server.data} does not start: {told[-1500:]}", remedy="Read the message")
