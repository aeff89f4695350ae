"""Column lineage of one SQL query: each column of its result traced to the columns of the tables it reads.

The query is qualified with the schemas of its tables, then every reference is followed from scope to scope. What only
decides which rows there are (filters, joins, groups, orders) is told for the result as a whole.

Source: own derivation over the scopes of sqlglot's optimizer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import Scope, build_scope

from quintet.errors import InputError
from quintet.lineage.model import Kind, Link, stronger, strongest

__all__ = ["Query", "Schemas", "trace"]

#: Columns and their types by table: names as in `names`.
Schemas = Mapping[str, Mapping[str, str]]

#: Parts of a SELECT whose columns decide about rows.
_DECIDING = ("where", "having", "qualify", "group", "order", "distinct")


@dataclass(frozen=True)
class Query:
    """What a query reads: `tables`, and for each column of its result where it comes from.

    `sources[column]` is empty for a constant or a count of rows; `opaque` names columns that could not be traced.
    """

    tables: tuple[str, ...]
    columns: tuple[str, ...]
    sources: Mapping[str, frozenset[tuple[str, str, Kind]]]
    deciding: frozenset[tuple[str, str]]
    opaque: Mapping[str, str]

    def links(self, target: str, names: Mapping[str, str] | None = None) -> tuple[Link, ...]:
        """Links of a table that is written with the result; `names` renames columns of the result to its own."""
        renamed = names or {}
        direct = [
            Link(table, column, target, renamed.get(name, name), kind)
            for name, found in self.sources.items()
            for table, column, kind in strongest(found)
        ]
        whole = [Link(table, column, target, None, Kind.INDIRECT) for table, column in self.deciding]
        return (*sorted(direct), *sorted(whole, key=lambda link: (link.source, link.source_column)))


def trace(sql: str | exp.Expression, schemas: Schemas, *, dialect: str) -> Query:
    """Lineage of a query.

    Raises:
        InputError: the query cannot be parsed, or names a column that its tables do not have.

    """
    try:
        parsed = parse_one(sql, dialect=dialect) if isinstance(sql, str) else sql.copy()
        qualified = qualify(
            parsed,
            dialect=dialect,
            schema=_nested(schemas),
            validate_qualify_columns=False,
            identify=False,
            expand_alias_refs=True,
        )
    except SqlglotError as error:
        raise InputError(f"the query cannot be read: {str(error).splitlines()[0]}", remedy=f"Query: {sql}") from error
    root = build_scope(qualified)
    if root is None:
        raise InputError("what is given is no query", remedy=f"It is: {sql}")
    return _Tracer(dialect).query(root)


class _Tracer:
    """Follows references; answers are kept, since common tables are asked again and again."""

    def __init__(self, dialect: str) -> None:
        self._dialect = dialect
        self._known: dict[tuple[int, str], frozenset[tuple[str, str, Kind]]] = {}

    def query(self, root: Scope) -> Query:
        sources: dict[str, frozenset[tuple[str, str, Kind]]] = {}
        opaque: dict[str, str] = {}
        names = [name for name in root.expression.named_selects if name]
        for name in names:
            try:
                sources[name] = self._column(root, name)
            except _UntracedError as error:
                sources[name], opaque[name] = frozenset(), str(error)
        scopes = list(root.traverse())
        tables = {_table(source) for scope in scopes for source in scope.sources.values() if _is_table(source)}
        deciding = {
            (table, column)
            for scope in scopes
            for reference in _deciding(scope)
            for table, column, _ in self._safely(scope, reference)
        }
        return Query(tuple(sorted(tables)), tuple(names), sources, frozenset(deciding), opaque)

    def _safely(self, scope: Scope, reference: exp.Column) -> frozenset[tuple[str, str, Kind]]:
        try:
            return self._reference(scope, reference)
        except _UntracedError:
            return frozenset()

    def _column(self, scope: Scope, name: str) -> frozenset[tuple[str, str, Kind]]:
        """Origin of one column of a scope's result."""
        key = (id(scope), name)
        if key not in self._known:
            self._known[key] = frozenset()  # a recursive query ends here
            self._known[key] = self._origin(scope, name)
        return self._known[key]

    def _origin(self, scope: Scope, name: str) -> frozenset[tuple[str, str, Kind]]:
        if scope.set_operation_scopes:
            place = scope.expression.named_selects.index(name)
            return frozenset().union(
                *(self._column(part, part.expression.named_selects[place]) for part in scope.set_operation_scopes)
            )
        projection = next((found for found in scope.expression.selects if found.alias_or_name == name), None)
        if projection is None:
            raise _UntracedError(f"{name} is no column of {scope.expression.sql(self._dialect)[:80]}")
        return self._expression(scope, projection)

    def _expression(self, scope: Scope, projection: exp.Expression) -> frozenset[tuple[str, str, Kind]]:
        found: set[tuple[str, str, Kind]] = set()
        for reference in projection.find_all(exp.Column):
            step = _step(reference, projection)
            for table, column, kind in self._reference(scope, reference):
                found.add((table, column, stronger(kind, step)))
        return frozenset(found)

    def _reference(self, scope: Scope, reference: exp.Column) -> frozenset[tuple[str, str, Kind]]:
        """Columns of tables that a reference in a scope stands for."""
        source = _source(scope, reference.table)
        if source is None:
            raise _UntracedError(f"{reference.sql(self._dialect)} names no table of its query")
        if _is_table(source):
            return frozenset({(_table(source), reference.name, Kind.IDENTITY)})
        if isinstance(source, Scope):
            if isinstance(source.expression, exp.Query):
                return self._column(source, reference.name)
            source = source.expression
        # A table made of values, such as an unnested array: its columns come from all that it is given, one by one
        # where each column has its own array.
        return self._given(scope, source, reference.name)

    def _given(self, scope: Scope, made: exp.Expression, name: str) -> frozenset[tuple[str, str, Kind]]:
        arrays = list(made.expressions) if isinstance(made, exp.Unnest) else [made]
        columns = made.alias_column_names if isinstance(made, exp.UDTF) else []
        if len(columns) == len(arrays) and name in columns:
            arrays = [arrays[columns.index(name)]]
        found: set[tuple[str, str, Kind]] = set()
        for array in arrays:
            for reference in array.find_all(exp.Column):
                found |= {
                    (table, column, Kind.TRANSFORMATION) for table, column, _ in self._reference(scope, reference)
                }
        return frozenset(found)


