"""What the DAG and the command call: take, check, drill, rotate, upload, restore.

Arguments and results are plain JSON values, so that a task may run these functions in another interpreter.
"""

from __future__ import annotations

import dataclasses
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from quintet.backups import drill as drills
from quintet.backups import scratch
from quintet.backups.errors import NoBackupError
from quintet.backups.folders import hand_over
from quintet.backups.repository import Repository
from quintet.errors import InputError
from quintet.runs import record
from quintet.runs.programs import run_module
from quintet.settings import lab_of

__all__ = ["back_up", "check", "drill", "listing", "moment_of", "remove", "restore", "rotate", "upload"]

SLUG = "platform"
#: Records of the last backup and the last drill.
LAST_BACKUP, LAST_DRILL = "last_postgres_backup", "last_postgres_drill"
#: Day of the week, Monday is 0, on which a backup is a full one; others hold what changed since that.
FULL_ON = 6


def back_up(kind: str = "auto", *, lab_file: str | None = None) -> dict[str, Any]:
    """Take a backup: full, diff (what changed since the last full one), incr (since the last one) or auto.

    auto is full on Sundays and while there is none of this cluster, else diff. Old ones are not removed here. Every
    moment after the return can be restored from it.
    """
    lab = lab_of(lab_file)
    repository = Repository.of(lab)
    repository.server.require_primary()
    kind = _kind_of(kind)
    lost = _age(repository)
    began = time.monotonic()
    repository.run("backup", f"--type={kind}", "--no-expire-auto")
    taken = repository.backups()[-1]
    _wait_past(taken.ended_at)
    facts = {
        "label": taken.label,
        "kind": taken.kind,
        "size": taken.size,
        "stored": taken.stored,
        "seconds": round(time.monotonic() - began, 1),
        "lost_s": lost,
    }
    record.write(lab, SLUG, LAST_BACKUP, facts)
    return facts


def _age(repository: Repository) -> float | None:
    """Seconds since the newest segment was archived: at most so much would have been lost with the disk just then."""
    newest = repository.newest_segment()
    return max(0.0, round((datetime.now(UTC) - newest[1]).total_seconds(), 1)) if newest else None


def _wait_past(ended_at: datetime) -> None:
    """Wait for the next second: pgBackRest counts whole ones and takes no backup for a moment of that of its end."""
    time.sleep(max(0.0, min(1.0, ended_at.timestamp() + 1 - time.time())))


def _kind_of(kind: str) -> str:
    if kind == "auto":
        # pgBackRest itself takes a full one where there is none of this cluster.
        return "full" if datetime.now(UTC).weekday() == FULL_ON else "diff"
    if kind not in {"full", "diff", "incr"}:
        raise InputError(f"there is no kind {kind} of backups", remedy="Name full, diff, incr or auto")
    return kind


def check(*, lab_file: str | None = None) -> dict[str, Any]:
    """Archive the log up to now, read every file of the repository, look for gaps in the log."""
    repository = Repository.of(lab_of(lab_file))
    repository.server.archive_now()
    return repository.verify()


def drill(*, lab_file: str | None = None) -> dict[str, Any]:
    """Restore to a moment into a scratch folder and compare the rows of all tables with those of that moment."""
    lab = lab_of(lab_file)
    found = dataclasses.asdict(drills.drill(lab, Repository.of(lab)))
    facts = {**found, "moment": found["moment"].isoformat()}
    record.write(lab, SLUG, LAST_DRILL, facts)
    return facts


def rotate(*, lab_file: str | None = None) -> dict[str, Any]:
    """Remove full backups that are older than is kept, with what hangs on them."""
    repository = Repository.of(lab_of(lab_file))
    return _expire(repository, [backup.label for backup in repository.backups()])


def remove(label: str, *, lab_file: str | None = None) -> dict[str, Any]:
    """Remove one backup with what hangs on it, and the log that nothing needs any more."""
    repository = Repository.of(lab_of(lab_file))
    before = [backup.label for backup in repository.backups()]
    if label not in before:
        raise InputError(f"there is no backup {label}", remedy="See: quintet backup list")
    return _expire(repository, before, f"--set={label}")


def _expire(repository: Repository, before: list[str], *options: str) -> dict[str, Any]:
    repository.run("expire", *options)
    after = [backup.label for backup in repository.backups()]
    return {"kept": after, "removed": [label for label in before if label not in after]}


def upload(*, lab_file: str | None = None) -> dict[str, Any]:
    """Make the copy in the object store equal to the repository; `copied` is false where the lab has no such store."""
    lab = lab_of(lab_file)
    if "objects" not in lab.options:
        return {"copied": False}
    folder = Repository.of(lab).folder
    return {"copied": True, **run_module(lab, "objects", "quintet.backups.copying", "send", str(folder))}


def fetch(folder: str, *, lab_file: str | None = None) -> dict[str, Any]:
    """Write the copy of the object store into an empty folder."""
    lab = lab_of(lab_file)
    lab.require("a copy of the backups", "objects")
    target = Path(folder)
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    hand_over(target, lab.user)
    found: dict[str, Any] = run_module(lab, "objects", "quintet.backups.copying", "fetch", str(target.resolve()))
    return found


def restore(
    target: str, moment: str | None = None, repository: str | None = None, *, lab_file: str | None = None
) -> dict[str, Any]:
    """Restore into an empty folder, to a moment (ISO 8601; none: the end of the log), from another repository if named.

    A server that is started there goes on to the moment and takes writes then; it archives as the lab's does.
    """
    found = Repository.of(lab_of(lab_file))
    if repository:
        found = found.at(Path(repository).resolve())
    if not found.backups():
        raise NoBackupError(f"{found.folder} holds no backup", remedy="Take one: quintet backup postgres")
    began = time.monotonic()
    scratch.restore(found, Path(target).resolve(), moment_of(moment), keeps_archiving=True)
    return {"folder": target, "moment": moment, "seconds": round(time.monotonic() - began, 1)}


def moment_of(text: str | None) -> datetime | None:
    """A moment as people write it; without a zone it is UTC.

    Raises:
        InputError: it is none.

    """
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"{text} is no moment", remedy="Write it as 2026-11-23T04:05:06+00:00") from error
    return found.replace(tzinfo=found.tzinfo or UTC)


def listing(*, lab_file: str | None = None) -> dict[str, Any]:
    """Backups, the moments that can be restored, what the last backup noted, and what the last drill found."""
    lab = lab_of(lab_file)
    repository = Repository.of(lab)
    backups = repository.backups()
    newest = repository.newest_segment()
    return {
        "folder": str(repository.folder),
        "backups": [dataclasses.asdict(backup) for backup in backups],
        "restorable_from": backups[0].ended_at.isoformat() if backups else None,
        "restorable_to": newest[1].isoformat() if backups and newest else None,
        "last": record.read(lab, SLUG, LAST_BACKUP),
        "drill": record.read(lab, SLUG, LAST_DRILL),
    }
