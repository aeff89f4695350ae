"""The truth equals an independent recount of the records, table by table and view by view."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("numpy", reason="the streaming environment has it")
pytest.importorskip("pyarrow", reason="the streaming environment has it")
import pyarrow.compute as pc
import pyarrow.parquet as pq

import naive_shop as naive
from quintet.ecommerce.truth import Truth

VIEWS = ("speed", "batch")


@pytest.fixture(scope="module")
def records(small: tuple[Path, Truth]) -> dict[str, list[naive.Record]]:
    return naive.read(small[0])


@pytest.fixture(scope="module")
def views(records: dict[str, list[naive.Record]]) -> dict[str, dict[str, list[naive.Record]]]:
    return {name: naive.view(records, with_late=name == "batch") for name in VIEWS}


def rows(small: tuple[Path, Truth], name: str, view: str) -> list[dict[str, Any]]:
    table = pq.read_table(small[0] / "truth" / f"{name}.parquet")
    chosen = table.filter(pc.equal(table.column("view"), view)).drop_columns(["view"])
    return list(chosen.to_pylist())


def catalogue(small: tuple[Path, Truth]) -> list[dict[str, Any]]:
    return list(pq.read_table(small[0] / "catalogue" / "products.parquet").to_pylist())


@pytest.mark.parametrize("kind", naive.IDENTITY)
def test_records_are_counted_as_a_reader_counts_them(
    small: tuple[Path, Truth], records: dict[str, Any], views: dict[str, Any], kind: str
) -> None:
    told = small[1].records[kind]
    found = naive.counts(kind, records[kind])
    assert {name: told[name] for name in found} == found
    assert told["batch_events"] == len(views["batch"][kind])
    assert told["speed_events"] == len(views["speed"][kind])


@pytest.mark.parametrize("kind", naive.IDENTITY)
def test_broken_records_are_told_by_the_rule_that_they_break(
    small: tuple[Path, Truth], records: dict[str, Any], kind: str
) -> None:
    found = Counter(rule for row in records[kind] if (rule := naive.broken_by(kind, row)))
    assert dict(found) == small[1].broken[kind]


@pytest.mark.parametrize("view", VIEWS)
def test_figures_of_minutes(small: tuple[Path, Truth], views: dict[str, Any], view: str) -> None:
    told = {row.pop("minute"): row for row in rows(small, "minute_kpis", view)}
    assert told == naive.minutes(views[view])
    assert small[1].rows[f"{view}_minute_kpis"] == len(told)


@pytest.mark.parametrize("view", VIEWS)
def test_sessions_and_carts_left_behind(small: tuple[Path, Truth], views: dict[str, Any], view: str) -> None:
    told = sorted(rows(small, "sessions", view), key=lambda row: (row["user_id"], row["begins_at"]))
    found = naive.sessions(views[view])
    assert told == found
    assert small[1].rows[f"{view}_abandoned_carts"] == sum(session["is_abandoned"] for session in found) > 0


@pytest.mark.parametrize("view", VIEWS)
def test_suspicious_orders(small: tuple[Path, Truth], views: dict[str, Any], view: str) -> None:
    told = {(row["order_id"], row["reason"]) for row in rows(small, "suspicious_orders", view)}
    assert told == naive.suspicious(views[view])
    assert {reason for _, reason in told} == {"order_burst", "large_order", "bulk_line"}


@pytest.mark.parametrize("view", VIEWS)
def test_products_that_run_short(small: tuple[Path, Truth], views: dict[str, Any], view: str) -> None:
    told = [(row["minute"], row["product_id"], row["stock"]) for row in rows(small, "shortages", view)]
    assert told == naive.shortages(views[view], catalogue(small))
    assert told


@pytest.mark.parametrize("view", VIEWS)
def test_stock_at_the_end(small: tuple[Path, Truth], views: dict[str, Any], view: str) -> None:
    told = {row["product_id"]: row["stock"] for row in rows(small, "stock", view)}
    assert told == naive.stock(views[view], catalogue(small))


@pytest.mark.parametrize("view", VIEWS)
def test_what_trends(small: tuple[Path, Truth], views: dict[str, Any], view: str) -> None:
    told = [tuple(row.values()) for row in rows(small, "trending", view)]
    assert told == naive.trending(views[view])


def test_late_events_make_the_views_differ(views: dict[str, Any]) -> None:
    for kind in naive.USERS:
        assert len(views["speed"][kind]) < len(views["batch"][kind])


def test_every_price_of_a_purchase_is_the_one_of_its_moment(small: tuple[Path, Truth], views: dict[str, Any]) -> None:
    changes = pq.read_table(small[0] / "catalogue" / "price_changes.parquet").to_pylist()
    of_product: dict[int, list[Any]] = {}
    for change in changes:
        of_product.setdefault(change["product_id"], []).append((change["changed_at"], change["price"]))
    for order in views["batch"]["purchase"]:
        assert order["total_amount"] == sum(line["quantity"] * line["unit_price"] for line in order["products"])
        for line in order["products"]:
            known = [price for at, price in of_product[line["product_id"]] if at <= order["timestamp"]]
            assert line["unit_price"] == known[-1]


def test_frauds_are_orders_and_the_rules_find_most_of_them(small: tuple[Path, Truth], views: dict[str, Any]) -> None:
    told = {
        row["order_id"]: row["pattern"] for row in pq.read_table(small[0] / "truth/fraud_orders.parquet").to_pylist()
    }
    orders = {order["order_id"] for order in views["batch"]["purchase"]}
    assert set(told) <= orders
    assert set(told.values()) == {"card_testing", "haul", "bulk"}
    flagged = {order for order, _ in naive.suspicious(views["batch"])}
    bulk = {order for order, pattern in told.items() if pattern == "bulk"}
    assert bulk <= flagged
    assert len(told) < 0.2 * len(orders)
