"""The truth about an input: what must come out of it, known before anything reads it.

`truth.json` holds counts by kind of event; the tables beside it, in `truth/`, hold what `truthtables.py` computes, for
the speed view and the batch view.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from quintet.ecommerce.columns import Columns, joined, length, taken
from quintet.ecommerce.defects import MALFORMED, reason_of
from quintet.ecommerce.definitions import KINDS, LATENESS_MS
from quintet.ecommerce.simulation import Piece
from quintet.generated import FILE_NAME, read_truth, write_truth

__all__ = ["BATCH", "FILE_NAME", "FOLDER", "SPEED", "VIEWS", "Recorder", "Truth"]

#: Name of the folder of its tables in an input folder.
FOLDER = "truth"
SPEED, BATCH = VIEWS = ("speed", "batch")
#: What tables need of an event; the rest is let go.
_KEPT = {
    "page_view": ("user", "page", "ts", "late"),
    "add_to_cart": ("user", "product", "ts", "late"),
    "purchase": ("user", "order", "products", "quantities", "total", "ts", "late", "fraud"),
    "inventory_update": ("product", "delta", "ts", "late"),
    "search": ("user", "ts", "late", "results", "clicked"),
}


@dataclass(frozen=True)
class Truth:
    """What must come out; times are ms since the epoch, UTC.

    `records` holds by kind: `records` that decode, of these `broken` by a rule, `duplicates` and `late` ones (a late
    duplicate is both); `batch_events` and `speed_events` are the distinct valid events of the views. `broken` counts by
    kind and rule, `malformed` by way, `rows` the rows of the tables.
    """

    source: str
    seed: int
    begin: int
    end: int
    records: Mapping[str, Mapping[str, int]]
    broken: Mapping[str, Mapping[str, int]]
    malformed: Mapping[str, int]
    rows: Mapping[str, int]
    sales: tuple[Mapping[str, int], ...] = ()
    poison: Mapping[str, Any] | None = field(default=None)

    @property
    def expect(self) -> dict[str, int]:
        """The counts of all kinds together, and the rows of the tables."""
        names = ("records", "broken", "duplicates", "late", "batch_events", "speed_events")
        sums = {name: sum(counts[name] for counts in self.records.values()) for name in names}
        return {**sums, "malformed": sum(self.malformed.values()), **self.rows}

    def write(self, path: Path) -> None:
        """Write as JSON, the same bytes for the same truth."""
        write_truth(path, self, expect=self.expect)

    @classmethod
    def read(cls, path: Path) -> Truth:
        """Read a truth file.

        Raises:
            VerifyError: the file is absent, unreadable or of another form.

        """

        def made(raw: dict[str, Any]) -> Truth:
            raw.pop("expect", None)
            return cls(**{**raw, "sales": tuple(raw["sales"])})

        return read_truth(path, "ecommerce", made)


class Recorder:
    """Counts what arrives and keeps of each distinct valid event what the tables need."""

    def __init__(self) -> None:
        self.records = {
            kind: dict.fromkeys(("records", "broken", "duplicates", "late", "batch_events", "speed_events"), 0)
            for kind in KINDS
        }
        self.broken: dict[str, dict[str, int]] = {kind: {} for kind in KINDS}
        self.malformed = dict.fromkeys(MALFORMED, 0)
        self._parts: dict[str, list[Columns]] = {kind: [] for kind in KINDS}

    def add(self, piece: Piece) -> None:
        """Take a piece in."""
        for kind, columns in piece.events.items():
            self._count(kind, columns)
        for way in piece.malformed["way"]:
            self.malformed[MALFORMED[way]] += 1

    def events(self, view: str) -> dict[str, Columns]:
        """Distinct valid events of a view, by kind; a kind without events is absent."""
        found = {kind: joined(parts) for kind, parts in self._parts.items() if parts}
        if view == SPEED:
            found = {kind: taken(columns, ~columns["late"]) for kind, columns in found.items()}
        return {kind: columns for kind, columns in found.items() if length(columns)}

    def _count(self, kind: str, columns: Columns) -> None:
        whole = columns["broken"] == 0
        late = columns["arrived"] - columns["ts"] > LATENESS_MS
        first = whole & (columns["copy"] == 0)
        counts = self.records[kind]
        counts["records"] += length(columns)
        counts["broken"] += int((~whole).sum())
        counts["duplicates"] += int((whole & (columns["copy"] == 1)).sum())
        counts["late"] += int((whole & late).sum())
        counts["batch_events"] += int(first.sum())
        counts["speed_events"] += int((first & ~late).sum())
        for mark, count in zip(*np.unique(columns["broken"][~whole], return_counts=True), strict=True):
            reason = reason_of(kind, int(mark))
            self.broken[kind][reason] = self.broken[kind].get(reason, 0) + int(count)
        kept = {**columns, "late": late}
        self._parts[kind].append({name: kept[name][first] for name in _KEPT[kind]})
