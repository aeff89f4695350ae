"""What breaks if a table or a column goes: columns, tables, tests, exposures, contracts, DAGs, and whom to tell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from quintet.contracts import Contract
from quintet.lineage.dbtflow import Dependents
from quintet.lineage.graph import Graph, Spot
from quintet.lineage.model import Kind

__all__ = ["Impact", "assess"]


@dataclass(frozen=True)
class Impact:
    """What depends on one spot.

    `columns` lose their value, `rows_of` are tables whose rows it decides about (filter, join, group), `tables` are all
    tables behind these. `tests`, `exposures`, `contracts` are (table, name); `dags` are to be looked at or stopped.
    """

    spot: str
    columns: Sequence[dict[str, Any]]
    rows_of: Sequence[str]
    tables: Sequence[str]
    jobs: Sequence[str]
    tests: Sequence[tuple[str, str]]
    exposures: Sequence[tuple[str, str]]
    contracts: Sequence[tuple[str, str]]
    dags: Sequence[str]
    owners: Sequence[str] = field(default_factory=tuple)

    @property
    def is_free(self) -> bool:
        """Nothing depends on it."""
        return not (self.columns or self.tables or self.tests or self.exposures or self.contracts)

    def as_json(self) -> dict[str, Any]:
        """All of it, for programs."""
        return {**asdict(self), "is_free": self.is_free}


def assess(
    graph: Graph,
    spot: Spot,
    *,
    dependents: Dependents,
    contracts: Iterable[Contract] = (),
    tasks: Mapping[str, Sequence[tuple[str, str]]] | None = None,
    owners: Mapping[str, str] | None = None,
) -> Impact:
    """Impact of the loss of a table or column.

    Args:
        graph: lineage.
        spot: what goes.
        dependents: tests and exposures of dbt.
        contracts: what is promised to readers.
        tasks: DAG and task in which each job runs.
        owners: owner of each table.

    """
    spots = [spot] if spot.column else [Spot(spot.table, column) for column in graph.columns(spot.table)]
    reached = {found.spot: found for start in spots for found in graph.columns_from(start, "downstream", indirect=True)}
    lost = sorted(
        (found for found in reached.values() if found.spot.column and found.spot.table != spot.table),
        key=lambda found: (found.distance, found.spot),
    )
    rows_of = sorted({found.spot.table for found in reached.values() if found.kind is Kind.INDIRECT} - {spot.table})
    direct = {found.spot.table for found in lost} | set(rows_of)
    if spot.column is None:
        direct |= {found.spot.table for found in graph.tables_from(spot.table, "downstream")}
    behind = {found.spot.table for table in rows_of for found in graph.tables_from(table, "downstream")}
    concerned = sorted((direct | behind) - {spot.table})
    names = {spot.table: {start.column for start in spots}}
    for found in lost:
        names.setdefault(found.spot.table, set()).add(found.spot.column)
    whole = set(rows_of) | behind | ({spot.table} if spot.column is None else set())
    jobs = _jobs(graph, spot, concerned)
    dags = sorted({dag for job in jobs for dag, _ in (tasks or {}).get(job, ())})
    promised = [
        (contract.physical_name, contract.id)
        for contract in contracts
        if _promises(contract, names.get(_table(contract), set()), _table(contract) in whole)
    ]
    told = [*concerned, spot.table]
    return Impact(
        spot=str(spot),
        columns=[
            {"column": str(found.spot), "kind": found.kind, "distance": found.distance, "from": str(found.before)}
            for found in lost
        ],
        rows_of=rows_of,
        tables=concerned,
        jobs=jobs,
        tests=_tests(dependents, names, whole),
        exposures=sorted({(name, owner) for table in told for name, owner in dependents.exposures.get(table, ())}),
        contracts=sorted(promised),
        dags=dags,
        owners=sorted({(owners or {})[table] for table in told if (owners or {}).get(table)}),
    )


def _tests(dependents: Dependents, names: Mapping[str, set[str | None]], whole: set[str]) -> list[tuple[str, str]]:
    """Tests of the columns that are lost, and every test of a table that is concerned as a whole."""
    return sorted(
        {
            (table, test)
            for table, tests in dependents.tests.items()
            for column, test in tests
            if table in whole or (column in names.get(table, ()) if column else table in names)
        }
    )


def _jobs(graph: Graph, spot: Spot, concerned: Sequence[str]) -> list[str]:
    """Jobs that write what is concerned, and those that read the spot itself."""
    writing = {flow.job for table in concerned for flow in graph.writers(table)}
    reading = {
        flow.job
        for flow in graph.readers(spot.table)
        if spot.column is None
        or any(link.source == spot.table and link.source_column == spot.column for link in flow.links)
    }
    return sorted(writing | reading)


def _table(contract: Contract) -> str:
    return f"kafka.{contract.physical_name}" if contract.kind == "topic" else contract.physical_name


def _promises(contract: Contract, columns: set[str | None], is_whole: bool) -> bool:
    return is_whole or any(promise.name in columns for promise in contract.promises)
