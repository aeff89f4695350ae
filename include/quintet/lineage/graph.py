"""The graph of tables and columns: what is upstream, what is downstream, and by which way.

Built from the flows of the collector and the tables of the catalogue; everything is answered in memory.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from quintet.errors import InputError
from quintet.lineage.model import Flow, Kind, Link
from quintet.lineage.names import short

__all__ = ["Direction", "Graph", "Reached", "Spot"]

Direction = Literal["upstream", "downstream"]


@dataclass(frozen=True, order=True)
class Spot:
    """A table, or one column of it."""

    table: str
    column: str | None = None

    def __str__(self) -> str:
        return self.table if self.column is None else f"{self.table}.{self.column}"


@dataclass(frozen=True)
class Reached:
    """A spot that is reached from another: how far away it is, and the spot before it on the shortest way."""

    spot: Spot
    distance: int
    before: Spot
    kind: Kind | None = None


class Graph:
    """Tables and columns as nodes, jobs as edges."""

    def __init__(self, flows: Iterable[Flow], columns: Mapping[str, Sequence[str]] | None = None) -> None:
        self.flows = tuple(flows)
        self._columns: dict[str, list[str]] = {table: list(names) for table, names in (columns or {}).items()}
        self._links: dict[Direction, dict[Spot, list[Link]]] = {
            "upstream": defaultdict(list),
            "downstream": defaultdict(list),
        }
        self._tables: dict[Direction, dict[str, set[str]]] = {
            "upstream": defaultdict(set),
            "downstream": defaultdict(set),
        }
        self._jobs: dict[tuple[str, str], set[str]] = defaultdict(set)
        for flow in self.flows:
            self._add(flow)

    def _add(self, flow: Flow) -> None:
        for target in flow.outputs:
            self._know(target)
            # Links say what goes where in a job with several outputs; without links everything goes everywhere.
            linked = {link.source for link in flow.links if link.target == target}
            several = len(flow.outputs) > 1 and linked
            for source in flow.inputs:
                self._know(source)
                if source != target and (not several or source in linked):
                    self._tables["downstream"][source].add(target)
                    self._tables["upstream"][target].add(source)
                    self._jobs[source, target].add(flow.job)
        for link in flow.links:
            self._know(link.source, link.source_column)
            self._know(link.target, link.target_column)
            self._links["downstream"][Spot(link.source, link.source_column)].append(link)
            self._links["upstream"][Spot(link.target, link.target_column)].append(link)

    def _know(self, table: str, column: str | None = None) -> None:
        names = self._columns.setdefault(table, [])
        if column is not None and column not in names:
            names.append(column)

    @property
    def tables(self) -> list[str]:
        """All tables, topics and feeds."""
        return sorted(self._columns)

    def columns(self, table: str) -> list[str]:
        """Columns of a table, as declared or as seen in a link."""
        return list(self._columns.get(table, []))

    def edges(self) -> list[tuple[str, str, tuple[str, ...]]]:
        """Every pair of tables with the jobs between them."""
        return sorted((source, target, tuple(sorted(jobs))) for (source, target), jobs in self._jobs.items())

    def jobs(self, source: str, target: str) -> tuple[str, ...]:
        """Jobs that read one and write the other."""
        return tuple(sorted(self._jobs.get((source, target), ())))

    def writers(self, table: str) -> list[Flow]:
        """Flows that write a table."""
        return [flow for flow in self.flows if table in flow.outputs]

    def readers(self, table: str) -> list[Flow]:
        """Flows that read a table, or a column of it past what lies between."""
        return [flow for flow in self.flows if table in flow.inputs or any(link.source == table for link in flow.links)]

    def find(self, text: str) -> Spot:
        """Spot that a text names: a full name, the end of one, or either with a column behind.

        Raises:
            InputError: nothing, or more than one, has the name; the message lists what has it nearly.

        """
        name = text.strip()
        found = self._named(name)
        if not found and "." in name:
            table, _, column = name.rpartition(".")
            tables = [spot.table for spot in self._named(table)]
            having = [Spot(known, column) for known in tables if column in self._columns[known]]
            if tables and not having:
                names = ", ".join(self._columns[tables[0]][:12])
                raise InputError(f"{tables[0]} has no column '{column}'", remedy=f"It has: {names}")
            found = having
        if len(found) == 1:
            return found[0]
        if found:
            raise InputError(
                f"'{text}' may be {', '.join(str(spot) for spot in found)}", remedy="Name one of them in full"
            )
        near = [table for table in self.tables if short(name).lower() in table.lower()][:6]
        remedy = f"Near it: {', '.join(near)}" if near else "Look for it with: quintet catalogue search"
        raise InputError(f"no table, topic or feed is called '{text}'", remedy=remedy)

    def _named(self, name: str) -> list[Spot]:
        if name in self._columns:
            return [Spot(name)]
        return [Spot(table) for table in self.tables if table.endswith(f".{name}")]

    def tables_from(self, table: str, direction: Direction) -> list[Reached]:
        """Tables that are reached from a table, nearest first."""
        found: dict[str, Reached] = {}
        waiting = deque([(table, 0)])
        while waiting:
            here, distance = waiting.popleft()
            for there in sorted(self._tables[direction].get(here, ())):
                if there != table and there not in found:
                    found[there] = Reached(Spot(there), distance + 1, Spot(here))
                    waiting.append((there, distance + 1))
        return list(found.values())

    def columns_from(self, spot: Spot, direction: Direction, *, indirect: bool = False) -> list[Reached]:
        """Columns that are reached from a column by value, nearest first.

        With `indirect` also the tables whose rows it decides about (spots without a column) and, upstream, the columns
        that decide about the rows of the column's table. The way ends there: that a row is or is not there changes
        everything behind it, which the graph of tables tells.
        """
        found: dict[Spot, Reached] = {}
        waiting = deque([(spot, 0)])
        while waiting:
            here, distance = waiting.popleft()
            for link in self._links[direction].get(here, ()):
                there = _end(link, direction)
                if link.kind is Kind.INDIRECT or there == spot or there in found:
                    continue
                found[there] = Reached(there, distance + 1, here, link.kind)
                waiting.append((there, distance + 1))
        if indirect:
            for here in [spot, *list(found)]:
                distance = found[here].distance if here in found else 0
                for there, kind in self._deciding(here, direction):
                    if there not in found and there != spot:
                        found[there] = Reached(there, distance + 1, here, kind)
        return sorted(
            found.values(), key=lambda reached: (reached.distance, reached.spot.table, reached.spot.column or "")
        )

    def _deciding(self, spot: Spot, direction: Direction) -> list[tuple[Spot, Kind]]:
        place = spot if direction == "downstream" else Spot(spot.table)
        return [
            (_end(link, direction), link.kind)
            for link in self._links[direction].get(place, ())
            if link.kind is Kind.INDIRECT
        ]

    def links_between(self, tables: Iterable[str]) -> list[Link]:
        """Links by value between columns of the given tables."""
        known = set(tables)
        return [
            link
            for links in self._links["downstream"].values()
            for link in links
            if link.source in known and link.target in known
        ]


def _end(link: Link, direction: Direction) -> Spot:
    if direction == "downstream":
        return Spot(link.target, link.target_column)
    return Spot(link.source, link.source_column)
