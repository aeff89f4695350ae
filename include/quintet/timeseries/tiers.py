"""Tiers: where blocks lie. A tier keeps immutable files by name; the hot one is the store's own folder `blocks`."""

from __future__ import annotations

import shutil
from abc import ABC, abstractmethod
from pathlib import Path

from quintet.timeseries.block import Block, BlockFacts
from quintet.timeseries.files import link_or_copy, sync_folder, writing_aside

__all__ = ["FolderTier", "Tier"]


class Tier(ABC):
    """A place for blocks. A name is written once and never changed."""

    def __init__(self, name: str) -> None:
        self.name = name

    @abstractmethod
    def put(self, source: Path) -> None:
        """Keep a copy of a file under its name; it is there whole and lasting when this returns."""

    @abstractmethod
    def open(self, facts: BlockFacts, size: int) -> Block:
        """A block by what the manifest says of it."""

    @abstractmethod
    def fetch(self, name: str, target: Path) -> None:
        """Give a file that is never changed a second place on this machine."""

    @abstractmethod
    def remove(self, name: str) -> None:
        """Remove a file; one that is not there is no error."""

    @abstractmethod
    def names(self) -> set[str]:
        """Names of all blocks."""

    @abstractmethod
    def sweep(self, named: set[str]) -> None:
        """Remove what the manifest does not name: a process ended between writing and naming, naming and removing."""

    def close(self) -> None:  # noqa: B027 - most have nothing to end
        """End what the tier holds."""


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

    def open(self, facts: BlockFacts, size: int) -> Block:
        """Mapped into memory."""
        return Block(self.local(facts.name))

    def fetch(self, name: str, target: Path) -> None:
        """Link, or copy to another disk."""
        link_or_copy(self.local(name), target)

    def remove(self, name: str) -> None:
        """Unlink; readers that have it mapped keep its content."""
        (self.folder / name).unlink(missing_ok=True)
        sync_folder(self.folder)

    def names(self) -> set[str]:
        """Names of all blocks."""
        return {path.name for path in self.folder.glob("*.block")}

    def sweep(self, named: set[str]) -> None:
        """Files of other names, and those written aside."""
        for name in self.names() - named:
            self.remove(name)
        for path in self.folder.glob("*.tmp"):
            path.unlink()
