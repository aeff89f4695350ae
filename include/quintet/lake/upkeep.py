"""What the care for one table found and did."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["READS", "Care", "Measure"]

#: Full scans whose median counts as the time of one.
READS = 3


@dataclass(frozen=True)
class Measure:
    """A table at one time: data files, their bytes, rows, seconds of a full scan."""

    files: int
    bytes: int
    rows: int
    read_seconds: float


@dataclass(frozen=True)
class Care:
    """One table before and after, and the steps that were taken; none: it was in shape."""

    table: str
    before: Measure
    after: Measure
    done: tuple[str, ...]

    def as_row(self) -> dict[str, Any]:
        """Flat values for JSON and tables."""
        row: dict[str, Any] = {"table": self.table, "rows": self.after.rows}
        for name in ("files", "bytes", "read_seconds"):
            for when, found in (("before", self.before), ("after", self.after)):
                value = asdict(found)[name]
                row[f"{name}_{when}"] = round(value, 4) if isinstance(value, float) else value
        return {**row, "done": list(self.done)}
