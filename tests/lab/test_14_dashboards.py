"""Dashboards in the lab: who enters, who may change what, charts that say what Trino says, imports made once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from tests.lab.conftest import LabUnderTest, need

from quintet.dashboards.check import refuses_strangers
from quintet.dashboards.server import ADMIN, VIEWER, Superset, enter

pytestmark = pytest.mark.lab

GOLD = "iceberg.gold_lakehouse"
#: What each chart of `lakehouse` must show, asked without Superset.
CHARTS = {
    "Revenue": f"select sum(revenue_gbp) revenue from {GOLD}.revenue_daily",
    "Orders": f"select sum(orders) orders_placed from {GOLD}.revenue_daily",
    "Revenue by month": "select date_trunc('month', trade_month) trade_month, sum(revenue_gbp) revenue, "
    f"sum(returns_gbp) returns, sum(net_gbp) net from {GOLD}.revenue_monthly group by 1",
    "Revenue by day": f"select trade_date, revenue_gbp revenue, net_gbp net from {GOLD}.revenue_daily",
    "Customer segments": f"select segment, count(*) customers from {GOLD}.customer_rfm group by 1",
    "Value of the segments": f"select segment, sum(monetary_value_gbp) value, count(*) customers "
    f"from {GOLD}.customer_rfm group by 1",
    "Top countries": f"select country, sum(line_amount_gbp) revenue, sum(quantity) pieces "
    f"from {GOLD}.fct_sales group by 1 order by 2 desc limit 10",
}


@pytest.fixture(scope="module")
def lab(installed: LabUnderTest) -> LabUnderTest:
    need(installed, "dashboards")
    counted = installed.quintet("sql", f"select count(*) n from {GOLD}.fct_sales", "--format", "json", expect=None)
    # Tests before these may have left the project empty.
    if counted.returncode or json.loads(counted.stdout)[0]["n"] == 0:
        installed.quintet("run", "lakehouse", "--fresh", "--days", "3", "--seed", "11")
    return installed


@pytest.fixture(scope="module")
def viewer(lab: LabUnderTest) -> Iterator[Superset]:
    with enter(lab.lab, VIEWER) as session:
        yield session


def plain(value: Any) -> Any:
    """A value of Superset or of Trino: days as ISO text, numbers with two decimals."""
    if isinstance(value, str):
        try:
            return round(float(value), 2)
        except ValueError:
            return value
    return round(float(value), 2) if isinstance(value, (int, float)) else value


def rows(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows that can be compared, in an order of their own."""
    shown = [
        {
            # Superset tells times in milliseconds since 1970.
            name: datetime.fromtimestamp(value / 1000, UTC).date().isoformat()
            if name in {"trade_month", "trade_date"} and isinstance(value, (int, float))
            else plain(value)
            for name, value in row.items()
        }
        for row in found
    ]
    return sorted(shown, key=lambda row: sorted(map(str, row.items())))


def test_users_enter_with_their_passwords_and_nobody_with_another(lab: LabUnderTest) -> None:
    refuses_strangers(lab.lab)
    for user in (ADMIN, VIEWER):
        enter(lab.lab, user).close()
    door = lab.lab.endpoint("superset").url
    closed = httpx.get(f"{door}/api/v1/dashboard/", timeout=60, trust_env=False)
    assert closed.status_code == 401 or closed.json()["count"] == 0


def test_a_viewer_looks_and_changes_nothing(viewer: Superset) -> None:
    dashboard = viewer.dashboards()["lakehouse"]
    (chart, *_) = viewer.charts("lakehouse").values()
    tried = [
        ("PUT", f"/api/v1/dashboard/{dashboard['id']}", {"dashboard_title": "Mine"}),
        ("DELETE", f"/api/v1/dashboard/{dashboard['id']}", None),
        ("PUT", f"/api/v1/chart/{chart}", {"slice_name": "Mine"}),
        ("PUT", "/api/v1/dataset/1", {"description": "Mine"}),
        ("POST", "/api/v1/sqllab/execute/", {"database_id": 1, "sql": "select 1"}),
    ]
    told = {(method, path): viewer.change(method, path, body).status_code for method, path, body in tried}
    assert set(told.values()) == {403}, told
    assert viewer.dashboards()["lakehouse"]["dashboard_title"] == dashboard["dashboard_title"]


def test_every_chart_of_the_lakehouse_is_asked(viewer: Superset) -> None:
    assert set(viewer.charts("lakehouse")) == set(CHARTS)


@pytest.mark.parametrize("title", CHARTS)
def test_a_chart_shows_what_trino_says(lab: LabUnderTest, viewer: Superset, title: str) -> None:
    shown = rows(viewer.rows(viewer.charts("lakehouse")[title]))
    assert shown, "a chart without rows"
    assert shown == rows(lab.sql(CHARTS[title]))


def test_a_second_import_says_same(lab: LabUnderTest) -> None:
    told = lab.quintet("dashboards", "--publish", "--json")
    said = dict(line.split(": ") for line in told.stderr.splitlines() if ": " in line)
    assert said == {"ecommerce": "same", "lakehouse": "same", "rights": "same"}
    assert all(one["is_current"] for one in json.loads(told.stdout)["dashboards"])


def test_the_configuration_is_closed_to_others(lab: LabUnderTest) -> None:
    file = lab.lab.path("config") / "superset" / "superset_config.py"
    assert file.stat().st_mode & 0o777 == 0o600
