"""The repository of pgBackRest: backups, the log between them, and the program's words as errors of ours.

Its file of settings, written by the role postgresql, is the only place that says where server and repository are.
"""

from __future__ import annotations

import configparser
import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from quintet.backups.errors import (
    BackupError,
    FilledFolderError,
    LogGapError,
    NoBackupError,
    NoRoomError,
    RepositoryDamagedError,
)
from quintet.backups.folders import free
from quintet.backups.server import Server, identity_of
from quintet.settings import Lab

__all__ = ["FILE", "STANZA", "Backup", "Repository"]

#: File of settings below the lab's config, and the name of the database in it.
FILE, STANZA = "pgbackrest.conf", "main"
#: Less than this many bytes free on the repository's disk, and a write that failed has failed for that.
FULL = 64 * 1024**2
#: Exit codes of pgBackRest: a checksum is wrong; a file's form is wrong.
_DAMAGE = {26, 29, 95}
_FILLED, _RUNNING, _NO_SET = 40, 38, 75


@dataclass(frozen=True)
class Backup:
    """One backup; `kind` is full, diff or incr; `size` and `stored` are bytes of the database and in the repository."""

    label: str
    kind: str
    began_at: datetime
    ended_at: datetime
    log_from: str
    log_to: str
    size: int
    stored: int
    archive: str


@dataclass(frozen=True)
class Repository:
    """A repository and the server that it is of; `identity` as in `Server`."""

    config: Path
    folder: Path
    server: Server
    user: str
    identity: tuple[str, ...] = ()

    @staticmethod
    def of(lab: Lab) -> Repository:
        """The lab's.

        Raises:
            BackupError: the lab has none on this node.

        """
        config = lab.path("config") / FILE
        settings = configparser.ConfigParser(interpolation=None, delimiters=("=",))
        try:
            with config.open(encoding="utf-8") as file:
                settings.read_file(file)
            there, ours = settings["global"], settings[STANZA]
            identity = identity_of(lab.user)
            server = Server(
                data=Path(ours["pg1-path"]),
                sockets=Path(ours["pg1-socket-path"]),
                port=int(ours["pg1-port"]),
                user=ours["pg1-user"],
                identity=identity,
            )
            return Repository(config, Path(there["repo1-path"]), server, lab.user, identity)
        except (OSError, configparser.Error, KeyError, ValueError) as error:
            raise BackupError(
                f"{config} does not say where the backups of PostgreSQL are ({error})",
                remedy="Run: make install; of several nodes only those with PostgreSQL have it",
            ) from error

    def at(self, folder: Path) -> Repository:
        """The same with its files in another folder, for example a copy out of the object store."""
        return replace(self, folder=folder)

    def backups(self) -> list[Backup]:
        """All backups, of former clusters of this lab, too, oldest first."""
        return _backups(self.info())

    def present(self) -> tuple[str, list[Backup]]:
        """Folder of the log of the present cluster, for example 15-1, and the cluster's backups, oldest first."""
        found = self.info()
        newest = max(found["archive"], key=lambda entry: int(entry["database"]["id"]))
        archive = str(newest["id"])
        return archive, [backup for backup in _backups(found) if backup.archive == archive]

    def info(self) -> dict[str, Any]:
        """What pgBackRest says of the database.

        Raises:
            RepositoryDamagedError: it cannot read its own lists.
            BackupError: there is no repository yet.

        """
        answers = json.loads(self.run("info", "--output=json"))
        found: dict[str, Any] = answers[0] if answers else {}
        states = [found.get("status", {}), *(repo.get("status", {}) for repo in found.get("repo", []))]
        told = next((str(state.get("message")) for state in states if state.get("code") not in (0, 2, None)), "")
        if "FormatError" in told or "ChecksumError" in told:
            raise _damaged(self.folder, told)
        if told or not found:
            raise BackupError(f"{self.folder} is no repository ({told or 'empty'})", remedy="Run: make install")
        return found

    def run(self, command: str, *options: str) -> str:
        """Run a command of pgBackRest; what it wrote.

        Raises:
            QuintetError: one of quintet.backups.errors, by the program's exit code and words.

        """
        words = [command, f"--config={self.config}", f"--repo1-path={self.folder}", f"--stanza={STANZA}", *options]
        try:
            done = subprocess.run(
                [*self.identity, program(), *words], cwd="/", capture_output=True, text=True, check=False
            )
        except OSError as error:
            raise BackupError(f"pgBackRest cannot be started ({error.strerror})", remedy="Run: make install") from error
        if done.returncode != 0:
            raise self._error(command, options, done.returncode, (done.stderr + done.stdout).strip())
        return done.stdout

    def _error(self, command: str, options: Sequence[str], code: int, told: str) -> Exception:
        told = told[-1500:]
        if code == _FILLED and "contains files" in told:
            return FilledFolderError(f"{command}: {told}", remedy="Name a folder that is empty or absent")
        if code == _RUNNING:
            return FilledFolderError(f"{command}: {told}", remedy="Stop it first (make stop), or name another folder")
        if code == _NO_SET:
            return NoBackupError(f"{command}: {told}", remedy="See which moments there are: quintet backup list")
        place = next((Path(word.partition("=")[2]) for word in options if word.startswith("--pg1-path=")), self.folder)
        if "No space left" in told or free(place) < FULL:
            return NoRoomError(
                f"{command}: no room is left on the disk of {place}: {told}",
                remedy="Make room; when the repository fills it, keep fewer days (postgresql_backup_days)",
            )
        if code in _DAMAGE or "FormatError" in told or "ChecksumError" in told:
            return _damaged(self.folder, told)
        return BackupError(f"pgBackRest's {command} failed with code {code}: {told}", remedy="Run: quintet doctor")

    def verify(self) -> dict[str, Any]:
        """Read every file of the repository and compare checksums, and look for gaps in the log.

        What is missing before the newest full backup is told, as `missing`: every moment since that can be restored.

        Raises:
            RepositoryDamagedError: a file is damaged or missing.
            LogGapError: a segment of the log is missing behind the newest full backup of the present cluster.

        """
        told = self.run("verify", "--output=text", "--verbose")
        if "status: error" in told or "status: invalid" in told:
            raise _damaged(self.folder, _wrong(told))
        archive, backups = self.present()
        numbers = {number(name) for name in self.segments(archive)}
        first = min((number(backup.log_from) for backup in backups), default=0)
        missing = sorted(set(range(first, max(numbers, default=first) + 1)) - numbers) if backups else []
        newest = max((number(backup.log_from) for backup in backups if backup.kind == "full"), default=0)
        if missing and missing[-1] >= newest:
            raise gap(name_of(missing[-1]), f"{len(missing)} in all")
        return {"backups": len(backups), "segments": len(numbers), "missing": [name_of(place) for place in missing]}

    def segments(self, archive: str) -> list[str]:
        """Names of the segments of the log that are archived, oldest first."""
        return sorted(self._archived(archive))

    def newest_segment(self) -> tuple[str, datetime] | None:
        """Name of the newest archived segment and when it came; None: there is none."""
        archive, _ = self.present()
        return max(self._archived(archive).items(), default=None)

    def _archived(self, archive: str) -> dict[str, datetime]:
        """Segments of the log, by name, and when they came."""
        folder = f"archive/{STANZA}/{archive}"
        listed = json.loads(self.run("repo-ls", "--output=json", "--recurse", f"--filter={_SEGMENT}", folder))
        return {
            path.rpartition("/")[2][:24]: datetime.fromtimestamp(entry["time"], UTC) for path, entry in listed.items()
        }


