"""Search of the catalogue: by table, column, owner, description or class of personal data.

Every word of the question has to be found in one entry; where it is found decides about the order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quintet.catalogue.gold import described
from quintet.catalogue.model import Column, Layer, Pii
from quintet.catalogue.registry import PROJECTS, tables

__all__ = ["Entry", "Found", "entries", "search"]

#: Clone or release that this package lies in.
_ROOT = Path(__file__).parents[3]
#: Where a word is found: what it is worth. A word may also be `pii:direct`, `owner:retail-data`, `layer:gold`.
_WORTH = {"name": 8, "column": 4, "owner": 3, "pii": 3, "layer": 2, "description": 1}


@dataclass(frozen=True)
class Entry:
    """One table, topic or table of a source."""

    name: str
    kind: str
    layer: str
    owner: str
    description: str
    pii: Pii
    columns: tuple[Column, ...]


@dataclass(frozen=True)
class Found:
    """An entry that answers a question; `columns` are those in which a word was found."""

    entry: Entry
    score: int
    where: tuple[str, ...]
    columns: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The entry without its other columns."""
        return {
            "name": self.entry.name,
            "kind": self.entry.kind,
            "layer": self.entry.layer,
            "owner": self.entry.owner,
            "pii": self.entry.pii.value,
            "description": self.entry.description,
            "where": list(self.where),
            "columns": list(self.columns),
            "score": self.score,
        }


def entries(root: Path = _ROOT) -> Iterator[Entry]:
    """Everything that the catalogue holds, with its columns."""
    marts = root / "dbt" / "models" / "marts"
    for table in tables():
        whole = described(table, marts) if table.layer is Layer.GOLD else table
        yield Entry(
            whole.full_name, "table", whole.layer.value, whole.owner, whole.description, whole.pii, whole.columns
        )
    for project in PROJECTS:
        topics = {entry.topic.name for source in project.sources for entry in source.tables}
        for source in project.sources:
            for entry in source.tables:
                pii = _highest(entry.columns)
                name = f"postgres.{source.database_schema}.{entry.name}"
                yield Entry(name, "source", "source", source.owner, entry.description, pii, entry.columns)
                topic = entry.topic
                name = f"kafka.{topic.name}"
                yield Entry(name, "topic", "topic", topic.owner, topic.description, pii, entry.columns)
        for topic in project.topics:
            if topic.name not in topics:
                yield Entry(f"kafka.{topic.name}", "topic", "topic", topic.owner, topic.description, Pii.NONE, ())


def search(text: str, *, limit: int = 50, among: Iterable[Entry] | None = None) -> list[Found]:
    """Entries that hold every word of a text, best first."""
    words = text.lower().split()
    found = [answer for entry in (entries() if among is None else among) if (answer := _answer(entry, words))]
    return sorted(found, key=lambda answer: (-answer.score, answer.entry.name))[:limit]


def _answer(entry: Entry, words: list[str]) -> Found | None:
    where: list[str] = []
    columns: list[str] = []
    score = 0
    for word in words:
        places = _places(entry, word)
        if not places:
            return None
        best = max(places, key=lambda place: _WORTH[place])
        score += _WORTH[best]
        where += [place for place in places if place not in where]
        columns += [name for name in _columns(entry, word) if name not in columns]
    return Found(entry, score, tuple(where), tuple(columns)) if words else None


def _places(entry: Entry, word: str) -> list[str]:
    key, _, value = word.partition(":")
    if value and key in _WORTH:
        texts = {place: text for place, text in _texts(entry).items() if place == key}
        word = value
    else:
        texts = _texts(entry)
    places = [place for place, text in texts.items() if (text == word if place == "pii" else word in text)]
    if ("column" in texts or not value) and _columns(entry, word if not value else f"{key}:{value}"):
        places.append("column")
    return list(dict.fromkeys(places))


def _texts(entry: Entry) -> dict[str, str]:
    return {
        "name": entry.name.lower(),
        "column": "",
        "owner": entry.owner.lower(),
        "pii": entry.pii.value,
        "layer": entry.layer.lower(),
        "description": entry.description.lower(),
    }


def _columns(entry: Entry, word: str) -> list[str]:
    """Columns that have the word in their name, description or class."""
    key, _, value = word.partition(":")
    if key == "pii":
        return [column.name for column in entry.columns if column.pii.value == value]
    if value and key != "column":
        return []
    wanted = value or word
    return [
        column.name
        for column in entry.columns
        if wanted in column.name.lower() or (not value and wanted in column.description.lower())
    ]


def _highest(columns: tuple[Column, ...]) -> Pii:
    order = list(Pii)
    return max((column.pii for column in columns), key=order.index, default=Pii.NONE)
