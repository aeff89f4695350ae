"""What is said about versions of a table, whoever keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from quintet.catalogue import Table
from quintet.lake.errors import VersionError

__all__ = ["listed", "row", "unknown"]

#: Versions that an error names.
NAMED = 10


def row(
    version: int, at: datetime, operation: str, rows: int | None, *, is_current: bool, is_readable: bool
) -> dict[str, Any]:
    """One version as JSON values; the time in UTC, to the second."""
    return {
        "version": version,
        "at": at.astimezone(UTC).isoformat(timespec="seconds"),
        "operation": operation,
        "rows": rows,
        "is_current": is_current,
        "is_readable": is_readable,
    }


def unknown(table: Table, version: int, known: Sequence[int]) -> VersionError:
    """Error for a version that the table does not have."""
    return VersionError(f"{table.full_name} has no version {version}", remedy=f"It has: {listed(known)}")


def listed(versions: Sequence[int]) -> str:
    """The first of the versions, and how many more there are."""
    more = len(versions) - NAMED
    return (", ".join(map(str, versions[:NAMED])) or "none") + (f" and {more} older ones" if more > 0 else "")
