"""Lineage of what the earlier tests of the lab have run: from a CSV file to a column of gold.

Also the door of the collector, its page, and one query over all stores.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests.lab.conftest import LabUnderTest, need

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("shop")]

FILES = "files.lakehouse.invoice_lines"
BRONZE = "delta.bronze_lakehouse.invoice_lines"
SILVER = "delta.silver_lakehouse.invoice_lines"
GOLD = "iceberg.gold_lakehouse"
TARGETS = "postgres.public.test_targets"


def ask(lab: LabUnderTest, name: str, *options: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(lab.quintet("lineage", name, *options, "--json").stdout)
    return found


def names(rows: list[dict[str, Any]]) -> list[str]:
    return [row["name"] for row in rows]


def test_a_gold_table_is_traced_to_the_files(installed: LabUnderTest) -> None:
    upstream = names(ask(installed, f"{GOLD}.revenue_monthly")["upstream"])
    assert upstream[:2] == [f"{GOLD}.revenue_daily", SILVER]
    assert {BRONZE, FILES} <= set(upstream)


def test_a_gold_column_is_traced_to_columns_of_the_files(installed: LabUnderTest) -> None:
    found = {row["name"]: row["kind"] for row in ask(installed, f"{GOLD}.revenue_daily.revenue_gbp")["upstream"]}
    assert found[f"{SILVER}.line_amount_gbp"] == "aggregation"
    # The amount is quantity times price; both come from the file as text.
    for raw, header in (("quantity", "Quantity"), ("unit_price", "UnitPrice")):
        assert f"{BRONZE}.{raw}" in found
        assert f"{FILES}.{header}" in found
    assert f"{FILES}.Country" not in found


def test_a_column_of_the_files_is_followed_to_every_gold_column_that_is_made_of_it(installed: LabUnderTest) -> None:
    found = set(names(ask(installed, f"{FILES}.UnitPrice")["downstream"]))
    for column in ("fct_sales.unit_price_gbp", "revenue_weekly.net_gbp", "customer_rfm.monetary_value_gbp"):
        assert f"{GOLD}.{column}" in found
    assert f"{GOLD}.fct_sales.quantity" not in found


def test_a_gold_table_was_told_by_the_run_that_built_it_and_reaches_files_or_the_shop(installed: LabUnderTest) -> None:
    built = {
        row["table"]: row["rows"] is not None
        for row in json.loads(installed.quintet("tables", "--layer", "gold", "--json").stdout)
    }
    assert any(built.values())
    for table, is_built in built.items():
        answer = ask(installed, table)
        assert (answer["written"] is not None) == is_built, f"{table}: built {is_built}, told {answer['written']}"
        if is_built:
            assert any(name.startswith(("files.", "postgres.")) for name in names(answer["upstream"])), table


def test_impact_names_tests_exposures_contracts_dags_and_the_owner(installed: LabUnderTest) -> None:
    found = ask(installed, f"{SILVER}.line_amount_gbp", "--impact")
    assert f"{GOLD}.revenue_daily" in found["tables"]
    assert any("row_invariant_revenue_daily" in test for _, test in found["tests"])
    assert ["shop_figures", "retail-data"] in found["exposures"]
    assert [f"{GOLD}.revenue_daily", "lakehouse.daily_sales"] in found["contracts"]
    assert "lakehouse_run_pipeline" in found["dags"]
    assert found["owners"] == ["retail-data"]


def test_a_silver_table_has_the_version_of_its_lineage_that_holds_now(installed: LabUnderTest) -> None:
    found = ask(installed, SILVER, "--versions")["versions"]
    assert found
    assert [version["job"] for version in found if version["valid_to"] is None] == ["spark.lakehouse.invoice_lines"]


def test_nothing_waits_for_the_collector(installed: LabUnderTest) -> None:
    assert list((installed.lab.path("data") / "lineage").glob("*.json")) == []


def test_a_name_that_is_none_is_refused_with_what_is_there(installed: LabUnderTest) -> None:
    refused = installed.quintet("lineage", "invoice_lines", expect=None)
    assert refused.returncode != 0
    assert BRONZE in refused.stderr
    assert SILVER in refused.stderr


def test_events_are_taken_from_the_lab_only_and_the_page_shows_the_graph(installed: LabUnderTest) -> None:
    url = installed.lab.endpoint("airflow").url
    door = f"{url}/lineage/api/v1/lineage"
    assert httpx.post(door, json={}, headers={"Authorization": "Bearer wrong"}, timeout=30).status_code == 401
    assert httpx.get(f"{url}/lineage/graph", timeout=30).status_code == 401
    given = {"username": "viewer", "password": installed.lab.secret("airflow_viewer")}
    token = httpx.post(f"{url}/auth/token", json=given, timeout=30).json()["access_token"]
    shown = {"Authorization": f"Bearer {token}"}
    assert httpx.get(f"{url}/lineage/", headers=shown, timeout=30).status_code == 200
    edges = httpx.get(f"{url}/lineage/graph", headers=shown, timeout=60).json()["edges"]
    assert {(edge["source"], edge["target"]) for edge in edges} >= {(FILES, BRONZE), (BRONZE, SILVER)}


@pytest.fixture
def targets(installed: LabUnderTest) -> Iterator[str]:
    """A table of the shop's database: what each country should bring."""
    installed.quintet("sql", f"drop table if exists {TARGETS}")
    installed.quintet(
        "sql",
        f"create table {TARGETS} as select * from (values ('United Kingdom', 1000.0), ('France', 50.0)) "
        "as given (country, target_gbp)",
    )
    yield TARGETS
    installed.quintet("sql", f"drop table {TARGETS}")


def test_one_query_reads_postgresql_delta_and_iceberg(installed: LabUnderTest, targets: str) -> None:
    rows = installed.sql(
        "select t.country, sum(s.line_amount_gbp) as sold_gbp, count(distinct c.customer_sk) as customers, "
        f"sum(s.line_amount_gbp) >= max(t.target_gbp) as is_met from {targets} t "
        f"join {GOLD}.fct_sales s on s.country = t.country "
        "left join delta.silver_lakehouse.customers c on c.customer_id = s.customer_id and c.is_current "
        "group by t.country order by t.country"
    )
    assert [row["country"] for row in rows] == ["France", "United Kingdom"]
    for row in rows:
        # No customer has two current versions: the join adds no line.
        alone = installed.value(f"select sum(line_amount_gbp) from {GOLD}.fct_sales where country = '{row['country']}'")
        assert float(row["sold_gbp"]) == float(alone) > 0
        assert row["customers"] > 0


def test_one_query_reads_a_topic_too(installed: LabUnderTest, targets: str) -> None:
    need(installed, "streaming")
    if not installed.sql("select 1 from postgres.information_schema.tables where table_name = 'customers'"):
        pytest.skip("needs the shop that a test of the capture has made")
    topic = 'kafka.default."lakehouse.customers.changes"'
    # Every customer of the database is in the topic; the join goes on into both lakes.
    (row,) = installed.sql(
        "select count(*) as customers, count(k.customer_id) as captured, "
        f"(select count(*) from {GOLD}.dim_country) + (select count(*) from {targets}) as others "
        "from postgres.public.customers c left join "
        f"(select distinct after.customer_id from {topic} where op <> 'd') k on k.customer_id = c.customer_id "
        "left join delta.silver_lakehouse.shop_customers s on s.customer_id = c.customer_id"
    )
    assert row["customers"] == row["captured"] > 0
    assert row["others"] > 2
