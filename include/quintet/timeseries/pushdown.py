"""From the tree of a SQL statement to what its scans of `points` can leave out: matchers and a time.

DuckDB applies the whole statement afterwards, so a condition that is not understood here costs time, never a result:
only conditions that a row of `points` must satisfy to be seen at all are taken.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from quintet.timeseries.model import MAX_TIME, METRIC, MIN_TIME, Matcher

__all__ = ["Selection", "selection_of"]

Node = dict[str, Any]
#: Time of a constant expression in ns, None when it is none.
TimeOf = Callable[[Node], int | None]

TABLE = "points"
#: A comparison with a TIMESTAMP of microseconds also holds for nanoseconds around it.
_SLACK = 1_000
_FLIPPED = {
    "COMPARE_GREATERTHAN": "COMPARE_LESSTHAN",
    "COMPARE_GREATERTHANOREQUALTO": "COMPARE_LESSTHANOREQUALTO",
    "COMPARE_LESSTHAN": "COMPARE_GREATERTHAN",
    "COMPARE_LESSTHANOREQUALTO": "COMPARE_GREATERTHANOREQUALTO",
    "COMPARE_EQUAL": "COMPARE_EQUAL",
}
#: Table functions that run other statements, whose conditions are not seen here.
_INDIRECT = {"query", "query_table"}


@dataclass(frozen=True)
class Selection:
    """Rows that a statement can need: series that match, in [start, end), ns."""

    matchers: tuple[Matcher, ...] = ()
    start: int = MIN_TIME
    end: int = MAX_TIME


def selection_of(statement: Node, time_of: TimeOf) -> Selection | None:
    """What the statement needs of `points`: all of its scans together; None when it does not name the table."""
    references = sum(1 for node in _walk(statement) if _is_points(node))
    indirect = any(_is_indirect(node) for node in _walk(statement))
    if not references and not indirect:
        return None
    found = [
        _Conditions(node["from_table"], time_of).read(node.get("where_clause"))
        for node in _walk(statement)
        if node.get("type") == "SELECT_NODE" and _is_points(node.get("from_table"))
    ]
    if indirect or len(found) < references:  # a join, for one: nothing is known of its rows
        return Selection()
    common = set(found[0].matchers).intersection(*(one.matchers for one in found[1:]))
    return Selection(
        tuple(matcher for matcher in found[0].matchers if matcher in common),
        min(one.start for one in found),
        max(one.end for one in found),
    )


def _walk(node: Any) -> Iterator[Node]:
    pending = [node]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            yield item
            pending += item.values()
        elif isinstance(item, list):
            pending += item


def _is_points(node: Any) -> bool:
    return (
        isinstance(node, dict)
        and node.get("type") == "BASE_TABLE"
        and str(node.get("table_name", "")).lower() == TABLE
        and not node.get("sample")
    )


def _is_indirect(node: Node) -> bool:
    if node.get("type") == "TABLE_FUNCTION":
        return str(node.get("function", {}).get("function_name", "")).lower() in _INDIRECT
    shown = node.get("type") == "SHOW_REF"
    return shown or (node.get("type") == "BASE_TABLE" and bool(node.get("sample")))


class _Conditions:
    """Reads the conditions of one SELECT whose only table is `points`."""

    def __init__(self, table: Node, time_of: TimeOf) -> None:
        self._qualifiers = {str(table.get("alias") or TABLE).lower()}
        self._time_of = time_of
        self._matchers: list[Matcher] = []
        self._start, self._end = MIN_TIME, MAX_TIME

    def read(self, where: Any) -> Selection:
        if isinstance(where, dict):
            self._condition(where)
        return Selection(tuple(self._matchers), self._start, self._end)

    def _condition(self, node: Node) -> None:
        kind = str(node.get("type"))
        if kind == "CONJUNCTION_AND":
            for child in node["children"]:
                self._condition(child)
        elif kind in _FLIPPED:
            self._comparison(kind, node["left"], node["right"])
            self._comparison(_FLIPPED[kind], node["right"], node["left"])
        elif kind == "COMPARE_BETWEEN":
            self._comparison("COMPARE_GREATERTHANOREQUALTO", node["input"], node["lower"])
            self._comparison("COMPARE_LESSTHANOREQUALTO", node["input"], node["upper"])
        elif kind == "COMPARE_IN":
            label = self._label(node["children"][0])
            texts = [_text(child) for child in node["children"][1:]]
            if label and all(texts):
                self._matchers.append(Matcher(label, "=~", "|".join(re.escape(text) for text in texts if text)))

    def _comparison(self, kind: str, column: Node, constant: Node) -> None:
        label, text = self._label(column), _text(constant)
        if label and text and kind == "COMPARE_EQUAL":
            self._matchers.append(Matcher(label, "=", text))
        if self._column(column) == "timestamp" and _is_constant(constant):
            time = self._time_of(constant)
            if time is None:
                return
            if "GREATER" in kind or kind == "COMPARE_EQUAL":
                self._start = max(self._start, time - _SLACK)
            if "LESS" in kind or kind == "COMPARE_EQUAL":
                self._end = min(self._end, time + _SLACK)

    def _column(self, node: Node) -> str:
        names = [str(name).lower() for name in node.get("column_names", ())]
        if node.get("type") != "COLUMN_REF" or not names or (names[:-1] and set(names[:-1]) - self._qualifiers):
            return ""
        return names[-1]

    def _label(self, node: Node) -> str:
        """The label that an expression is: the metric's name or an entry of `labels`."""
        if self._column(node) == "metric":
            return METRIC
        if node.get("type") == "ARRAY_EXTRACT" and self._column(node["children"][0]) == "labels":
            return _text(node["children"][1])
        return ""


def _text(node: Node) -> str:
    """A string literal; "" when it is none, as an empty value is no condition that a matcher knows."""
    literal = node.get("literal") or {}
    kind: Literal["STRING"] = "STRING"
    if node.get("type") != "VALUE_CONSTANT" or literal.get("kind") != kind:
        return ""
    return str(literal.get("text", ""))


def _is_constant(node: Node) -> bool:
    return not any(part.get("type") in {"COLUMN_REF", "SUBQUERY", "VALUE_PARAMETER"} for part in _walk(node))
