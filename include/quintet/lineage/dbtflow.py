"""Flows of dbt: each model and snapshot of a compiled project, its columns traced through the compiled SQL.

A manifest has compiled SQL after `dbt compile`, `run`, `build` or `docs generate`; ephemeral models are part of the
models that use them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quintet.catalogue import Layer, tables
from quintet.catalogue.gold import described
from quintet.errors import InputError, QuintetError
from quintet.lineage.model import Flow, Kind, Link
from quintet.lineage.names import short
from quintet.lineage.sqlflow import Schemas, trace

__all__ = ["Dependents", "dependents", "flows", "lake_schemas", "table_of"]

#: What dbt adds to a row of a snapshot, and the setting of the snapshot that it is made from.
_SNAPSHOT_COLUMNS = ("dbt_scd_id", "dbt_updated_at", "dbt_valid_from", "dbt_valid_to")
_REF = re.compile(r"ref\('(\w+)'\)")


@dataclass(frozen=True)
class Dependents:
    """What hangs on the tables of dbt: tests by table and column (None: the whole table), exposures by table."""

    tests: Mapping[str, tuple[tuple[str | None, str], ...]]
    exposures: Mapping[str, tuple[tuple[str, str], ...]]


def lake_schemas(marts: Path | None = None) -> dict[str, dict[str, str]]:
    """Columns of every table of the catalogue; those of gold are read from the folder of the marts."""
    found: dict[str, dict[str, str]] = {}
    for table in tables():
        whole = described(table, marts) if table.layer is Layer.GOLD and marts else table
        found[table.full_name] = {column.name: column.type for column in whole.columns}
    return found


def table_of(node: Mapping[str, Any]) -> str:
    """Name of the table of a node of the manifest."""
    return f"{node['database']}.{node['schema']}.{node.get('alias') or node.get('identifier') or node['name']}"


def flows(manifest: Path, schemas: Schemas, slug: str | None = None) -> list[Flow]:
    """Flows of all models and snapshots that make a table, or of those of one project of the platform.

    Raises:
        InputError: the manifest cannot be read, or holds no compiled SQL.

    """
    content = _read(manifest)
    nodes = [
        node
        for node in content["nodes"].values()
        if node["resource_type"] in {"model", "snapshot"} and node["config"]["materialized"] != "ephemeral"
    ]
    if not any(node.get("compiled_code") for node in nodes):
        raise InputError(f"{manifest} holds no compiled SQL", remedy="Make it with: dbt compile")
    known = {**{table_of(node): _declared(node) for node in nodes if node["columns"]}, **schemas}
    return [_flow(node, known) for node in nodes if node.get("compiled_code") and slug in (None, _slug(node))]


def dependents(manifest: Path) -> Dependents:
    """Tests and exposures of a manifest, compiled or not.

    Raises:
        InputError: the manifest cannot be read.

    """
    content = _read(manifest)
    names = {key: table_of(node) for key, node in (content["nodes"] | content["sources"]).items()}
    tests: dict[str, list[tuple[str | None, str]]] = {}
    for node in content["nodes"].values():
        if node["resource_type"] == "test":
            for table, column in _tested(node, names):
                tests.setdefault(table, []).append((column, node["name"]))
    exposures: dict[str, list[tuple[str, str]]] = {}
    for exposure in content["exposures"].values():
        for key in exposure["depends_on"]["nodes"]:
            owner = (exposure.get("owner") or {}).get("name") or ""
            exposures.setdefault(names[key], []).append((exposure["name"], owner))
    return Dependents(
        {table: tuple(sorted(found, key=str)) for table, found in tests.items()},
        {table: tuple(sorted(found)) for table, found in exposures.items()},
    )


def _read(manifest: Path) -> Mapping[str, Any]:
    try:
        content: Mapping[str, Any] = json.loads(manifest.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"the manifest {manifest} cannot be read: {error}", remedy="Run: make deploy") from error
    return content


def _slug(node: Mapping[str, Any]) -> str:
    """The folder of a model or a snapshot is named after its project."""
    name: str = node["fqn"][-2] if len(node["fqn"]) > 2 else node["package_name"]
    return name


def _declared(node: Mapping[str, Any]) -> dict[str, str]:
    return {name: column.get("data_type") or "varchar" for name, column in node["columns"].items()}


def _flow(node: Mapping[str, Any], schemas: Schemas) -> Flow:
    target = table_of(node)
    job = f"dbt.{_slug(node)}.{node['name']}"
    meta = node["config"].get("meta") or {}
    told = (node.get("description") or "").partition("\n")[0], str(meta.get("owner", ""))
    try:
        query = trace(node["compiled_code"], schemas, dialect="trino")
    except QuintetError as error:
        # The table's origin is known all the same: what dbt says that it needs.
        return Flow(job, tuple(_needed(node)), (target,), (), *told, opaque={"*": error.message})
    links = query.links(target)
    if node["resource_type"] == "snapshot":
        links += _history(node, target, query.tables)
    missing = {
        name: "no column of the query"
        for name in node["columns"]
        if name not in query.columns and not name.startswith("dbt_")
    }
    return Flow(job, query.tables, (target,), links, *told, opaque={**query.opaque, **missing})


def _history(node: Mapping[str, Any], target: str, sources: Iterable[str]) -> tuple[Link, ...]:
    """Columns that dbt adds to a snapshot are made from its key and from what is watched for changes."""
    config = node["config"]
    keys = config["unique_key"] if isinstance(config["unique_key"], list) else [config["unique_key"]]
    watched = config.get("check_cols") or []
    watched = [config["updated_at"]] if config.get("updated_at") else watched if isinstance(watched, list) else []
    return tuple(
        Link(source, column, target, added, Kind.TRANSFORMATION)
        for source in sources
        for added in _SNAPSHOT_COLUMNS
        for column in [*keys, *watched]
    )


def _needed(node: Mapping[str, Any]) -> list[str]:
    relation = node["database"], node["schema"]
    return sorted(
        ".".join((*relation, key.rpartition(".")[2])) for key in node["depends_on"]["nodes"] if key.startswith("model.")
    )


def _tested(node: Mapping[str, Any], names: Mapping[str, str]) -> Iterable[tuple[str, str | None]]:
    """Tables and columns that a test looks at."""
    attached = node.get("attached_node")
    if attached is None:
        return [(names[key], None) for key in node["depends_on"]["nodes"] if key in names]
    if node.get("column_name"):
        found = [(names[attached], node["column_name"])]
        kwargs = (node.get("test_metadata") or {}).get("kwargs", {})
        others = [names[key] for key in node["depends_on"]["nodes"] if key != attached and key in names]
        # A test of a relationship needs the column on the other side as well.
        wanted = _REF.search(str(kwargs.get("to", "")))
        found += [(other, kwargs["field"]) for other in others if wanted and short(other) == wanted.group(1)]
        return found
    arguments = (node.get("test_metadata") or {}).get("kwargs", {})
    columns = arguments.get("columns")
    if isinstance(columns, list):
        return [(names[attached], column) for column in columns]
    expression = str(arguments.get("expression", ""))
    return [(names[attached], word) for word in sorted(set(re.findall(r"[a-z_]\w*", expression)))] or [
        (names[attached], None)
    ]
