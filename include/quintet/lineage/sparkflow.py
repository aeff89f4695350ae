"""Column lineage of a Spark data frame, from its analysed plan.

Every column of a plan has a number that is its own; what each operator makes of the columns below it is followed from
the tables at the leaves up to the result. Only `of_frame` speaks with Spark: `Plan` works on the plan's JSON.

Source: own derivation over `TreeNode.toJSON` of Spark 4.1: nodes in pre-order, each with the number of its children.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quintet.lineage.model import Flow, Kind, Link, stronger, strongest
from quintet.lineage.names import of_location

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["Plan", "flow", "of_frame"]

#: Operators whose result has the columns of the left side only.
_ONE_SIDED = ("LeftSemi", "LeftAnti")
#: Expressions that leave a value what it is.
_CARRIERS = {"Alias", "Cast", "AttributeReference", "KnownNotNull", "NormalizeNaNAndZero"}

Origin = tuple[str, str, Kind]


@dataclass
class _Node:
    kind: str
    content: Mapping[str, Any]
    children: list[_Node] = field(default_factory=list)


@dataclass
class _Result:
    """Columns of an operator's result in order: number, name; and where each number comes from."""

    columns: list[tuple[int, str]]
    origins: dict[int, frozenset[Origin]]


class Plan:
    """One analysed plan; `tables` are the names of its leaves in order, None for one that is no table."""

    def __init__(self, plan: Sequence[Mapping[str, Any]], tables: Sequence[str | None]) -> None:
        self._leaves = iter(tables)
        self._deciding: set[tuple[str, str]] = set()
        self.tables = tuple(sorted({name for name in tables if name}))
        (root,) = _trees(plan)
        self._result = self._visit(root)

    def links(self, target: str) -> tuple[Link, ...]:
        """Links of a table that is written with the result; a table that is read and written is no source of itself."""
        found = {
            Link(table, column, target, name, kind)
            for number, name in self._result.columns
            for table, column, kind in strongest(self._result.origins.get(number, frozenset()))
            if table != target
        }
        whole = {
            Link(table, column, target, None, Kind.INDIRECT) for table, column in self._deciding if table != target
        }
        return tuple(sorted(found | whole, key=str))

    def untraced(self) -> dict[str, str]:
        """Columns without an origin: made of constants only, or of what is no table."""
        return {
            name: "made of no column of a table"
            for number, name in self._result.columns
            if not self._result.origins.get(number)
        }

    def _visit(self, node: _Node) -> _Result:
        if not node.children:
            return self._leaf(node)
        below = [self._visit(child) for child in node.children]
        origins = {number: found for result in below for number, found in result.origins.items()}
        columns = list(below[0].columns)
        for part in ("condition", "groupingExpressions", "keys"):
            self._decides(node.content.get(part), origins)
        if node.kind in {"Project", "Aggregate"}:
            made = node.content["projectList" if node.kind == "Project" else "aggregateExpressions"]
            columns = [_named(expression, origins) for expression in map(_expression, made)]
        elif node.kind == "Window":
            made = map(_expression, node.content["windowExpressions"])
            columns += [_named(expression, origins) for expression in made]
        elif node.kind == "Union":
            for place, (number, _) in enumerate(columns):
                parts = [result.origins.get(result.columns[place][0], frozenset()) for result in below]
                origins[number] = frozenset().union(*parts)
        elif node.kind == "Join":
            how = str(node.content.get("joinType", ""))
            if not any(word in how for word in _ONE_SIDED):
                columns += below[1].columns
        elif node.kind == "Generate":
            given = _origins(_expression(node.content["generator"]), origins, Kind.TRANSFORMATION)
            for output in map(_expression, node.content["generatorOutput"]):
                number = _number(output)
                origins[number] = given
                columns.append((number, str(output.content["name"])))
        return _Result(columns, {number: origins.get(number, frozenset()) for number in origins})

    def _leaf(self, node: _Node) -> _Result:
        table = next(self._leaves, None)
        columns = [
            (_number(output), str(output.content["name"]))
            for output in map(_expression, node.content.get("output") or [])
        ]
        origins = {
            number: frozenset({(table, name, Kind.IDENTITY)}) if table else frozenset() for number, name in columns
        }
        return _Result(columns, origins)

    def _decides(self, part: Any, origins: Mapping[int, frozenset[Origin]]) -> None:
        if isinstance(part, list) and part:
            for tree in _trees(part) if isinstance(part[0], Mapping) else map(_expression, part):
                self._deciding |= {(table, column) for table, column, _ in _origins(tree, origins, Kind.INDIRECT)}


def flow(frame: DataFrame, job: str, target: str, lake: Path) -> Flow:
    """Flow of a table that was written with a data frame.

    A plan of a form that is not known here is told as such, without its columns: what was written is no less written.
    """
    try:
        plan = of_frame(frame, lake)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        return Flow(job, (), (target,), opaque={"*": f"the plan of Spark cannot be read: {error!r}"})
    sources = tuple(name for name in plan.tables if name != target)
    return Flow(job, sources, (target,), plan.links(target), opaque=plan.untraced())


def of_frame(frame: DataFrame, lake: Path) -> Plan:
    """Plan of a data frame; tables of the lake have their names, other files their path."""
    analysed = frame._jdf.queryExecution().analyzed()
    leaves = analysed.collectLeaves()
    return Plan(json.loads(analysed.toJSON()), [_table(leaves.apply(place), lake) for place in range(leaves.size())])


def _table(leaf: Any, lake: Path) -> str | None:
    kind = leaf.getClass().getSimpleName()
    if kind == "LogicalRelation":
        paths = leaf.relation().location().rootPaths()
        return of_location(paths.apply(0).toString(), lake) if paths.size() else None
    if kind.startswith("DataSourceV2"):
        return str(leaf.table().name())
    return None


def _trees(nodes: Iterable[Mapping[str, Any]]) -> list[_Node]:
    """Trees of a pre-order list."""
    left = iter(nodes)

    def grow(content: Mapping[str, Any]) -> _Node:
        node = _Node(str(content["class"]).rpartition(".")[2], content)
        node.children = [grow(next(left)) for _ in range(int(content["num-children"]))]
        return node

    return [grow(content) for content in left]


def _expression(nodes: Any) -> _Node:
    return _trees([nodes] if isinstance(nodes, Mapping) else nodes)[0]


def _number(expression: _Node) -> int:
    found = expression.content["exprId"]
    return int(found["id"])


def _named(expression: _Node, origins: dict[int, frozenset[Origin]]) -> tuple[int, str]:
    """Number and name of a column that an operator makes; its origin is noted."""
    number = _number(expression)
    if expression.kind != "AttributeReference":
        origins[number] = _origins(expression, origins, Kind.IDENTITY)
    return number, str(expression.content["name"])


def _origins(expression: _Node, origins: Mapping[int, frozenset[Origin]], step: Kind) -> frozenset[Origin]:
    if expression.kind == "AttributeReference":
        found = origins.get(_number(expression), frozenset())
        return frozenset((table, name, stronger(kind, step)) for table, name, kind in found)
    if expression.kind == "AggregateExpression":
        step = stronger(step, Kind.AGGREGATION)
    elif expression.kind not in _CARRIERS:
        step = stronger(step, Kind.TRANSFORMATION)
    return frozenset().union(*(_origins(child, origins, step) for child in expression.children))
