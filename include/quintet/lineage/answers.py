"""Answers about lineage as JSON values, for the command and for the page.

What is declared (tables, owners, personal data, contracts, tests) is read from the release; what happens (flows, last
writes, tasks) from the collector.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from functools import cached_property
from typing import Any

from quintet import dbt
from quintet.catalogue.search import Entry, entries
from quintet.contracts import Contract, read_contracts
from quintet.errors import QuintetError
from quintet.lineage import dbtflow, impact
from quintet.lineage.graph import Graph, Reached, Spot
from quintet.lineage.model import Flow
from quintet.lineage.names import NAMESPACE, project_of
from quintet.lineage.store import Store
from quintet.settings import Lab

__all__ = ["Answers"]


class Answers:
    """Everything about one moment of one lab: made for a question or a page, then thrown away."""

    def __init__(self, lab: Lab, *, store: Store | None = None, at: datetime | None = None) -> None:
        self._lab, self._store, self._at = lab, store or Store.of_lab(lab), at

    @cached_property
    def known(self) -> dict[str, Entry]:
        """The catalogue by name."""
        return {entry.name: entry for entry in entries()}

    @cached_property
    def graph(self) -> Graph:
        """Lineage of the moment."""
        columns = {name: [column.name for column in entry.columns] for name, entry in self.known.items()}
        return Graph((_inside(flow) for flow in self._store.flows(self._at)), columns)

    def whole(self) -> dict[str, Any]:
        """All tables and the edges between them."""
        written = self._store.written()
        edges = self.graph.edges()
        linked = {name for source, target, _ in edges for name in (source, target)}
        return {
            "tables": [
                {**self._table(name), "written": _written(written, name), "linked": name in linked}
                for name in self.graph.tables
            ],
            "edges": [{"source": source, "target": target, "jobs": jobs} for source, target, jobs in edges],
        }

    def of(self, text: str) -> dict[str, Any]:
        """Upstream and downstream of a table or column."""
        spot = self.graph.find(text)
        return {
            "spot": str(spot),
            **self._facts(spot),
            **{way: self._reached(spot, way) for way in ("upstream", "downstream")},
        }

    def details(self, name: str) -> dict[str, Any]:
        """A table with its columns, their nearest sources, its jobs and the versions of its lineage."""
        spot = self.graph.find(name)
        table = spot.table
        known = self.known.get(table)
        declared = {column.name: column for column in known.columns} if known else {}
        tasks = self._store.tasks()
        return {
            **self._table(table),
            "written": _written(self._store.written(), table),
            "columns": [
                {
                    "name": column,
                    "type": declared[column].type if column in declared else "",
                    "pii": declared[column].pii.value if column in declared else "",
                    "description": declared[column].description if column in declared else "",
                    "sources": [str(found.spot) for found in self._nearest(Spot(table, column))],
                }
                for column in self.graph.columns(table)
            ],
            "jobs": [
                {
                    "job": flow.job,
                    "description": flow.description,
                    "tasks": tasks.get(flow.job, []),
                    "opaque": flow.opaque,
                }
                for flow in self.graph.writers(table)
            ],
            "versions": [vars(version) for version in self._store.versions(table)],
        }

    def impact(self, text: str) -> dict[str, Any]:
        """What breaks if a table or column goes."""
        spot = self.graph.find(text)
        return impact.assess(
            self.graph,
            spot,
            dependents=dbtflow.dependents(dbt.manifest(self._lab)),
            contracts=self._contracts(),
            tasks=self._store.tasks(),
            owners={name: entry.owner for name, entry in self.known.items()},
        ).as_json()

    def versions(self, text: str) -> dict[str, Any]:
        """Versions of the lineage of a table, latest first."""
        table = self.graph.find(text).table
        return {"table": table, "versions": [vars(version) for version in self._store.versions(table)]}

    def _nearest(self, spot: Spot) -> list[Reached]:
        return [found for found in self.graph.columns_from(spot, "upstream") if found.distance == 1]

    def _reached(self, spot: Spot, way: Any) -> list[dict[str, Any]]:
        if spot.column is None:
            found = self.graph.tables_from(spot.table, way)
        else:
            found = self.graph.columns_from(spot, way, indirect=True)
        return [
            {
                "name": str(entry.spot),
                "distance": entry.distance,
                "via": str(entry.before),
                "kind": entry.kind.value if entry.kind else "",
                "jobs": self.graph.jobs(*self._ends(entry, way)),
            }
            for entry in found
        ]

    @staticmethod
    def _ends(entry: Reached, way: str) -> tuple[str, str]:
        ends = entry.before.table, entry.spot.table
        return ends if way == "downstream" else (ends[1], ends[0])

    def _facts(self, spot: Spot) -> dict[str, Any]:
        return {**self._table(spot.table), "written": _written(self._store.written(), spot.table)}

    def _table(self, name: str) -> dict[str, Any]:
        known = self.known.get(name)
        return {
            "table": name,
            "kind": known.kind if known else "",
            "layer": known.layer if known else "",
            "project": project_of(name),
            "owner": known.owner if known else "",
            "pii": known.pii.value if known else "",
            "description": known.description if known else "",
        }

    def _contracts(self) -> list[Contract]:
        try:
            return list(read_contracts().values())
        except QuintetError:
            return []


def _inside(flow: Flow) -> Flow:
    """Airflow's own events name DAGs and tasks: they are no part of the flow of data unless they read or write."""
    return replace(flow, job=flow.job.removeprefix(f"{NAMESPACE}."))


def _written(written: dict[str, tuple[datetime, str, str]], name: str) -> dict[str, Any] | None:
    if name not in written:
        return None
    at, job, run = written[name]
    return {"at": at.isoformat(timespec="seconds"), "job": job, "run": run}
