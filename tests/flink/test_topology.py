"""Graphs of operators: which of them can take the state of another one over."""

from __future__ import annotations

import json
from typing import Any

import pytest

from flink_server import node
from quintet.flink.topology import Operator, as_json, differences, from_json, from_plan

GRAPH = [
    ("Source: clicks", "TableSourceScan(table=[[a, b, clicks]], fields=[user, url])"),
    ("Calc", "Calc(select=[user])", 0),
    ("GroupAggregate", "GroupAggregate(groupBy=[user], select=[user, COUNT(*) AS n])", 1),
    ("Sink: totals", "Sink(table=[totals], fields=[user, n])", 2),
]


def graph(*changes: tuple[int, tuple[Any, ...]]) -> list[Operator]:
    rows = list(GRAPH)
    for place, row in changes:
        rows[place : place + 1] = [row]
    nodes = [
        node(number * 10, kind, text, *(place * 10 for place in inputs))
        for number, (kind, text, *inputs) in enumerate(rows)
    ]
    return from_plan(json.dumps({"nodes": nodes}))


def test_the_same_statement_planned_twice_is_the_same_graph() -> None:
    assert graph() == graph()
    assert differences(graph(), graph()) == []


def test_a_graph_comes_back_from_the_ledger_as_it_went() -> None:
    assert from_json(json.loads(json.dumps(as_json(graph())))) == graph()


@pytest.mark.parametrize(
    "change",
    [
        (1, ("Calc", "Calc(select=[user], where=[url <> ''])", 0)),
        (0, ("Source: clicks", "TableSourceScan(table=[[a, b, clicks]], fields=[user, url, at])")),
        (3, ("Sink: totals", "Sink(table=[totals], fields=[user, n, m])", 2)),
    ],
)
def test_what_keeps_no_state_or_keeps_it_without_columns_may_change(change: tuple[int, tuple[Any, ...]]) -> None:
    assert differences(graph(), graph(change)) == []


def test_another_aggregate_is_told() -> None:
    (told,) = differences(graph(), graph((2, ("GroupAggregate", "GroupAggregate(groupBy=[url], select=[url])", 1))))
    assert told.startswith("GroupAggregate keeps another state: was GroupAggregate(groupBy=[user]")


def test_another_source_table_is_told() -> None:
    (told,) = differences(
        graph(), graph((0, ("Source: views", "TableSourceScan(table=[[a, b, views]], fields=[user])")))
    )
    assert "clicks" in told
    assert "views" in told


def test_another_graph_is_told_with_what_came_and_went() -> None:
    longer = [*graph(), Operator("Sink", "Sink(table=[more])", (2,))]
    assert differences(graph(), longer) == ["the operator Sink(table=[more]) is new"]
    assert differences(longer, graph()) == ["the operator Sink(table=[more]) is gone"]
