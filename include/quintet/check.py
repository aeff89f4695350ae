"""One comparison of a proof: what the truth says and what was found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["Check"]


@dataclass(frozen=True)
class Check:
    """One comparison, both values as text; `where`: the table, and what differs in it, for those who have to look."""

    name: str
    expected: str
    actual: str
    where: str = ""

    @property
    def ok(self) -> bool:
        """Whether both are the same."""
        return self.expected == self.actual

    def as_json(self) -> dict[str, Any]:
        """JSON object; a place that is not told is left out."""
        told = {"name": self.name, "ok": self.ok, "expected": self.expected, "actual": self.actual}
        return told | ({"where": self.where} if self.where else {})
