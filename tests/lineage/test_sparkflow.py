"""Lineage from an analysed plan of Spark, recorded from Spark 4.1 (see plan.json for what was asked)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from quintet.lineage.model import Kind, Link
from quintet.lineage.sparkflow import Plan

T, U, TARGET = "delta.bronze_x.t", "delta.bronze_x.u", "delta.silver_x.z"


@pytest.fixture
def plan() -> Plan:
    """A filter, a left join, a window, a maximum by group and a union with a constant.

    t.where(b != 'q').join(u, a = k, left).select(n: int(a), c: concat(b, v), r: row_number over (a, b)).groupBy(n)
    .agg(m: max(c)) union u.select(n: 1, m: v).
    """
    content = json.loads(Path(__file__).with_name("plan.json").read_text(encoding="utf-8"))
    return Plan(content, [T, U, U])


def test_values_are_followed_through_join_group_and_union(plan: Plan) -> None:
    assert {link for link in plan.links(TARGET) if link.target_column} == {
        Link(T, "a", TARGET, "n", Kind.IDENTITY),
        Link(T, "b", TARGET, "m", Kind.AGGREGATION),
        Link(U, "v", TARGET, "m", Kind.AGGREGATION),
    }


def test_filter_join_and_group_decide_about_rows(plan: Plan) -> None:
    assert {(link.source, link.source_column) for link in plan.links(TARGET) if link.target_column is None} == {
        (T, "a"),
        (T, "b"),
        (U, "k"),
    }


def test_tables_are_named_once(plan: Plan) -> None:
    assert plan.tables == (T, U)


def test_a_table_is_no_source_of_itself(plan: Plan) -> None:
    assert {link.source for link in plan.links(U)} == {T}


def test_a_leaf_that_is_no_table_gives_columns_without_a_source() -> None:
    content = json.loads(Path(__file__).with_name("plan.json").read_text(encoding="utf-8"))
    found = Plan(content, [None, None, U])
    assert found.tables == (U,)
    assert found.untraced() == {"n": "made of no column of a table"}
