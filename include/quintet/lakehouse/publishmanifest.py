"""The manifest of a published table: the one object that says which files it is made of.

| generation | of the content: one more with each publication |
|---|---|
| revision | of the manifest itself: one more with each write, also one that only goes before a removal |
| former | files of the generation before, which those who read it may still need; none else is in the folder |

Source: own derivation; the idea, files that never change and one pointer that is exchanged on a condition, is that of
table formats.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from quintet.catalogue.published import Publication
from quintet.contracts import Contract
from quintet.errors import LabError

__all__ = ["MANIFEST", "Manifest", "Part", "manifest_key", "parse", "succeed"]

#: Its name in the folder of the table: readers of folders pass over what begins with an underscore.
MANIFEST = "_current.json"
FORMAT = 1


@dataclass(frozen=True)
class Part:
    """One file: its key in the bucket, the value of its partition, its size, and the store's name of its content."""

    key: str
    value: str | None
    rows: int
    bytes: int
    etag: str


@dataclass(frozen=True)
class Manifest:
    """What a published table is made of."""

    table: str
    contract: str
    contract_version: str
    generation: int
    revision: int
    published_at: str
    partition: str
    columns: tuple[tuple[str, str], ...]
    parts: tuple[Part, ...]
    former: tuple[str, ...]

    @property
    def keys(self) -> frozenset[str]:
        """Keys of its files."""
        return frozenset(part.key for part in self.parts)

    @property
    def rows(self) -> int:
        """Rows in all files."""
        return sum(part.rows for part in self.parts)

    @property
    def publication_id(self) -> str:
        """What tells this publication from all others of the table, also from those of a bucket that was emptied."""
        digest = hashlib.sha256("\n".join([self.published_at, *sorted(self.keys)]).encode()).hexdigest()[:12]
        return f"{self.table}@{self.generation}-{digest}"

    def revised(self) -> Manifest:
        """The same, to be written once more."""
        return replace(self, revision=self.revision + 1)

    def as_json(self) -> bytes:
        """For the bucket."""
        content = {"format": FORMAT, "row_count": self.rows, **asdict(self)}
        content["columns"] = [{"name": name, "type": kind} for name, kind in self.columns]
        return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()


def manifest_key(publication: Publication) -> str:
    """Key of the manifest of a table."""
    return publication.prefix + MANIFEST


def parse(data: bytes, place: str) -> Manifest:
    """Manifest from the bucket.

    Raises:
        LabError: it is none, or of a later form.

    """
    try:
        content: dict[str, Any] = json.loads(data)
        if content["format"] != FORMAT:
            raise ValueError(f"form {content['format']}")
        return Manifest(
            **{name: content[name] for name in ("table", "contract", "contract_version", "generation", "revision")},
            published_at=content["published_at"],
            partition=content["partition"],
            columns=tuple((column["name"], column["type"]) for column in content["columns"]),
            parts=tuple(Part(**part) for part in content["parts"]),
            former=tuple(content["former"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise LabError(
            f"the manifest {place} is damaged near {error}",
            remedy="Take a former version of the object back, or remove it: the next publication writes all anew",
        ) from error


def succeed(
    current: Manifest | None, publication: Publication, contract: Contract, parts: Sequence[Part], now: datetime
) -> Manifest:
    """The manifest of these files: the current one itself when they are the same, else the next generation."""
    table = publication.source.partition(".")[2]
    columns = tuple((promise.name, promise.type) for promise in contract.promises)
    made = Manifest(
        table=table,
        contract=contract.id,
        contract_version=contract.version,
        generation=1 if current is None else current.generation + 1,
        revision=1 if current is None else current.revision + 1,
        published_at=now.isoformat(timespec="seconds"),
        partition=publication.partition,
        columns=columns,
        parts=tuple(parts),
        former=(),
    )
    if current is None:
        return made
    same = ("table", "contract", "contract_version", "partition", "columns", "parts")
    if all(getattr(current, name) == getattr(made, name) for name in same):
        return current
    # Only what is replaced is kept, and for one generation: what was kept before goes.
    return replace(made, former=tuple(sorted(current.keys - made.keys)))
