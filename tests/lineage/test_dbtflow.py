"""Lineage of the dbt project of this clone: every column of every gold table is traced."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.lineage.conftest import MARTS

from quintet.catalogue import Layer, tables
from quintet.catalogue.gold import described
from quintet.errors import InputError
from quintet.lineage import dbtflow
from quintet.lineage.model import Flow, Kind, Link

GOLD = "iceberg.gold_lakehouse"
#: Columns of gold that are made of no column: counts of rows and names of methods and layers.
COUNTED = {
    "basket_pairs": {"baskets_both", "confidence_a_to_b", "confidence_b_to_a"},
    "cohort_retention": {"customers"},
    "customer_value_backtest": {"customers", "method"},
    "minutes_served": {"layer"},
    "revenue_monthly": {"trading_days"},
    "revenue_weekly": {"trading_days"},
    "shop_customer_segments": {"orders"},
    "shop_days": {"sessions"},
    "shop_orders_daily": {"orders"},
    "shop_search_queries": {"searches"},
    "shop_weeks": {"days"},
}


def flow(models: list[Flow], name: str, schema: str = GOLD) -> Flow:
    (found,) = [model for model in models if model.outputs == (f"{schema}.{name}",)]
    return found


def test_every_gold_table_has_a_flow(models: list[Flow]) -> None:
    made = {output for model in models for output in model.outputs}
    assert {table.full_name for table in tables() if table.layer is Layer.GOLD} <= made


def test_the_flows_of_one_project_are_those_of_its_tables(manifest: Path, models: list[Flow]) -> None:
    found = dbtflow.flows(manifest, dbtflow.lake_schemas(MARTS), "ecommerce")
    made = {output for model in found for output in model.outputs}
    declared = {table.full_name for table in tables("ecommerce") if table.layer is Layer.GOLD}
    assert declared <= made < {output for model in models for output in model.outputs}
    assert all(".gold_ecommerce." in name for name in made)


def test_no_column_of_gold_is_opaque(models: list[Flow]) -> None:
    assert {model.job: model.opaque for model in models if model.opaque} == {}


def test_every_column_of_gold_has_a_source_but_for_counts(models: list[Flow]) -> None:
    without: dict[str, set[str]] = {}
    for table in tables():
        if table.layer is Layer.GOLD:
            linked = {link.target_column for link in flow(models, table.name, f"{table.catalog}.{table.schema}").links}
            missing = {column.name for column in described(table, MARTS).columns} - linked
            if missing:
                without[table.name] = missing
    assert without == COUNTED


def test_sources_are_columns_that_the_catalogue_declares(models: list[Flow]) -> None:
    known = dbtflow.lake_schemas(MARTS)
    unknown = {
        (link.source, link.source_column)
        for model in models
        for link in model.links
        if link.source_column not in known[link.source]
    }
    assert unknown == set()


def test_the_revenue_of_a_day_comes_from_amount_and_type_of_the_lines(models: list[Flow]) -> None:
    found = {link for link in flow(models, "revenue_daily").links if link.target_column == "revenue_gbp"}
    silver = "delta.silver_lakehouse.invoice_lines"
    assert found == {
        Link(silver, name, f"{GOLD}.revenue_daily", "revenue_gbp", Kind.AGGREGATION)
        for name in ("line_amount_gbp", "line_type")
    }


def test_the_filter_of_sold_lines_decides_about_the_rows_of_the_facts(models: list[Flow]) -> None:
    whole = {link.source_column for link in flow(models, "fct_sales").links if link.target_column is None}
    assert whole == {"line_type"}


def test_a_flow_has_the_owner_and_the_grain_of_its_model(models: list[Flow]) -> None:
    found = flow(models, "fct_sales")
    assert (found.job, found.owner, found.description) == (
        "dbt.lakehouse.fct_sales",
        "retail-data",
        "One row a sold line of an invoice.",
    )


def test_tests_and_exposures_are_found_by_table_and_column(manifest: Path) -> None:
    found = dbtflow.dependents(manifest)
    facts = dict(found.tests)[f"{GOLD}.fct_sales"]
    assert ("invoice_line_id", "unique_fct_sales_invoice_line_id") in facts
    assert ("line_amount_gbp", "row_invariant_fct_sales_line_amount_gbp_quantity_unit_price_gbp") in facts
    # A relationship needs the column of the other table, too.
    countries = dict(found.tests)[f"{GOLD}.dim_country"]
    assert ("country", "relationships_fct_sales_country__country__ref_dim_country_") in countries
    assert ("shop_figures", "retail-data") in found.exposures[f"{GOLD}.revenue_daily"]


def test_a_manifest_without_compiled_sql_is_refused(manifest: Path, tmp_path: Path) -> None:
    content = json.loads(manifest.read_text(encoding="utf-8"))
    for node in content["nodes"].values():
        node.pop("compiled_code", None)
    parsed = tmp_path / "manifest.json"
    parsed.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(InputError, match="no compiled SQL"):
        dbtflow.flows(parsed, {})


def test_a_model_that_cannot_be_parsed_keeps_the_tables_that_it_needs(manifest: Path, tmp_path: Path) -> None:
    content = json.loads(manifest.read_text(encoding="utf-8"))
    content["nodes"]["model.quintet.revenue_weekly"]["compiled_code"] = "select from"
    broken = tmp_path / "manifest.json"
    broken.write_text(json.dumps(content), encoding="utf-8")
    found = flow(dbtflow.flows(broken, dbtflow.lake_schemas(MARTS)), "revenue_weekly")
    assert found.inputs == (f"{GOLD}.revenue_daily",)
    assert list(found.opaque) == ["*"]
