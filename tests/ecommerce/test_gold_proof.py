"""The proof of gold: what it expects is what plain loops count, and a wrong row of any table breaks its checks."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("numpy", reason="the streaming environment has it")
import pyarrow.parquet as pq

import naive_shop as naive
from quintet.catalogue.ecommerce import KPI_COLUMNS
from quintet.ecommerce.batch.proof import GOLD, Known, checks
from quintet.ecommerce.batch.star import LEVELS
from quintet.ecommerce.generator import Scale, generate
from quintet.ecommerce.truth import Truth
from quintet.errors import LabError, ServiceDownError
from sqlitelake import SqliteLake

FIGURES = [column.name.replace("revenue", "revenue_eur") for column in KPI_COLUMNS]
#: Columns of the tables of gold that are looked at.
PRODUCT = [
    "product_id",
    "product_name",
    "category",
    "product_type",
    "brand",
    "colour",
    "material",
    "store_id",
    "price_eur",
    "previous_price_eur",
    "valid_from",
    "valid_to",
    "is_current",
]
CUSTOMER = [
    "customer_id",
    "language",
    "town",
    "country",
    "level",
    "previous_level",
    "valid_from",
    "valid_to",
    "is_current",
]
STORE = ["store_id", "town", "country", "is_store", "store_kind", "latitude", "longitude"]
DATE = [
    "calendar_date",
    "calendar_week",
    "calendar_month",
    "calendar_year",
    "calendar_quarter",
    "weekday_number",
    "is_weekend",
]
SALE = [
    "order_id",
    "line_number",
    "order_date",
    "ordered_at",
    "customer_id",
    "product_id",
    "store_id",
    "quantity",
    "unit_price_eur",
    "list_price_eur",
    "amount_eur",
    "is_late",
]
DAY = [
    "calendar_date",
    "orders",
    "buyers",
    "pieces",
    "revenue_eur",
    "sessions",
    "carts",
    "abandoned_carts",
    "buying_sessions",
]
WEEK = [
    "calendar_week",
    "days",
    "orders",
    "pieces",
    "revenue_eur",
    "sessions",
    "carts",
    "abandoned_carts",
    "revenue_per_order_eur",
    "conversion_share",
    "abandoned_share",
    "revenue_change_eur",
]
SEGMENT = [
    "customer_id",
    "recency_days",
    "orders",
    "revenue_eur",
    "recency_score",
    "frequency_score",
    "value_score",
    "segment",
]
QUERY = [
    "query_text",
    "searches",
    "users",
    "first_date",
    "last_date",
    "searches_without_result",
    "searches_with_click",
    "clicks",
    "corrections",
    "click_through_share",
    "zero_result_share",
]
A_SALE = "rowid = (select min(rowid) from fct_shop_sales)"
SALES = "sales with the price of their moment"
TOTALS = "orders, lines, pieces and revenue"
REVENUES = {f"revenue by {name}" for name in ("day", "customer", "product", "store")}
LEVEL = "sales by the customer's level at that moment"
#: What is done to the tables -> checks that must fail of it.
DAMAGES = {
    "update dim_shop_product set valid_to = null where valid_to is not null": {"products with every price (type 2)"},
    "update dim_shop_product set is_current = 0 where rowid = "
    "(select min(rowid) from dim_shop_product where is_current)": {
        "products with every price (type 2)",
        "one current price a product",
    },
    "delete from dim_shop_customer where rowid = (select min(rowid) from dim_shop_customer where level = 'visitor' "
    "and not is_current)": {"customers with every level (type 2)"},
    "update dim_shop_customer set level = 'loyal' where is_current and level = 'regular'": {
        "customers with every level (type 2)",
        "customers by present level",
        LEVEL,
    },
    "update dim_shop_store set is_store = 1 - is_store where rowid = 1": {"stores and warehouses"},
    "delete from dim_shop_date where rowid = 1": {"calendar"},
    f"update fct_shop_sales set list_price_eur = '0.01' where {A_SALE}": {SALES},
    f"update fct_shop_sales set is_late = 1 - is_late where {A_SALE}": {SALES},
    f"update fct_shop_sales set customer_sk = null where {A_SALE}": {LEVEL},
    f"update fct_shop_sales set amount_eur = '0.01' where {A_SALE}": {SALES, TOTALS, LEVEL, *REVENUES},
    f"update fct_shop_sales set order_date = '2020-01-01' where {A_SALE}": {SALES, "revenue by day"},
    f"update fct_shop_sales set product_id = 0 where {A_SALE}": {SALES, "revenue by product"},
    f"update fct_shop_sales set customer_id = 0 where {A_SALE}": {SALES, "revenue by customer"},
    f"update fct_shop_sales set store_id = -1 where {A_SALE}": {SALES, "revenue by store"},
    f"insert into fct_shop_sales select * from fct_shop_sales where {A_SALE}": {SALES, TOTALS, LEVEL, *REVENUES},
    "update shop_days set abandoned_carts = abandoned_carts + 1 where rowid = 1": {"days"},
    "update shop_weeks set orders = orders + 1 where rowid = 1": {"weeks are the sums of their days"},
    "update shop_weeks set conversion_share = '0.5' where rowid = 1": {"weekly report"},
    "update shop_customer_segments set revenue_eur = '0.01' where rowid = 1": {"customers with scores and segment"},
    "update shop_customer_segments set segment = 'best' where segment = 'lost'": {
        "customers with scores and segment",
        "customers by segment",
    },
    "update shop_search_queries set corrections = corrections + 1 where rowid = 1": {"queries with answers and clicks"},
    "update shop_search_queries set searches_without_result = 0": {
        "queries with answers and clicks",
        "queries without a result",
    },
    "update minutes_served set layer = 'speed' where rowid = 1": {
        "served minutes, settled ones with late events",
        "served revenue by layer",
    },
    "update minutes_served set active_users = active_users + 1 where rowid = 1": {
        "served minutes, settled ones with late events"
    },
}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Truth]:
    """Folder and truth of ten days, over two weeks and a bit, of a shop that few people know."""
    folder = tmp_path_factory.mktemp("gold") / "input"
    return folder, generate(folder, days=10, seed=11, scale=Scale(rate=0.02, products=400, users=40))


@pytest.fixture(scope="module")
def known(shop: tuple[Path, Truth]) -> Known:
    return Known.of(*shop)


@pytest.fixture(scope="module")
def built(known: Known) -> SqliteLake:
    """A gold that holds what it must."""
    gold, lake = known.gold, SqliteLake()
    lake.put("dim_shop_product", PRODUCT, gold.products)
    keys = [f"{row[0]} {row[4]}" for row in gold.customers]
    customers = [(key, *row) for key, row in zip(keys, gold.customers, strict=True)]
    lake.put("dim_shop_customer", ["customer_sk", *CUSTOMER], customers)
    lake.put("dim_shop_store", STORE, gold.stores)
    lake.put("dim_shop_date", DATE, gold.calendar)
    sales = [(f"{row[4]} {level_at(gold.customers, row[4], row[3])}", *row) for row in gold.sales]
    lake.put("fct_shop_sales", ["customer_sk", *SALE], sales)
    lake.put("shop_days", DAY, gold.day_rows())
    report = [row[1:] for row in gold.report_rows()]
    lake.put("shop_weeks", WEEK, [(*row, *more) for row, more in zip(gold.week_rows(), report, strict=True)])
    lake.put("shop_customer_segments", SEGMENT, gold.segments)
    lake.put("shop_search_queries", QUERY, gold.queries)
    served = [tuple(row.values()) for row in known.minutes if row["view"] == "batch"]
    lake.put("minutes_served", ["layer", "minute_at", *FIGURES], served)
    lake.keep()
    return lake


@pytest.fixture
def lake(built: SqliteLake) -> Iterator[SqliteLake]:
    yield built
    built.undo()


def level_at(customers: list[Any], customer: int, at: datetime) -> str:
    (level,) = (row[4] for row in customers if row[0] == customer and row[6] <= at and (row[7] is None or at < row[7]))
    return str(level)


def of_gold(lake: SqliteLake, known: Known) -> dict[str, bool]:
    return {check.name: check.ok for check in checks(lake, known) if check.where.startswith(GOLD)}


def test_a_gold_that_holds_what_it_must_is_proven(lake: SqliteLake, known: Known) -> None:
    found = of_gold(lake, known)
    assert len(found) >= 22
    assert [name for name, is_ok in found.items() if not is_ok] == []


def test_each_wrong_table_breaks_its_checks_and_every_check_can_fail(lake: SqliteLake, known: Known) -> None:
    broken: set[str] = set()
    for statement, names in DAMAGES.items():
        lake.damage(statement)
        assert {name for name, is_ok in of_gold(lake, known).items() if not is_ok} == names, statement
        broken |= names
        lake.undo()
    assert broken == of_gold(lake, known).keys(), "a check that nothing breaks proves nothing"


def test_a_refused_question_is_a_check_that_fails_and_a_silent_trino_ends_the_proof(known: Known) -> None:
    def refuse(statement: str) -> list[list[Any]]:
        raise LabError("Trino refused a statement: line 1:8")

    assert not any(check.ok for check in checks(refuse, known))

    def silent(statement: str) -> list[list[Any]]:
        raise ServiceDownError("nobody answers")

    with pytest.raises(ServiceDownError):
        list(checks(silent, known))


@pytest.fixture(scope="module")
def events(shop: tuple[Path, Truth]) -> dict[str, list[naive.Record]]:
    return naive.view(naive.read(shop[0]), with_late=True)


def test_days_and_sales_are_those_of_the_purchases(known: Known, events: dict[str, list[naive.Record]]) -> None:
    revenue: dict[Any, Decimal] = defaultdict(Decimal)
    for row in events["purchase"]:
        revenue[row["timestamp"].date()] += row["total_amount"]
    days = {row[0]: row for row in known.gold.day_rows()}
    assert {day: row[4] for day, row in days.items() if row[1]} == revenue
    assert sum(row[1] for row in days.values()) == len(events["purchase"])
    sessions = naive.sessions(events)
    assert sum(row[5] for row in days.values()) == len(sessions)
    assert sum(row[7] for row in days.values()) == sum(session["is_abandoned"] for session in sessions)
    assert sum(row[10] for row in known.gold.sales) == sum(revenue.values())
    assert len(known.gold.sales) == sum(len(row["products"]) for row in events["purchase"])
    assert any(row[-1] for row in known.gold.sales), "a late order is in gold"


def test_levels_are_reached_with_the_first_third_and_tenth_order(
    known: Known, events: dict[str, list[naive.Record]], shop: tuple[Path, Truth]
) -> None:
    users = pq.read_table(shop[0] / "catalogue" / "users.parquet").to_pylist()
    orders = Counter(row["user_id"] for row in events["purchase"])
    current = {row[0]: row[4] for row in known.gold.customers if row[-1]}
    reached = {user["user_id"]: orders[user["user_id"]] for user in users}
    assert current == {
        user: next((level for level, needed in reversed(LEVELS.items()) if count >= needed), "visitor")
        for user, count in reached.items()
    }
    assert len(set(current.values())) >= 3
    versions = Counter(row[0] for row in known.gold.customers)
    assert versions == {user: 1 + sum(count >= needed for needed in LEVELS.values()) for user, count in reached.items()}


def test_a_product_has_a_version_a_price_and_weeks_add_up(known: Known, shop: tuple[Path, Truth]) -> None:
    changes = pq.read_table(shop[0] / "catalogue" / "price_changes.parquet").to_pylist()
    by_product = Counter(change["product_id"] for change in changes)
    assert Counter(row[0] for row in known.gold.products) == by_product
    assert sum(row[-1] for row in known.gold.products) == len(by_product)
    weeks, days = known.gold.week_rows(), list(known.gold.day_rows())
    assert [sum(row[place] for row in weeks) for place in (2, 4, 7)] == [
        sum(row[place] for row in days) for place in (1, 4, 7)
    ]
    first = known.gold.calendar[0]
    assert first[0] - first[1] == timedelta(days=first[5] - 1)


def test_queries_are_counted_by_their_text_and_segments_by_their_customers(
    known: Known, events: dict[str, list[naive.Record]]
) -> None:
    texts = Counter(" ".join(row["query"].lower().split()) for row in events["search"])
    assert {row[0]: row[1] for row in known.gold.queries} == texts
    nothing = sum(row["results_count"] == 0 for row in events["search"])
    assert sum(row[5] for row in known.gold.queries) == nothing > 0
    buyers = {row["user_id"] for row in events["purchase"]}
    assert {row[0] for row in known.gold.segments} == buyers
    sizes = Counter(row[4] for row in known.gold.segments)
    assert max(sizes.values()) - min(sizes.values()) <= 1
