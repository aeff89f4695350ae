"""One name for each table, topic and file feed, whatever engine speaks of it.

| what | name |
|---|---|
| table of the lake, of PostgreSQL | catalog.schema.table, as in Trino |
| topic | kafka.<topic> |
| files of a feed | files.<project>.<feed> |

Source: OpenLineage specification, "Naming" (namespaces `file`, `kafka://…`, `postgres://…`, `trino://…`).
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

__all__ = ["NAMESPACE", "canonical", "files", "of_location", "project_of", "short", "topic"]

#: Namespace of jobs and data sets that this platform tells itself.
NAMESPACE = "quintet"
_CATALOGS = ("delta", "iceberg")


def topic(name: str) -> str:
    """Name of a topic."""
    return f"kafka.{name}"


def files(project: str, feed: str) -> str:
    """Name of the files of a feed."""
    return f"files.{project}.{feed}"


def of_location(location: str, lake: Path) -> str:
    """Name of what lies at a path or file URI: a table when it is one of the lake, else the path itself."""
    path = unquote(urlsplit(location).path) if "://" in location or location.startswith("file:") else location
    root = lake.resolve().as_posix()
    plain = "/" + path.lstrip("/")
    if plain.startswith(root + "/"):
        parts = plain.removeprefix(root + "/").rstrip("/").split("/")
        if len(parts) >= 3 and parts[0] in _CATALOGS:
            return ".".join(parts[:3])
    return plain


def canonical(namespace: str, name: str, lake: Path) -> str:
    """Name of a data set of an OpenLineage event; what is of no known form keeps its namespace before its name."""
    scheme = namespace.partition(":")[0]
    if namespace == NAMESPACE or scheme == "trino":
        return name
    if scheme in {"file", "hdfs", "s3", "s3a"}:
        return of_location(name, lake)
    if scheme == "kafka":
        return topic(name)
    if scheme in {"postgres", "postgresql"}:
        # database.schema.table; the catalog `postgres` of Trino is the shop's database.
        return f"postgres.{name.partition('.')[2]}" if name.startswith("shop.") else f"{namespace}/{name}"
    return f"{namespace}/{name}"


def short(name: str) -> str:
    """The last part: what people call it."""
    if name.startswith("kafka."):
        return name.removeprefix("kafka.")
    return name.rpartition(".")[2]


def project_of(name: str) -> str:
    """Slug in a name; empty when it has none."""
    parts = name.split(".")
    if parts[0] in {"files", "kafka"} and len(parts) > 2:
        return parts[1]
    return parts[1].partition("_")[2] if len(parts) == 3 else ""