class _UntracedError(Exception):
    """A reference that leads nowhere; told in `Query.opaque`."""


def _is_table(source: Any) -> bool:
    return isinstance(source, exp.Table)


def _table(source: exp.Table) -> str:
    return ".".join(part.name for part in source.parts)


def _source(scope: Scope, alias: str) -> Any:
    """What an alias stands for: in this scope, or in one around it (a subquery may name tables outside)."""
    place: Scope | None = scope
    while place is not None:
        if alias in place.sources:
            return place.sources[alias]
        place = place.parent
    for inner in scope.subquery_scopes:
        if alias in inner.sources:
            return inner.sources[alias]
    return None


def _step(reference: exp.Column, projection: exp.Expression) -> Kind:
    """What the projection does with the value of a reference in it."""
    kind = Kind.IDENTITY
    node = reference.parent
    while node is not None and node is not projection.parent:
        if isinstance(node, exp.AggFunc):
            return Kind.AGGREGATION
        if not isinstance(node, (exp.Alias, exp.Cast, exp.Paren)):
            kind = Kind.TRANSFORMATION
        node = node.parent
    return kind


def _deciding(scope: Scope) -> Iterator[exp.Column]:
    expression = scope.expression
    if not isinstance(expression, exp.Select):
        return
    parts: list[Any] = [expression.args.get(name) for name in _DECIDING]
    for join in expression.args.get("joins") or []:
        parts += [join.args.get("on"), *(join.args.get("using") or [])]
    for part in parts:
        if isinstance(part, exp.Expression):
            yield from _outside_of_queries(part)


def _outside_of_queries(part: exp.Expression) -> Iterable[exp.Column]:
    """References of a part, without those of queries within it: they are looked at in their own scope."""
    inner = {id(found) for query in part.find_all(exp.Query) for found in query.find_all(exp.Column)}
    return [found for found in part.find_all(exp.Column) if id(found) not in inner]


def _nested(schemas: Schemas) -> dict[str, Any]:
    """Schemas as sqlglot takes them: catalog, schema, table."""
    found: dict[str, Any] = {}
    for name, columns in schemas.items():
        catalog, schema, table = name.split(".", 2)
        found.setdefault(catalog, {}).setdefault(schema, {})[table] = dict(columns)
    return found
