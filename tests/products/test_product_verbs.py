"""Verbs about products and the search of the catalogue, as a person types them."""

from __future__ import annotations

import json
from pathlib import Path

from command import quintet


def call(home: Path, *arguments: str) -> str:
    done = quintet(*arguments, home=home)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_products_are_listed_by_domain(tmp_path: Path) -> None:
    found = json.loads(call(tmp_path, "product", "list", "--json"))
    assert [row["domain"] for row in found] == sorted(row["domain"] for row in found)
    assert {"daily_sales", "customer_segments", "product_classes"} <= {row["product"] for row in found}


def test_a_product_is_shown_with_its_columns(tmp_path: Path) -> None:
    found = json.loads(call(tmp_path, "product", "show", "daily_sales", "--json"))
    assert found["table"] == "iceberg.gold_lakehouse.revenue_daily"
    assert found["promises"][0]["name"] == "trade_date"
    assert "trade_date" in call(tmp_path, "product", "show", "daily_sales")


def test_every_product_is_kept(tmp_path: Path) -> None:
    assert {tuple(row["breaches"]) for row in json.loads(call(tmp_path, "product", "check", "--json"))} == {()}


def test_search_finds_by_class_and_column(tmp_path: Path) -> None:
    found = json.loads(call(tmp_path, "catalogue", "search", "pii:direct", "email", "layer:silver", "--json"))
    assert [row["name"] for row in found if row["name"].endswith(".customers")] == ["delta.silver_lakehouse.customers"]
    assert all("email" in row["columns"] for row in found)
