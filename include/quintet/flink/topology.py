"""The graph of operators of a job, and whether the state of one graph fits another.

Flink gives each operator of a SQL job an id that follows from its place in the graph, and state is found again by these
ids. So another graph cannot take the state over; in the same graph an operator that keeps state must keep it in the
same form. What is found here is told before the job that runs is stopped; what only the restore itself can find makes
that fail, and the version before is started again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Operator", "as_json", "differences", "from_json", "from_plan"]

#: Numbers that the planner counts through its whole life: other ones at every planning.
_COUNTER = re.compile(r"\[\d+\]:?")
_KIND = re.compile(r"^\W*([A-Za-z][\w -]*)")
#: Operators without state of their own: they may compute something else.
_STATELESS = frozenset(
    {"Calc", "Correlate", "PythonCalc", "Union", "Expand", "DropUpdateBefore", "WatermarkAssigner", "Values",
     "ConstraintEnforcer", "Exchange", "MiniBatchAssigner", "Map", "Filter", "PythonCorrelate"}
)  # fmt: skip
_ENDS = frozenset({"Source", "Sink"})
_TABLE = re.compile(r"table=\[\[?([^\]]*)\]")


@dataclass(frozen=True)
class Operator:
    """One operator; `inputs` are places of those before it in the list of all."""

    kind: str
    text: str
    inputs: tuple[int, ...]


def from_plan(plan: str) -> list[Operator]:
    """Operators of what `EXPLAIN JSON_EXECUTION_PLAN` gives."""
    nodes = json.loads(plan)["nodes"]
    places = {node["id"]: place for place, node in enumerate(nodes)}
    return [_operator(node, places) for node in nodes]


def as_json(operators: Sequence[Operator]) -> list[dict[str, Any]]:
    """Plain values for the ledger."""
    return [asdict(operator) for operator in operators]


def from_json(rows: Sequence[Mapping[str, Any]]) -> list[Operator]:
    """What `as_json` gave."""
    return [Operator(row["kind"], row["text"], tuple(row["inputs"])) for row in rows]


def differences(old: Sequence[Operator], new: Sequence[Operator]) -> list[str]:
    """Why the state of the old graph does not fit the new one, a sentence each; none: nothing is known against it."""
    if _shape(old) != _shape(new):
        return _other_graph(old, new)
    return [
        f"{before.kind} keeps another state: was {_short(before.text)}, becomes {_short(after.text)}"
        for before, after in zip(old, new, strict=True)
        if _state_of(before) != _state_of(after)
    ]


def _state_of(operator: Operator) -> str:
    """What the form of an operator's state depends on, as text."""
    if operator.kind in _STATELESS:
        return ""
    if operator.kind in _ENDS:
        # Places in topics, files that wait for their commit: those of a table, whatever its columns.
        table = _TABLE.search(operator.text)
        return table[1] if table else operator.text
    return operator.text


def _operator(node: Mapping[str, Any], places: Mapping[int, int]) -> Operator:
    text = _COUNTER.sub("", str(node.get("contents") or node["type"])).strip()
    kind = _COUNTER.sub("", str(node["type"])).strip()
    found = _KIND.match(kind)
    inputs = tuple(places[before["id"]] for before in node.get("predecessors", ()))
    return Operator(found[1].strip() if found else kind, text, inputs)


def _shape(operators: Sequence[Operator]) -> list[tuple[str, tuple[int, ...]]]:
    return [(operator.kind, operator.inputs) for operator in operators]


def _other_graph(old: Sequence[Operator], new: Sequence[Operator]) -> list[str]:
    before, after = [operator.text for operator in old], [operator.text for operator in new]
    gone = [f"the operator {_short(text)} is gone" for text in before if text not in after]
    come = [f"the operator {_short(text)} is new" for text in after if text not in before]
    return [*gone, *come] or ["the same operators stand in another order"]


def _short(text: str) -> str:
    return text if len(text) <= 160 else f"{text[:157]}..."
