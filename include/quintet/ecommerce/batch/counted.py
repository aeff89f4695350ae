"""What the batch layer must come to, counted from an input's files in plain loops: events, lines, figures, queries.

No engine of the pipeline and none of its tables is asked here: the files, the shop's lists and the words of
`definitions.py` are all there is.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from quintet.ecommerce.compared import Row
from quintet.ecommerce.definitions import KINDS, product_of
from quintet.ecommerce.recount import catalogue, distinct

__all__ = ["NOBODY", "Counted", "Line", "Query", "count"]

#: Member of a dimension for what is in no list of the shop.
NOBODY = "unknown"


@dataclass(frozen=True)
class Line:
    """Line of a distinct whole order; its place in the order counts from 1."""

    order_id: int
    place: int
    ordered_at: datetime
    is_late: bool
    user_id: int
    product_id: int
    quantity: int
    unit_price: Decimal

    @property
    def day(self) -> date:
        """Day of the order, UTC."""
        return self.ordered_at.date()

    @property
    def amount(self) -> Decimal:
        """What was paid for it."""
        return self.quantity * self.unit_price


@dataclass
class _Sum:
    """Figures of a day and a member of a dimension."""

    page_views: int = 0
    cart_additions: int = 0
    orders: set[int] = field(default_factory=set)
    pieces: int = 0
    revenue: Decimal = Decimal(0)
    users: set[int] = field(default_factory=set)


@dataclass
class _Day:
    """Events of a kind and a day."""

    events: int = 0
    late: int = 0
    users: set[int] = field(default_factory=set)
    pieces: int = 0
    revenue: Decimal = Decimal(0)
    clicks: int = 0


@dataclass
class Query:
    """Everything that was searched by one text."""

    searches: int = 0
    users: set[int] = field(default_factory=set)
    days: set[date] = field(default_factory=set)
    without_result: int = 0
    with_click: int = 0
    clicks: int = 0
    corrections: int = 0


class Counted:
    """What was counted: `events` by kind and day, `lines`, `daily` by day, dimension and member, `queries` by text."""

    def __init__(self) -> None:
        self.events: dict[tuple[str, date], _Day] = defaultdict(_Day)
        self.lines: list[Line] = []
        self.daily: dict[tuple[date, str, str], _Sum] = defaultdict(_Sum)
        self.queries: dict[str, Query] = defaultdict(Query)

    def event_rows(self) -> Iterator[Row]:
        """Kind, day, events, late ones, distinct users, pieces, revenue and clicks."""
        for (kind, day), found in self.events.items():
            yield kind, day, found.events, found.late, len(found.users), found.pieces, found.revenue, found.clicks

    def line_rows(self) -> Iterator[Row]:
        """Order, place, day, time, late?, user, product, pieces, price."""
        for line in self.lines:
            parts = (line.ordered_at, line.is_late, line.user_id, line.product_id, line.quantity, line.unit_price)
            yield line.order_id, line.place, line.day, *parts

    def daily_rows(self, dimension: str) -> Iterator[Row]:
        """Day, member, views, cart additions, orders, pieces, revenue, users."""
        for (day, name, member), found in self.daily.items():
            if name == dimension:
                shown = (found.page_views, found.cart_additions, len(found.orders), found.pieces, found.revenue)
                yield day, member, *shown, len(found.users)


def count(folder: Path) -> Counted:
    """Count the distinct whole events of an input, late ones included.

    Raises:
        VerifyError: the input lacks a list of the shop.

    """
    categories = {row["product_id"]: row["category"] for row in catalogue(folder, "products")}
    countries = {row["user_id"]: row["country"] for row in catalogue(folder, "users")}
    found = Counted()
    for kind in KINDS:
        for row, is_late in distinct(folder, kind):
            _event(found, kind, row, is_late=is_late)
            if kind in {"page_view", "add_to_cart", "purchase"}:
                _daily(found, kind, row, categories, countries)
            elif kind == "search":
                _query(found, row)
    for line in found.lines:
        _sold(found, line, categories)
    return found


def _event(found: Counted, kind: str, row: Mapping[str, Any], *, is_late: bool) -> None:
    sums = found.events[kind, row["timestamp"].date()]
    sums.events += 1
    sums.late += is_late
    if "user_id" in row:
        sums.users.add(row["user_id"])
    if kind == "search":
        sums.clicks += len(row["clicked_products"])
    if kind == "purchase":
        sums.pieces += sum(line["quantity"] for line in row["products"])
        sums.revenue += row["total_amount"]
        for place, line in enumerate(row["products"], start=1):
            bought = (line["product_id"], line["quantity"], line["unit_price"])
            found.lines.append(Line(row["order_id"], place, row["timestamp"], is_late, row["user_id"], *bought))


def _daily(
    found: Counted, kind: str, row: Mapping[str, Any], categories: Mapping[int, str], countries: Mapping[int, str]
) -> None:
    """Views and cart additions of a product, its category and the user's country; whole orders of the country."""
    day = row["timestamp"].date()
    country = found.daily[day, "country", countries.get(row["user_id"], NOBODY)]
    sums = [country]
    product = product_of(row["page"]) if kind == "page_view" else row.get("product_id")
    if product is not None:
        sums.append(found.daily[day, "product", str(product)])
        sums.append(found.daily[day, "category", categories.get(product, NOBODY)])
    for figures in sums:
        figures.users.add(row["user_id"])
        figures.page_views += kind == "page_view"
        figures.cart_additions += kind == "add_to_cart"
    if kind == "purchase":
        country.orders.add(row["order_id"])
        country.pieces += sum(line["quantity"] for line in row["products"])
        country.revenue += row["total_amount"]


def _sold(found: Counted, line: Line, categories: Mapping[int, str]) -> None:
    members = {"product": str(line.product_id), "category": categories.get(line.product_id, NOBODY)}
    for dimension, member in members.items():
        figures = found.daily[line.day, dimension, member]
        figures.users.add(line.user_id)
        figures.orders.add(line.order_id)
        figures.pieces += line.quantity
        figures.revenue += line.amount


def _query(found: Counted, row: Mapping[str, Any]) -> None:
    query = found.queries[re.sub(r"\s+", " ", row["query"]).strip().lower()]
    query.searches += 1
    query.users.add(row["user_id"])
    query.days.add(row["timestamp"].date())
    query.without_result += row["results_count"] == 0
    query.with_click += len(row["clicked_products"]) > 0
    query.clicks += len(row["clicked_products"])
    query.corrections += row["search_type"] == "correction"
