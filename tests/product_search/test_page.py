"""The operators' page in a real browser: search with facets, figures, alerts."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the search environment has it")
from shop_service import served
from shop_tables import catalogue_below

from postgres_server import enter, postgres_server
from quintet.catalogue.ecommerce import KPI_COLUMNS
from quintet.ecommerce.search.building import behind
from quintet.ecommerce.search.definition import PRODUCTS
from quintet.ecommerce.search.figures import SCHEMA, Figures
from quintet.ecommerce.search.nodes import Nodes, lines
from quintet.ecommerce.search.stock import StockChange, updates

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
BEGIN = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a shop of 6,000 products: black sofas and desks are among them."""
    return catalogue_below(tmp_path_factory.mktemp("page_shop"), products=6000)


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A database with the tables that the stream jobs keep, and a few rows."""
    with postgres_server(tmp_path_factory.mktemp("postgres")) as port:
        with enter(port) as connection:
            columns = ", ".join(f"{column.name} numeric" for column in KPI_COLUMNS)
            for statement in (
                f"create schema {SCHEMA}",
                f"create table {SCHEMA}.minutes (minute timestamp(3) primary key, {columns})",
                f"create table {SCHEMA}.shortages (product_id bigint, minute timestamp(3), pieces bigint,"
                " reorder_point bigint, primary key (product_id, minute))",
                f"create table {SCHEMA}.suspicious_orders (order_id bigint, reason text, user_id bigint,"
                " total_amount numeric(14, 2), ordered_at timestamp(3), primary key (order_id, reason))",
                f"create table {SCHEMA}.trending (window_begins_at timestamp(3), place int, product_id bigint,"
                " points bigint, primary key (window_begins_at, place))",
                f"insert into {SCHEMA}.suspicious_orders values (4711, 'bulk_line', 5, 1234.50, '2026-01-31 12:03')",
            ):
                connection.execute(statement)
            for number in range(5):
                row = [BEGIN + timedelta(minutes=number), *(number * 10 for _ in KPI_COLUMNS)]
                marks = ", ".join(["%s"] * len(row))
                connection.execute(f"insert into {SCHEMA}.minutes values ({marks})", row)
        yield port


def look(address: str, folder: Path) -> str:
    done = subprocess.run(
        [
            str(CHROMIUM),
            *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
            *(f"--user-data-dir={folder}", "--virtual-time-budget=6000", "--dump-dom"),
            address,
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=90,
    )
    return done.stdout


def part(text: str, identity: str) -> str:
    """Inside of the list, table or block of this identity."""
    found = re.search(rf'<(\w+) id="{identity}"[^>]*>(.*?)</\1>', text, re.DOTALL)
    assert found, f"{identity} is not on the page"
    return found[2]


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
def test_the_page_shows_products_facets_figures_and_alerts(
    built: Nodes, opensearch: str, redis_port: int, figures: int, redis: Any, tmp_path: Path
) -> None:
    row = built.ask("POST", f"/{PRODUCTS}/_search", {"size": 1, "query": {"term": {"type": "rug"}}})
    product = row["hits"]["hits"][0]["_source"]
    with enter(figures) as connection:
        connection.execute(
            f"insert into {SCHEMA}.trending values ('2026-01-31 12:00', 1, %s, 321)", [product["product_id"]]
        )
    pieces = product["inventory_count"]
    change = StockChange(0, 10**9, product["product_id"], -pieces, 1, int(BEGIN.timestamp() * 1000), 0)
    built.ask("POST", f"/{behind(built, PRODUCTS)}/_bulk?refresh=true", lines(updates([change])))
    with served(opensearch, redis_port, figures=lambda: enter(figures)) as client:
        client.get("/api/v1/search", params={"q": "zzqqzzq"})
        text = look(f"{client.base_url}#q=blak+sofa", tmp_path)
    names = re.findall(r"<h3>([^<]+)</h3>", part(text, "products"))
    assert names
    assert all("sofa" in name and "black" in name for name in names)
    assert ">black sofa</button>" in text, "the correction is offered"
    assert '<input type="checkbox" name="colour" value="black">' in part(text, "facets")
    assert "<dt>Orders</dt><dd>40</dd>" in text
    assert part(text, "chart").count('d="M') == 2
    assert product["name"]["en"] in part(text, "short")
    assert "4711" in part(text, "suspicious")
    assert product["name"]["en"] in part(text, "trending")
    assert "zzqqzzq" in part(text, "nothing")
    assert 'class="good"' in text


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
def test_without_live_figures_the_page_says_so_and_searches(
    built: Nodes, opensearch: str, redis_port: int, redis: Any, tmp_path: Path
) -> None:
    with served(opensearch, redis_port) as client:
        text = look(f"{client.base_url}#q=Schreibtisch&lang=de&colour=black", tmp_path)
    assert "search ready, no live figures" in text
    assert "<h3>" in text
    assert 'value="black"' in part(text, "facets")


def test_figures_are_read_once_a_second_and_trouble_is_told(figures: int) -> None:
    now = 0.0
    asked: list[int] = []

    def connect() -> Any:
        asked.append(1)
        return enter(figures if len(asked) == 1 else 9)

    read = Figures(connect, clock=lambda: now)
    first = read.read()
    assert [row["orders"] for row in first.rows["minutes"]] == [0, 10, 20, 30, 40]
    assert first.rows["minutes"][0]["minute"] == "2026-01-31T12:00:00+00:00"
    assert read.read() is first
    now = 1.5
    assert read.read() is not first
    assert len(asked) == 1, "the connection stays open"
    read.close()
    now = 3.0
    lost = read.read()
    assert lost.trouble
    assert lost.rows["minutes"] == []
