"""What the care for tables found and did, one table or a round of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from quintet.errors import LabError, ServiceDownError
from quintet.lake.errors import CareError

__all__ = ["READS", "Care", "Measure", "Round", "compare"]

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


class Round:
    """Care for some tables: one that cannot be cared for keeps none of the others from it."""

    def __init__(self) -> None:
        self.cares: list[Care] = []
        self.errors: list[LabError] = []

    def do(self, tables: Iterable[Any], care_for: Callable[[Any], Care]) -> None:
        """Care for one table after the other; raises only when nothing answers at all."""
        for table in tables:
            try:
                self.cares.append(care_for(table))
            except ServiceDownError:
                raise
            except LabError as error:
                self.errors.append(error)

    def result(self, project: str, *more_errors: LabError) -> dict[str, Any]:
        """{"project", "at", "changed": names of what needed something, "tables": a row a table, "errors"}."""
        return {
            "project": project,
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "changed": [care.table for care in self.cares if care.done],
            "tables": [care.as_row() for care in self.cares],
            "errors": [str(error) for error in (*self.errors, *more_errors)],
        }

    def end(self) -> None:
        """Raise what kept a table from being cared for; of several errors a CareError that names all."""
        if len(self.errors) == 1:
            raise self.errors[0]
        if self.errors:
            raise CareError(
                f"{len(self.errors)} tables could not be cared for: "
                f"{'; '.join(error.message for error in self.errors)}",
                remedy=self.errors[0].remedy,
            )


def compare(name: str, before: tuple[int, str], after: tuple[int, str], *, change: str) -> None:
    """Hold rows and checksum of a table against those from before; `change` is what to roll it back behind.

    Raises:
        CareError: they differ.

    """
    if before != after:
        raise CareError(
            f"the rows of {name} are not those from before its care: {before[0]} rows ({before[1]}) before, "
            f"{after[0]} rows ({after[1]}) after",
            remedy=f"When no other run wrote meanwhile, roll the table back to {change}",
        )
