"""Column lineage of SQL: each way a value can take through a query."""

from __future__ import annotations

import pytest

from quintet.errors import InputError
from quintet.lineage.model import Kind, Link
from quintet.lineage.sqlflow import Query, trace

SCHEMAS = {
    "delta.silver.lines": {
        "id": "varchar",
        "day": "date",
        "amount": "decimal(10,2)",
        "kind": "varchar",
        "buyer": "bigint",
    },
    "delta.silver.buyers": {"buyer": "bigint", "town": "varchar"},
}


def traced(sql: str) -> Query:
    return trace(sql, SCHEMAS, dialect="trino")


def sources(sql: str, column: str) -> set[tuple[str, str, str]]:
    return {(table.rpartition(".")[2], name, kind.value) for table, name, kind in traced(sql).sources[column]}


@pytest.mark.parametrize(
    ("expression", "kind"),
    [
        ("amount", Kind.IDENTITY),
        ("cast(amount as double)", Kind.IDENTITY),
        ("amount * 2", Kind.TRANSFORMATION),
        ("coalesce(amount, 0)", Kind.TRANSFORMATION),
        ("case when amount > 0 then 1 else 0 end", Kind.TRANSFORMATION),
        ("sum(amount)", Kind.AGGREGATION),
        ("cast(sum(amount) as double) / 2", Kind.AGGREGATION),
    ],
)
def test_a_column_is_told_with_what_is_done_to_its_value(expression: str, kind: Kind) -> None:
    assert sources(f"select {expression} as x from delta.silver.lines", "x") == {("lines", "amount", kind.value)}


def test_the_strongest_step_on_the_way_counts() -> None:
    sql = "with a as (select sum(amount) as s from delta.silver.lines) select s as x from a"
    assert sources(sql, "x") == {("lines", "amount", "aggregation")}


def test_a_star_is_written_out_with_the_columns_of_the_catalogue() -> None:
    assert traced("select * from delta.silver.buyers").columns == ("buyer", "town")


def test_a_union_takes_from_both_sides_by_place() -> None:
    sql = "select id as x from delta.silver.lines union all select town from delta.silver.buyers"
    assert sources(sql, "x") == {("lines", "id", "identity"), ("buyers", "town", "identity")}


def test_the_order_of_a_window_is_a_part_of_its_value() -> None:
    sql = "select row_number() over (partition by kind order by day) as x from delta.silver.lines"
    assert sources(sql, "x") == {("lines", "kind", "transformation"), ("lines", "day", "transformation")}


def test_columns_of_an_unnested_array_come_from_their_own_array() -> None:
    sql = """
        select t.name, t.value from delta.silver.lines
        cross join unnest(array[kind], array[amount]) as t (name, value)
    """
    assert sources(sql, "name") == {("lines", "kind", "transformation")}
    assert sources(sql, "value") == {("lines", "amount", "transformation")}


def test_a_query_within_a_column_is_followed() -> None:
    sql = "select id, (select max(town) from delta.silver.buyers) as town from delta.silver.lines"
    assert sources(sql, "town") == {("buyers", "town", "aggregation")}


def test_what_decides_about_rows_is_told_of_the_whole_result() -> None:
    sql = """
        select l.id from delta.silver.lines as l inner join delta.silver.buyers as b on l.buyer = b.buyer
        where l.kind = 'sale' and l.day > (select max(day) from delta.silver.lines where amount > 0)
    """
    assert {(table.rpartition(".")[2], name) for table, name in traced(sql).deciding} == {
        ("lines", "buyer"),
        ("buyers", "buyer"),
        ("lines", "kind"),
        ("lines", "day"),
        ("lines", "amount"),
    }


def test_a_count_and_a_constant_have_no_source_and_are_not_opaque() -> None:
    found = traced("select count(*) as n, 'a' as letter from delta.silver.lines")
    assert found.sources == {"n": frozenset(), "letter": frozenset()}
    assert found.opaque == {}


def test_a_column_that_no_table_has_is_named_with_the_reason() -> None:
    found = traced("select x.nothing as gone, l.id from delta.silver.lines as l")
    assert list(found.opaque) == ["gone"]
    assert "x.nothing" in found.opaque["gone"]
    assert found.sources["id"]


def test_what_is_no_query_is_refused() -> None:
    with pytest.raises(InputError, match="cannot be read"):
        traced("select from where")


def test_links_name_the_target_and_its_own_columns() -> None:
    query = traced("select id as x from delta.silver.lines where kind = 'sale'")
    assert query.links("iceberg.gold.t", {"x": "line_id"}) == (
        Link("delta.silver.lines", "id", "iceberg.gold.t", "line_id", Kind.IDENTITY),
        Link("delta.silver.lines", "kind", "iceberg.gold.t", None, Kind.INDIRECT),
    )
