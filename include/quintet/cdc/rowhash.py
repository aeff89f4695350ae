"""Fingerprints of tables that are equal wherever the rows lie: in the source, in Delta, in Iceberg."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

__all__ = ["Fingerprint", "fingerprint", "text_of"]

_MODULUS = 1 << 128


@dataclass(frozen=True)
class Fingerprint:
    """Rows and the sum of their hashes: the order does not matter, a row that is there twice does."""

    rows: int
    total: int

    def __str__(self) -> str:
        return f"{self.rows} rows, {self.total:032x}"


def fingerprint(rows: Iterable[Sequence[Any]]) -> Fingerprint:
    """Fingerprint of rows, their values in the same order of columns."""
    count = total = 0
    for row in rows:
        count += 1
        text = "\x1f".join(map(text_of, row))
        total += int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "big")
    return Fingerprint(count, total % _MODULUS)


def text_of(value: Any) -> str:
    """A value as text, the same for every engine: instants in UTC to the microsecond, decimals with their digits."""
    if value is None:
        return "\\N"
    if isinstance(value, bool):
        return "t" if value else "f"
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    if isinstance(value, date):
        return value.isoformat()
    return repr(value) if isinstance(value, float) else str(value)
