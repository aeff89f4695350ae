"""Tiers: where blocks lie. A tier keeps immutable files by name; the hot one is the store's own folder `blocks`."""

from __future__ import annotations

import shutil
from abc import ABC, abstractmethod
from pathlib import Path

from quintet.timeseries.files import sync_folder, writing_aside

__all__ = ["FolderTier", "Tier"]


class Tier(ABC):
    """A place for blocks. A name is written once and never changed."""

    def __init__(self, name: str) -> None:
        self.name = name

    @abstractmethod
    def put(self, source: Path) -> None:
        """Keep a copy of a file under its name; it is there whole and lasting when this returns."""

    @abstractmethod
    def local(self, name: str) -> Path:
        """Path of a file that can be mapped into memory; a remote tier fetches it first."""

    @abstractmethod
    def remove(self, name: str) -> None:
        """Remove a file; one that is not there is no error."""

    @abstractmethod
    def names(self) -> set[str]:
        """Names of all blocks."""


class FolderTier(Tier):
    """A folder of this machine, on a disk of its own as a rule."""

    def __init__(self, name: str, folder: Path) -> None:
        super().__init__(name)
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def put(self, source: Path) -> None:
        """Copy aside, sync, rename."""
        with source.open("rb") as read, writing_aside(self.folder / source.name) as write:
            shutil.copyfileobj(read, write, 1024 * 1024)

    def local(self, name: str) -> Path:
        """The file itself."""
        return self.folder / name

    def remove(self, name: str) -> None:
        """Unlink; readers that have it mapped keep its content."""
        (self.folder / name).unlink(missing_ok=True)
        sync_folder(self.folder)

    def names(self) -> set[str]:
        """Names of all blocks."""
        return {path.name for path in self.folder.glob("*.block")}
