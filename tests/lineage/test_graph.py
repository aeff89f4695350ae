"""Questions to the graph, and what breaks when something goes."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.lineage.conftest import MARTS

from paths import ROOT
from quintet.errors import InputError
from quintet.lineage import dbtflow, declared, flinkflow
from quintet.lineage.graph import Graph, Reached, Spot
from quintet.lineage.impact import assess
from quintet.lineage.model import Flow, Kind, Link
from quintet.products import read_products

SILVER, GOLD = "delta.silver_lakehouse", "iceberg.gold_lakehouse"
A, B, C, D = "delta.bronze_x.a", "delta.silver_x.b", "iceberg.gold_x.c", "iceberg.gold_x.d"
SMALL = (
    Flow("spark.x.b", (A,), (B,), (Link(A, "v", B, "w", Kind.IDENTITY), Link(A, "f", B, None, Kind.INDIRECT))),
    Flow("dbt.x.c", (B,), (C,), (Link(B, "w", C, "total", Kind.AGGREGATION),)),
    Flow("dbt.x.d", (C,), (D,), (Link(C, "total", D, "share", Kind.TRANSFORMATION),)),
)


@pytest.fixture
def small() -> Graph:
    return Graph(SMALL, {A: ["v", "f", "unused"]})


@pytest.fixture(scope="session")
def whole(models: list[Flow]) -> Graph:
    """All that the code of this clone says, and silver as the Spark jobs make it of bronze."""
    silver = Flow(
        "spark.lakehouse.invoice_lines",
        ("delta.bronze_lakehouse.invoice_lines",),
        (f"{SILVER}.invoice_lines",),
        (
            Link(
                "delta.bronze_lakehouse.invoice_lines",
                "unit_price",
                f"{SILVER}.invoice_lines",
                "line_amount_gbp",
                Kind.TRANSFORMATION,
            ),
        ),
    )
    flows = [*models, *flinkflow.flows(ROOT / "flink_jobs"), *declared.captures(), silver]
    return Graph(flows, {name: list(columns) for name, columns in dbtflow.lake_schemas(MARTS).items()})


def names(reached: list[Reached]) -> list[str]:
    return [str(entry.spot) for entry in reached]


def test_tables_are_reached_nearest_first(small: Graph) -> None:
    assert names(small.tables_from(A, "downstream")) == [B, C, D]
    assert names(small.tables_from(D, "upstream")) == [C, B, A]


def test_a_column_is_followed_by_value_to_both_ends(small: Graph) -> None:
    assert names(small.columns_from(Spot(A, "v"), "downstream")) == [f"{B}.w", f"{C}.total", f"{D}.share"]
    assert names(small.columns_from(Spot(D, "share"), "upstream")) == [f"{C}.total", f"{B}.w", f"{A}.v"]


def test_a_filter_ends_the_way_at_the_table_whose_rows_it_decides_about(small: Graph) -> None:
    assert names(small.columns_from(Spot(A, "f"), "downstream", indirect=True)) == [B]
    assert f"{A}.f" in names(small.columns_from(Spot(D, "share"), "upstream", indirect=True))


def test_a_circle_ends() -> None:
    graph = Graph((*SMALL, Flow("x.back", (D,), (A,), (Link(D, "share", A, "v", Kind.IDENTITY),))))
    assert names(graph.tables_from(A, "downstream")) == [B, C, D]
    assert names(graph.columns_from(Spot(A, "v"), "downstream")) == [f"{B}.w", f"{C}.total", f"{D}.share"]


@pytest.mark.parametrize(("text", "spot"), [("c", Spot(C)), ("gold_x.c", Spot(C)), ("c.total", Spot(C, "total"))])
def test_the_end_of_a_name_is_enough(small: Graph, text: str, spot: Spot) -> None:
    assert small.find(text) == spot


@pytest.mark.parametrize(
    ("text", "told"), [("nothing", "no table"), ("c.nothing", "It has: total"), ("orders", "may be")]
)
def test_a_name_that_is_none_is_refused_with_what_is_there(text: str, told: str) -> None:
    graph = Graph((*SMALL, Flow("x", ("a.b.orders",), ("c.d.orders",))))
    with pytest.raises(InputError, match=told):
        graph.find(text)


def test_a_job_with_several_outputs_joins_only_what_its_links_join(whole: Graph) -> None:
    upstream = names(whole.tables_from("iceberg.silver_lakehouse.shop_orders", "upstream"))
    assert upstream == ["kafka.lakehouse.orders.changes", "postgres.public.orders"]


def test_a_column_of_the_shop_is_followed_from_the_database_to_both_lakes(whole: Graph) -> None:
    reached = names(whole.columns_from(Spot("postgres.public.customers", "email"), "downstream"))
    assert "kafka.lakehouse.customers.changes.email" in reached
    assert f"{SILVER}.shop_customers.email" in reached
    assert "iceberg.silver_lakehouse.shop_customers.email" in reached
    # The log holds rows as text: a column does not spread over all columns of all tables.
    assert f"{SILVER}.shop_customers.name" not in reached
    assert "delta.bronze_lakehouse.shop_changes.row" in reached


def test_every_column_of_the_stream_to_iceberg_is_traced(whole: Graph) -> None:
    from quintet.catalogue.shop import SHOP, iceberg_copy

    for table in SHOP.tables:
        copy = iceberg_copy(table)
        for column in copy.columns:
            found = whole.columns_from(Spot(copy.full_name, column.name), "upstream")
            assert names(found)[:1] == [f"kafka.{table.topic.name}.{column.name}"]


def test_what_a_function_over_a_table_tells_comes_from_what_it_is_given(whole: Graph) -> None:
    sessions, pages = "iceberg.silver_ecommerce.sessions", "kafka.ecommerce.pages.viewed"
    assert f"{pages}.user_id" in names(whole.columns_from(Spot(sessions, "user_id"), "upstream"))
    assert f"{pages}.timestamp" not in names(whole.columns_from(Spot(sessions, "user_id"), "upstream"))
    assert f"{pages}.timestamp" in names(whole.columns_from(Spot(sessions, "begins_at"), "upstream"))


def test_losing_a_column_names_columns_tests_exposures_contracts_dags_and_owners(whole: Graph, manifest: Path) -> None:
    found = assess(
        whole,
        Spot(f"{SILVER}.invoice_lines", "line_amount_gbp"),
        dependents=dbtflow.dependents(manifest),
        contracts=[product.contract for product in read_products(ROOT / "contracts")],
        tasks={"dbt.lakehouse.revenue_daily": [("lakehouse_build_gold", "gold.publish_docs")]},
        owners={f"{GOLD}.revenue_daily": "retail-data"},
    )
    lost = {row["column"] for row in found.columns}
    made = ("revenue_daily.revenue_gbp", "revenue_monthly.revenue_gbp", "product_abc.abc_class")
    assert {f"{GOLD}.{name}" for name in made} <= lost
    assert f"{GOLD}.fct_sales.quantity" not in lost
    assert (f"{GOLD}.fct_sales", "row_invariant_fct_sales_line_amount_gbp_quantity_unit_price_gbp") in found.tests
    assert ("shop_figures", "retail-data") in found.exposures
    assert (f"{GOLD}.revenue_daily", "lakehouse.daily_sales") in found.contracts
    assert found.dags == ["lakehouse_build_gold"]
    assert found.owners == ["retail-data"]
    assert not found.is_free


def test_losing_a_filter_concerns_every_table_behind_it(whole: Graph, manifest: Path) -> None:
    spot = Spot(f"{SILVER}.invoice_lines", "line_type")
    found = assess(whole, spot, dependents=dbtflow.dependents(manifest))
    assert f"{GOLD}.fct_sales" in found.rows_of
    assert {f"{GOLD}.basket_pairs", f"{GOLD}.product_abc"} <= set(found.tables)


def test_a_column_that_nobody_reads_is_free(small: Graph, manifest: Path) -> None:
    found = assess(small, Spot(A, "unused"), dependents=dbtflow.dependents(manifest))
    assert found.is_free
    assert (found.jobs, found.dags) == ([], [])
