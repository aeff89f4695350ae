"""Flows of Flink SQL jobs: temporary tables stand for topics, statements of the set are traced one by one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import yaml
from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError

from quintet.errors import InputError
from quintet.lineage.model import Flow, Link
from quintet.lineage.names import topic
from quintet.lineage.sqlflow import trace

__all__ = ["flows"]

#: Catalogs of a job to those of Trino.
_CATALOGS = {"lake": "iceberg"}
_CREATE = re.compile(r"CREATE\s+(?:TEMPORARY\s+)?TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?([\w.`]+)\s*\(", re.IGNORECASE)
_VIEW = re.compile(r"CREATE\s+(?:TEMPORARY\s+)?VIEW\s+([\w.`]+)\s+AS\s+(.*)", re.IGNORECASE | re.DOTALL)
_INSERT = re.compile(r"INSERT\s+INTO\s+([\w.`]+)\s*(?:\(([^)]*)\))?\s+(SELECT\b.*|WITH\b.*)", re.IGNORECASE | re.DOTALL)
_TOPIC = re.compile(r"'topic'\s*=\s*'([^']+)'", re.IGNORECASE)
_SERVED = re.compile(r"'table-name'\s*=\s*'([^']+)'", re.IGNORECASE)
_COLUMN = re.compile(r"^\s*`?(\w+)`?\s+([A-Z][\w]*(?:\([^)]*\))?)", re.IGNORECASE)
#: A window over a table's rows, and the version of a table at a moment: no other dialect knows these words.
_WINDOW = re.compile(
    r"TABLE\s*\(\s*(?:TUMBLE|HOP|CUMULATE|SESSION)\s*\(\s*TABLE\s+(\w+)[^()]*DESCRIPTOR\s*\(\s*(\w+)\s*\)[^()]*\)\s*\)",
    re.IGNORECASE,
)
#: A function over a table's rows, user by user. What it does is not in the statement.
_FUNCTION = re.compile(r"\bFROM\s+\w+\s*\(\s*TABLE\s+(\w+)\s+PARTITION\s+BY\b[^()]*\)", re.IGNORECASE)
_MOMENT = re.compile(r"\bFOR\s+SYSTEM_TIME\s+AS\s+OF\s+[\w.`]+", re.IGNORECASE)
_NO_COLUMN = {"PRIMARY", "WATERMARK", "CONSTRAINT", "UNIQUE", "PARTITIONED"}
#: Schema in which the temporary tables stand while a statement is traced.
_TEMPORARY = "flink.temporary"


def flows(folder: Path) -> list[Flow]:
    """Flows of every SQL job below a folder `<slug>/<job>/`; one a job.

    Raises:
        InputError: a statement cannot be read; the message names the file.

    """
    return [_job(file.parent) for file in sorted(folder.glob("*/*/job.yaml")) if list(file.parent.glob("*.sql"))]


def _job(folder: Path) -> Flow:
    told = yaml.safe_load((folder / "job.yaml").read_text(encoding="utf-8"))
    text = "\n".join(file.read_text(encoding="utf-8") for file in sorted(folder.glob("*.sql")))
    schemas: dict[str, dict[str, str]] = {}
    places: dict[str, str] = {}
    inputs: set[str] = set()
    outputs: set[str] = set()
    links: set[Link] = set()
    opaque: dict[str, str] = {}
    views: dict[str, str] = {}
    for statement in _statements(text):
        if made := _CREATE.match(statement):
            name = _plain(made.group(1))
            schemas[_full(name)] = _columns(statement)
            if found := _TOPIC.search(statement):
                places[_full(name)] = topic(found.group(1))
            elif served := _SERVED.search(statement):
                places[_full(name)] = f"postgres.{served.group(1)}"
        elif view := _VIEW.match(statement):
            views[_plain(view.group(1))] = _without_function(view.group(2), views)
        elif insert := _INSERT.match(statement):
            target = _full(_plain(insert.group(1)))
            try:
                query = trace(_with_views(insert.group(3), views), schemas, dialect="spark")
            except InputError as error:
                raise InputError(f"{folder}: {error.message}", remedy=error.remedy) from error
            place = places.get(target, target)
            written = [_plain(name) for name in (insert.group(2) or "").split(",") if name.strip()]
            names = dict(zip(query.columns, written or schemas.get(target, {}), strict=False))
            inputs |= {places.get(table, table) for table in query.tables}
            outputs.add(place)
            opaque |= {f"{place}.{column}": reason for column, reason in query.opaque.items()}
            links |= {_placed(link, places) for link in query.links(place, names)}
    return Flow(
        job=f"flink.{folder.parent.name}.{told['name']}",
        inputs=tuple(sorted(inputs)),
        outputs=tuple(sorted(outputs)),
        links=tuple(sorted(links, key=str)),
        description=told.get("description", ""),
        owner=told.get("owner", ""),
        opaque=opaque,
    )


def _statements(text: str) -> list[str]:
    plain = re.sub(r"--[^\n]*|/\*.*?\*/", "", text, flags=re.DOTALL)
    # A statement set is written with its own words around the statements.
    plain = re.sub(r"EXECUTE\s+STATEMENT\s+SET\s+BEGIN|BEGIN\s+STATEMENT\s+SET\s*;|\bEND\s*;", "", plain, flags=re.I)
    # The bounds of a window come from the time that it is over.
    bounds = ", ".join(rf"\2 AS window_{name}" for name in ("start", "end", "time"))
    plain = _WINDOW.sub(rf"(SELECT *, {bounds} FROM \1) AS windowed", plain)
    plain = _MOMENT.sub("", plain)
    return [
        statement.strip() for statement in re.sub(r"\{\{.*?\}\}", "templated", plain).split(";") if statement.strip()
    ]


def _columns(statement: str) -> dict[str, str]:
    inside = statement[statement.index("(") + 1 :]
    depth, end = 1, 0
    for end, letter in enumerate(inside):  # noqa: B007  # read after the loop
        depth += (letter == "(") - (letter == ")")
        if depth == 0:
            break
    found = {}
    for part in re.split(r",(?![^()]*\))", inside[:end]):
        column = _COLUMN.match(part)
        if column and column.group(1).upper() not in _NO_COLUMN:
            found[column.group(1)] = column.group(2).lower()
    return found


def _without_function(query: str, views: Mapping[str, str]) -> str:
    """The query with a function over a view written as a query over it.

    A column that the view has, too, comes from it, any other from all that the function is given.
    """
    if not (called := _FUNCTION.search(query)):
        return query
    try:
        given = parse_one(views[called.group(1)], dialect="spark").named_selects
        outside = parse_one(_FUNCTION.sub("FROM called", query), dialect="spark")
    except SqlglotError as error:
        raise InputError(f"a statement cannot be read: {str(error).splitlines()[0]}", remedy=query[:200]) from error
    asked = sorted({column.name for column in outside.find_all(exp.Column)})
    columns = [name if name in given else f"coalesce({', '.join(given)}) AS {name}" for name in asked]
    return _FUNCTION.sub(f"FROM (SELECT {', '.join(columns)} FROM {called.group(1)}) AS called", query)


def _with_views(query: str, views: Mapping[str, str]) -> exp.Expression:
    """The query with its views written out, and its tables named in full."""
    try:
        parsed = parse_one(query, dialect="spark")
        while used := {table.name for table in parsed.find_all(exp.Table)} & views.keys():
            written = {name: parse_one(views[name], dialect="spark") for name in used}
            parsed = exp.expand(parsed, written, dialect="spark")
    except SqlglotError as error:
        raise InputError(f"a statement cannot be read: {str(error).splitlines()[0]}", remedy=query[:200]) from error
    within = {cte.alias for cte in parsed.find_all(exp.CTE)}
    for table in list(parsed.find_all(exp.Table)):
        name = ".".join(part.name for part in table.parts)
        if name not in within:
            table.replace(exp.alias_(exp.to_table(_full(name)), table.alias or table.name, table=True))
    return parsed


def _plain(name: str) -> str:
    return name.replace("`", "").strip()


def _full(name: str) -> str:
    parts = name.split(".")
    if len(parts) == 3:
        return ".".join((_CATALOGS.get(parts[0], parts[0]), *parts[1:]))
    return f"{_TEMPORARY}.{parts[-1]}"


def _placed(link: Link, places: Mapping[str, str]) -> Link:
    source = places.get(link.source, link.source)
    return Link(source, link.source_column, link.target, link.target_column, link.kind)