#: Of the text that `verify` writes: what the numbers are of, and numbers that should be 0.
_PLACE, _NUMBER = re.compile(r"(archiveId|backup): [^,\s]+"), re.compile(r"(missing|invalid|other): [1-9]")
_SEGMENT = "[0-9A-F]{24}-[0-9a-f]{40}[^/]*$"


def program() -> str:
    """Path of pgBackRest: absolute, since it starts itself again by it."""
    return shutil.which("pgbackrest") or "/usr/bin/pgbackrest"


def number(segment: str) -> int:
    """Place of a segment in the log, on whichever timeline. Source: PostgreSQL, access/xlog_internal.h, 16 MiB each."""
    return int(segment[8:16], 16) * 256 + int(segment[16:24], 16)


def name_of(place: int) -> str:
    """Segment at a place of the log, without its timeline."""
    return f"{place // 256:08X}{place % 256:08X}"


def gap(segment: str, told: str) -> LogGapError:
    """Say that a segment is missing, and what can be done."""
    return LogGapError(
        f"the segment {segment} of the log is missing in the repository ({told}): no moment behind it can be restored "
        "from the backups before it",
        remedy="Take a full backup now (quintet backup postgres --kind full); the segment may be in the bucket "
        "(quintet backup fetch)",
    )


def _damaged(folder: Path, told: str) -> RepositoryDamagedError:
    return RepositoryDamagedError(
        f"the repository {folder} is damaged: {told}",
        remedy="Take a full backup now (quintet backup postgres --kind full), look whether the copy is whole "
        "(quintet backup fetch), then remove what is damaged by its name (quintet backup remove)",
    )


def _wrong(report: str) -> str:
    """What a report of `verify` finds wrong, each with the backup or log that it is in."""
    place, found = "", []
    for line in report.splitlines():
        if match := _PLACE.search(line):
            place = match[0]
        if _NUMBER.search(line):
            found.append(f"{place}: {line.strip()}")
        elif line.strip().startswith("No usable"):
            found.append(line.strip())
    return "; ".join(found)[:1500] or report[-1500:]


def _backups(found: dict[str, Any]) -> list[Backup]:
    numbers = {str(entry["id"]): entry["version"] for entry in found.get("db", [])}
    backups = [_backup(entry, numbers) for entry in found.get("backup", [])]
    return sorted(backups, key=lambda backup: backup.began_at)


def _backup(entry: dict[str, Any], versions: dict[str, str]) -> Backup:
    began, ended = (datetime.fromtimestamp(entry["timestamp"][name], UTC) for name in ("start", "stop"))
    cluster = str(entry["database"]["id"])
    return Backup(
        label=entry["label"],
        kind=entry["type"],
        began_at=began,
        ended_at=ended,
        log_from=entry["archive"]["start"],
        log_to=entry["archive"]["stop"],
        size=int(entry["info"]["size"]),
        stored=int(entry["info"]["repository"]["delta"]),
        archive=f"{versions[cluster]}-{cluster}",
    )
