"""Contracts against the catalogue: a contract promises exactly what its topic or table is declared to be."""

from __future__ import annotations

from quintet.catalogue import PROJECTS, Column, SourceTable, Topic
from quintet.catalogue.ecommerce import EVENT_TOPICS
from quintet.catalogue.inputs import INPUTS_ANNOUNCED
from quintet.catalogue.published import GOLD_PUBLISHED
from quintet.contracts.model import Contract

__all__ = ["differences", "event_differences", "event_topics", "sources_by_topic"]


def sources_by_topic() -> dict[str, SourceTable]:
    """Captured tables of the catalogue by the topic of their changes."""
    return {table.topic.name: table for project in PROJECTS for source in project.sources for table in source.tables}


def event_topics() -> dict[str, Topic]:
    """Topics of events that programs send, with the fields that the catalogue declares, by name."""
    return {topic.name: topic for topic in (*EVENT_TOPICS.values(), INPUTS_ANNOUNCED, GOLD_PUBLISHED)}


def differences(contract: Contract, table: SourceTable) -> list[str]:
    """What a contract says otherwise than the catalogue; empty when they agree."""
    return _differences(contract, table.topic, table.name, table.key, table.columns)


def event_differences(contract: Contract, topic: Topic) -> list[str]:
    """What a contract about events says otherwise than the catalogue; its key is the identity of an event."""
    return _differences(contract, topic, topic.name, topic.identity, topic.columns)


def _differences(
    contract: Contract, topic: Topic, name: str, key: tuple[str, ...], columns: tuple[Column, ...]
) -> list[str]:
    found = []
    if contract.owner != topic.owner:
        found.append(f"its owner is {contract.owner}, that of {topic.name} is {topic.owner}")
    if set(contract.key) != set(key):
        found.append(f"its key is {', '.join(contract.key)}, that of {name} is {', '.join(key)}")
    promised = {
        promise.name: (promise.type, promise.is_required, promise.classification) for promise in contract.promises
    }
    declared = {column.name: (column.type, not column.nullable, column.pii.value) for column in columns}
    for name in sorted(promised.keys() | declared.keys()):
        if promised.get(name) != declared.get(name):
            found.append(f"{name}: promised {promised.get(name)}, declared {declared.get(name)}")
    return found
