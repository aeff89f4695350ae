"""Folders of backups and restores: whose they are, whether they are empty, what room there is."""

from __future__ import annotations

import os
import pwd
import shutil
from pathlib import Path

from quintet.backups.errors import FilledFolderError

__all__ = ["free", "hand_over", "require_empty"]


def hand_over(path: Path, user: str) -> None:
    """Give a folder that root has made to the user who works in it."""
    if os.geteuid() == 0:
        shutil.chown(path, user, pwd.getpwnam(user).pw_gid)


def require_empty(folder: Path) -> None:
    """Refuse a folder with files; one that is absent is empty.

    Raises:
        FilledFolderError: it has files.

    """
    if folder.exists() and any(folder.iterdir()):
        raise FilledFolderError(f"the folder {folder} is not empty", remedy="Name a folder that is empty or absent")


def free(folder: Path) -> int:
    """Bytes that are free on the disk of a folder, which may not be there yet."""
    there = next(place for place in (folder, *folder.parents) if place.exists())
    return shutil.disk_usage(there).free
