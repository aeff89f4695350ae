"""A copy of the repository in the object store, from which alone the database can be restored.

Files of a repository are written once, but for its lists (*.info), which name what is there. A copy is always whole:
lists are read first and sent last, so that they name nothing that is not there, and what was rotated away is removed
behind them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from quintet.backups.errors import RepositoryDamagedError
from quintet.backups.folders import require_empty
from quintet.backups.repository import STANZA
from quintet.errors import GateError
from quintet.objects import Bucket

__all__ = ["PREFIX", "fetch", "send"]

#: Beginning of the keys.
PREFIX = "postgres/"
_LIST = f"backup/{STANZA}/backup.info"


def send(folder: Path, bucket: Bucket) -> dict[str, Any]:
    """Make the copy equal to the repository; how many files and bytes were sent and removed.

    Raises:
        GateError: the copy has a newer backup that the repository does not know: that is no copy of this one.
        RepositoryDamagedError: the repository has no lists.

    """
    lists = {name: (folder / name).read_bytes() for name in _names(folder) if _is_list(name)}
    if _LIST not in lists:
        raise RepositoryDamagedError(
            f"{folder} has no list of backups", remedy="Take a backup: quintet backup postgres"
        )
    there = {key.removeprefix(PREFIX): size for key, size in bucket.sizes(PREFIX).items()}
    if _LIST in there:
        _require_ours(folder, labels(bucket.content(PREFIX + _LIST)), bucket)
    sent = size = 0
    for name in _names(folder):
        if _is_list(name) or there.get(name) == (folder / name).stat().st_size:
            continue
        bucket.send(PREFIX + name, folder / name)
        sent, size = sent + 1, size + (folder / name).stat().st_size
    # The list of backups is the last: it is asked first.
    for name in sorted(lists, key=lambda name: (name.startswith("backup/"), not name.endswith(".copy"))):
        bucket.store(PREFIX + name, lists[name])
    gone = sorted({*there} - {*_names(folder)} - {*lists})
    for name in gone:
        bucket.discard(PREFIX + name)
    return {"sent": sent, "bytes": size, "removed": len(gone), "kept": len(there) - len(gone)}


def fetch(bucket: Bucket, folder: Path) -> dict[str, Any]:
    """Write the copy into an empty folder: a repository from which can be restored.

    Raises:
        FilledFolderError: the folder has files.
        RepositoryDamagedError: the bucket has no copy, or not all of it arrived.

    """
    require_empty(folder)
    there = bucket.sizes(PREFIX)
    if PREFIX + _LIST not in there:
        raise RepositoryDamagedError(
            f"the bucket {bucket.name} holds no backups", remedy="It is filled by the DAG platform_backup_postgres"
        )
    for key, size in there.items():
        path = folder / key.removeprefix(PREFIX)
        path.parent.mkdir(parents=True, exist_ok=True)
        bucket.fetch(key, path)
        if path.stat().st_size != size:
            raise RepositoryDamagedError(
                f"{key} arrived with {path.stat().st_size} of {size} bytes", remedy="Try again"
            )
    return {"files": len(there), "bytes": sum(there.values())}


def labels(content: bytes) -> list[str]:
    """Labels of the backups that a list names, oldest first.

    Source: pgBackRest, src/info/infoBackup.c: a section [backup:current] with one line label={json} for each.
    """
    section, found = "", []
    for line in content.decode("utf-8").splitlines():
        if line.startswith("["):
            section = line
        elif section == "[backup:current]" and "=" in line:
            label, _, entry = line.partition("=")
            found.append((json.loads(entry)["backup-timestamp-start"], label))
    return [label for _, label in sorted(found)]


def _require_ours(folder: Path, theirs: list[str], bucket: Bucket) -> None:
    """An emptied repository must not empty its copy, too: one that made a backup has it in its history for ever."""
    history = folder / "backup" / STANZA / "backup.history"
    if theirs and not any(history.rglob(f"{theirs[-1]}.manifest*")):
        raise GateError(
            f"the newest backup in the bucket {bucket.name}, {theirs[-1]}, is unknown to the repository: nothing was "
            "changed",
            remedy="If it is of use, fetch it (quintet backup fetch FOLDER); if not, remove the folder postgres of the "
            "bucket by hand",
        )


def _names(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*")):
        # `latest` is a link for people.
        if path.is_file() and not path.is_symlink():
            yield path.relative_to(folder).as_posix()


def _is_list(name: str) -> bool:
    return name.endswith((".info", ".info.copy"))
