"""Contracts against the catalogue: a contract promises exactly what its topic or table is declared to be."""

from __future__ import annotations

from quintet.catalogue import PROJECTS, SourceTable
from quintet.contracts.model import Contract

__all__ = ["differences", "sources_by_topic"]


def sources_by_topic() -> dict[str, SourceTable]:
    """Captured tables of the catalogue by the topic of their changes."""
    return {table.topic.name: table for project in PROJECTS for source in project.sources for table in source.tables}


def differences(contract: Contract, table: SourceTable) -> list[str]:
    """What a contract says otherwise than the catalogue; empty when they agree."""
    found = []
    if contract.owner != table.topic.owner:
        found.append(f"its owner is {contract.owner}, that of {table.topic.name} is {table.topic.owner}")
    if set(contract.key) != set(table.key):
        found.append(f"its key is {', '.join(contract.key)}, that of {table.name} is {', '.join(table.key)}")
    promised = {
        promise.name: (promise.type, promise.is_required, promise.classification) for promise in contract.promises
    }
    declared = {column.name: (column.type, not column.nullable, column.pii.value) for column in table.columns}
    for name in sorted(promised.keys() | declared.keys()):
        if promised.get(name) != declared.get(name):
            found.append(f"{name}: promised {promised.get(name)}, declared {declared.get(name)}")
    return found
