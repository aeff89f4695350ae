"""Types of lineage."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

__all__ = ["Flow", "Kind", "Link", "stronger", "strongest"]


class Kind(StrEnum):
    """What a source column does for the target, the least first."""

    IDENTITY = "identity"  # its value is taken as it is, or with another type
    TRANSFORMATION = "transformation"  # a value is computed from its value in the same row
    AGGREGATION = "aggregation"  # a value is computed from its values in many rows
    INDIRECT = "indirect"  # decides which rows there are: filter, join, group, order of a window


_LEAST_FIRST = tuple(Kind)


def stronger(one: Kind, other: Kind) -> Kind:
    """Which of two does more."""
    return max(one, other, key=_LEAST_FIRST.index)


def strongest(found: Iterable[tuple[str, str, Kind]]) -> Iterator[tuple[str, str, Kind]]:
    """Each column of a table once, with the most that is done with it."""
    best: dict[tuple[str, str], Kind] = {}
    for table, column, kind in found:
        best[table, column] = stronger(kind, best.get((table, column), kind))
    for (table, column), kind in best.items():
        yield table, column, kind


@dataclass(frozen=True, order=True)
class Link:
    """One step of one column to another; `target_column` is None for what concerns every row of the target.

    Tables are named as in `names`: catalog.schema.table, kafka.<topic>, files.<project>.<feed>.
    """

    source: str
    source_column: str
    target: str
    target_column: str | None
    kind: Kind


@dataclass(frozen=True)
class Flow:
    """What one job reads and writes.

    `job` is a name that stays the same from run to run, for example `dbt.lakehouse.fct_sales`; its part before the
    first point is the engine. `opaque` names target columns whose origin could not be told, with the reason; `parts`
    names, for an input of many files, those that were read this time.
    """

    job: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    links: tuple[Link, ...] = ()
    description: str = ""
    owner: str = ""
    opaque: dict[str, str] = field(default_factory=dict)
    parts: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def engine(self) -> str:
        """Program that does the work."""
        return self.job.partition(".")[0]

    def digest(self) -> str:
        """Hash of what flows where: equal for two runs that did the same."""
        lines = sorted(
            [f"in {name}" for name in set(self.inputs)]
            + [f"out {name}" for name in set(self.outputs)]
            + [
                "|".join((link.source, link.source_column, link.target, link.target_column or "", link.kind))
                for link in set(self.links)
            ]
        )
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()
