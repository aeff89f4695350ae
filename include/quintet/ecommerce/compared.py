"""Rows that must be and rows that are, as a check: a few as they are, many as a hash; and where they differ."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from quintet.check import Check

__all__ = ["Row", "compared", "lines_of", "same", "text"]

Row = tuple[Any, ...]
#: Rows named of those that are missing, and of those that are too much.
SHOWN = 2
#: Rows that are told themselves where they fit into so many characters; of others their number and a hash.
FEW, WIDTH = 6, 80


def compared(name: str, expected: Iterable[Iterable[Any]], actual: Iterable[Iterable[Any]], where: str) -> Check:
    """Compare all rows, whatever their order; a check that fails names the first that differ."""
    wanted, found = lines_of(expected), lines_of(actual)
    place = where
    if wanted != found:
        lacks, surplus = Counter(wanted), Counter(found)
        parts = (("lacks", sorted((lacks - surplus).elements())), ("has", sorted((surplus - lacks).elements())))
        place += "".join(f"; {word} {_shown(lines)}" for word, lines in parts if lines)
    return Check(name, _digest(wanted), _digest(found), place)


def same(name: str, expected: Any, actual: Any, where: str = "") -> Check:
    """Compare two values."""
    return Check(name, text(expected), text(actual), where)


def lines_of(rows: Iterable[Iterable[Any]]) -> list[str]:
    """A line of text a row, in an order of their own."""
    return sorted("|".join(text(value) for value in row) for row in rows)


def text(value: Any) -> str:
    """One form for what engines tell in several: times without a zone are UTC, numbers have no trailing zeros."""
    if isinstance(value, datetime):
        moment = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        return moment.isoformat(timespec="milliseconds")
    if isinstance(value, Decimal):
        return f"{value.normalize() + 0:f}"
    return str(value)


def _digest(lines: list[str]) -> str:
    if 0 < len(lines) <= FEW and len(told := ", ".join(lines)) <= WIDTH:
        return told
    return f"{len(lines)} rows, {hashlib.sha256(chr(10).join(lines).encode()).hexdigest()[:16]}"


def _shown(lines: list[str]) -> str:
    more = f" and {len(lines) - SHOWN} more" if len(lines) > SHOWN else ""
    return f"{', '.join(lines[:SHOWN])}{more}"
