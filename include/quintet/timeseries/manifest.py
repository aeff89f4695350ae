"""The manifest: which blocks make up the store, where they lie, what was deleted, and where the log takes over.

It is one small file that is replaced as a whole, so every change of the set of blocks is one step: a block that it
does not name does not count, a segment of the log before `wal_from` is superfluous.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from quintet.timeseries.block import BlockFacts
from quintet.timeseries.files import read_framed, write_framed
from quintet.timeseries.model import Matcher
from quintet.timeseries.tombstone import Tombstone

__all__ = ["FILE_NAME", "Entry", "Manifest", "load", "save"]

FILE_NAME = "MANIFEST"
_MAGIC = b"QTSMANIF"
_REMEDY = "Restore a snapshot, or run a repair, which makes the manifest anew from the blocks"


@dataclass(frozen=True)
class Entry:
    """A block of the store. erased: tombstones up to this number are applied or do not concern it."""

    facts: BlockFacts
    tier: str
    bytes: int
    erased: int


@dataclass(frozen=True)
class Manifest:
    """State of the store. wal_from: first segment that is not in blocks, 0: the log may be absent.

    wal_open: a segment that must be there; wal_bytes: its size if the store was closed, else 0.
    """

    wal_from: int = 0
    wal_open: int = 0
    wal_bytes: int = 0
    next_block: int = 1
    next_tombstone: int = 1
    entries: tuple[Entry, ...] = ()
    tombstones: tuple[Tombstone, ...] = ()

    def replacing(self, gone: Sequence[int], added: Sequence[Entry], **changes: Any) -> Manifest:
        """Without the blocks of these numbers, with new ones, in the order in which later ones count."""
        kept = [entry for entry in self.entries if entry.facts.number not in set(gone)]
        entries = sorted([*kept, *added], key=lambda entry: (entry.facts.sequence, entry.facts.number))
        return replace(self, entries=tuple(entries), **changes)


def save(folder: Path, manifest: Manifest) -> None:
    """Replace the manifest of a store."""
    write_framed(folder / FILE_NAME, _MAGIC, json.dumps(asdict(manifest)).encode())


def load(folder: Path) -> Manifest:
    """The manifest of a store.

    Raises:
        CorruptionError: missing or damaged.

    """
    data = json.loads(read_framed(folder / FILE_NAME, _MAGIC, remedy=_REMEDY))
    entries = tuple(
        Entry(**{**entry, "facts": BlockFacts(**{**entry["facts"], "sources": tuple(entry["facts"]["sources"])})})
        for entry in data.pop("entries")
    )
    tombstones = tuple(
        Tombstone(**{**one, "matchers": tuple(Matcher(**matcher) for matcher in one["matchers"])})
        for one in data.pop("tombstones")
    )
    return Manifest(**data, entries=entries, tombstones=tombstones)
