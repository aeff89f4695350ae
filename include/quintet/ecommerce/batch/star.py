"""What gold must come to: dimensions with their versions, sales, days, weeks, segments and queries, in plain loops.

Source: own derivation from the words of `docs/tables.md`; nothing is taken from the models of the dbt project.
"""

from __future__ import annotations

from bisect import bisect_right
from calendar import monthrange
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any, TypeVar

from quintet.ecommerce.batch.counted import Counted, Line
from quintet.ecommerce.compared import Row
from quintet.ecommerce.recount import catalogue

__all__ = ["LEVELS", "Day", "Star", "star"]

T = TypeVar("T")

#: Level of a customer -> the order that it is reached with; who has none is a visitor.
LEVELS: Mapping[str, int] = {"buyer": 1, "regular": 3, "loyal": 10}
VISITOR = "visitor"
#: Parts of the scores of customers.
QUARTERS = 4


@dataclass
class Day:
    """One day of the shop."""

    orders: set[int] = field(default_factory=set)
    buyers: set[int] = field(default_factory=set)
    pieces: int = 0
    revenue: Decimal = Decimal(0)
    sessions: int = 0
    carts: int = 0
    abandoned: int = 0
    buying: int = 0


@dataclass(frozen=True)
class Star:
    """Rows that the tables of gold must hold, in the order of the columns that each check asks for."""

    products: list[Row]
    customers: list[Row]
    stores: list[Row]
    calendar: list[Row]
    sales: list[Row]
    levels_of_sales: list[Row]
    days: Mapping[date, Day]
    segments: list[Row]
    queries: list[Row]

    def day_rows(self) -> Iterator[Row]:
        """Day, orders, buyers, pieces, revenue, sessions, carts, abandoned ones, sessions with an order."""
        for day, found in self.days.items():
            sold = (len(found.orders), len(found.buyers), found.pieces, found.revenue)
            yield day, *sold, found.sessions, found.carts, found.abandoned, found.buying

    def week_rows(self) -> list[Row]:
        """Week, days, orders, pieces, revenue, sessions, carts, abandoned carts: sums of the days."""
        return [
            (monday, len(days), *(sum(part) for part in zip(*map(_additive, days), strict=True)))
            for monday, days in sorted(self._weeks().items())
        ]

    def report_rows(self) -> list[Row]:
        """Week, revenue an order, share of sessions with an order, share of abandoned carts, change of revenue."""
        weeks = self._weeks()
        rows: list[Row] = []
        for monday, days in sorted(weeks.items()):
            orders, _, revenue, sessions, carts, abandoned = (
                sum(part) for part in zip(*map(_additive, days), strict=True)
            )
            before = weeks.get(monday - timedelta(days=7))
            shares = (_share(sum(day.buying for day in days), sessions), _share(abandoned, carts))
            change = None if before is None else revenue - sum(day.revenue for day in before)
            rows.append((monday, _ratio(revenue, orders), *shares, change))
        return rows

    def _weeks(self) -> dict[date, list[Day]]:
        weeks: dict[date, list[Day]] = defaultdict(list)
        for day, found in self.days.items():
            weeks[_monday(day)].append(found)
        return weeks


def star(folder: Path, counted: Counted, sessions: Iterable[Mapping[str, Any]]) -> Star:
    """Count what gold must hold; `sessions` are those of the truth, late events included.

    Raises:
        VerifyError: the input lacks a list of the shop.

    """
    goods = {row["product_id"]: row for row in catalogue(folder, "products")}
    prices = _prices(folder)
    orders = {(line.user_id, line.ordered_at, line.order_id) for line in counted.lines}
    levels = _levels(catalogue(folder, "users"), orders)
    return Star(
        products=list(_products(folder, goods, prices)),
        customers=list(_customers(catalogue(folder, "users"), levels)),
        stores=[_store(row) for row in catalogue(folder, "places")],
        calendar=list(_calendar({day for _, day in counted.events})),
        sales=[_sale(line, goods, prices) for line in counted.lines],
        levels_of_sales=list(_levels_of_sales(counted.lines, levels)),
        days=_days(counted.lines, sessions),
        segments=_segments(counted.lines),
        queries=[_query_row(name, counted) for name in counted.queries],
    )


def _prices(folder: Path) -> dict[int, list[tuple[datetime, Decimal]]]:
    prices: dict[int, list[tuple[datetime, Decimal]]] = defaultdict(list)
    for row in catalogue(folder, "price_changes"):
        prices[row["product_id"]].append((row["changed_at"], row["price"]))
    return {product: sorted(changes) for product, changes in prices.items()}


def _held(versions: Sequence[tuple[datetime, T]], at: datetime) -> T | None:
    """The version that held at a moment; None: none did yet."""
    place = bisect_right([since for since, _ in versions], at)
    return versions[place - 1][1] if place else None


def _history(versions: Sequence[tuple[datetime, T]]) -> Iterator[tuple[T, T | None, datetime, datetime | None]]:
    """Each version with the one before it, and from when to when it holds."""
    for place, (since, value) in enumerate(versions):
        before = versions[place - 1][1] if place else None
        until = versions[place + 1][0] if place + 1 < len(versions) else None
        yield value, before, since, until


def _products(
    folder: Path, goods: Mapping[int, Mapping[str, Any]], prices: Mapping[int, Sequence[tuple[datetime, Decimal]]]
) -> Iterator[Row]:
    """Product, name, category, type, brand, colour, material, store, price, price before, from, to, is it current."""
    names = {row["product_id"]: row["name"] for row in catalogue(folder, "texts_en")}
    for product, known in goods.items():
        told = [known[name] for name in ("category", "type", "brand", "colour", "material", "warehouse_id")]
        for price, before, since, until in _history(prices.get(product, [])):
            yield product, names[product], *told, price, before, since, until, until is None


def _levels(
    users: Iterable[Mapping[str, Any]], orders: Iterable[tuple[int, datetime, int]]
) -> dict[int, list[tuple[datetime, str]]]:
    """Levels of each customer, each with the moment at which it was reached."""
    levels = {row["user_id"]: [(row["created_at"], VISITOR)] for row in users}
    placed: Counter[int] = Counter()
    reached = {number: level for level, number in LEVELS.items()}
    for user, at, _ in sorted(orders):
        placed[user] += 1
        if user in levels and placed[user] in reached:
            levels[user].append((at, reached[placed[user]]))
    return levels


def _customers(
    users: Iterable[Mapping[str, Any]], levels: Mapping[int, Sequence[tuple[datetime, str]]]
) -> Iterator[Row]:
    """Customer, language, town, country, level, level before, from, to, is it current."""
    for user in users:
        told = [user[name] for name in ("language", "town", "country")]
        for level, before, since, until in _history(levels[user["user_id"]]):
            yield user["user_id"], *told, level, before, since, until, until is None


def _store(row: Mapping[str, Any]) -> Row:
    kind = "store" if row["is_store"] else "warehouse"
    return (row["warehouse_id"], row["town"], row["country"], row["is_store"], kind, row["latitude"], row["longitude"])


def _calendar(days: Iterable[date]) -> Iterator[Row]:
    """Every day from the first month with an event to the last: its week, month, year, quarter, weekday, weekend."""
    known = sorted(days)
    if not known:
        return
    last = known[-1].replace(day=monthrange(known[-1].year, known[-1].month)[1])
    day = known[0].replace(day=1)
    while day <= last:
        place = day.isoweekday()
        yield day, _monday(day), day.replace(day=1), day.year, (day.month + 2) // 3, place, place > 5
        day += timedelta(days=1)


def _sale(
    line: Line, goods: Mapping[int, Mapping[str, Any]], prices: Mapping[int, Sequence[tuple[datetime, Decimal]]]
) -> Row:
    """Order, place, day, time, customer, product, store, pieces, price, price of the list, amount, is it late."""
    known = goods.get(line.product_id)
    listed = None if known is None else _held(prices.get(line.product_id, []), line.ordered_at)
    store = None if known is None or listed is None else known["warehouse_id"]
    bought = (line.user_id, line.product_id, store, line.quantity, line.unit_price, listed, line.amount, line.is_late)
    return (line.order_id, line.place, line.day, line.ordered_at, *bought)


def _levels_of_sales(lines: Iterable[Line], levels: Mapping[int, Sequence[tuple[datetime, str]]]) -> Iterator[Row]:
    """Level of the customer at the moment of the sale, lines and amount."""
    sums: dict[str | None, tuple[int, Decimal]] = defaultdict(lambda: (0, Decimal(0)))
    for line in lines:
        level = _held(levels.get(line.user_id, []), line.ordered_at)
        count, amount = sums[level]
        sums[level] = (count + 1, amount + line.amount)
    for level, (count, amount) in sums.items():
        yield level, count, amount


def _days(lines: Iterable[Line], sessions: Iterable[Mapping[str, Any]]) -> dict[date, Day]:
    days: dict[date, Day] = defaultdict(Day)
    for line in lines:
        day = days[line.day]
        day.orders.add(line.order_id)
        day.buyers.add(line.user_id)
        day.pieces += line.quantity
        day.revenue += line.amount
    for session in sessions:
        day = days[session["begins_at"].date()]
        day.sessions += 1
        day.carts += session["cart_additions"] > 0
        day.abandoned += session["is_abandoned"]
        day.buying += session["orders"] > 0
    return dict(days)


def _segments(lines: Iterable[Line]) -> list[Row]:
    """Customer, days since the last order, orders, revenue, scores of recency, frequency and value, segment."""
    last: dict[int, date] = {}
    orders: dict[int, set[int]] = defaultdict(set)
    spent: dict[int, Decimal] = defaultdict(Decimal)
    for line in lines:
        last[line.user_id] = max(line.day, last.get(line.user_id, line.day))
        orders[line.user_id].add(line.order_id)
        spent[line.user_id] += line.amount
    newest = max(last.values(), default=date.min)
    days = {user: (newest - day).days for user, day in last.items()}
    recency = _quarters(days, lambda user: (-days[user], user))
    frequency = _quarters(days, lambda user: (len(orders[user]), user))
    value = _quarters(days, lambda user: (spent[user], user))
    return [
        (
            user,
            days[user],
            len(orders[user]),
            spent[user],
            *(scores := (recency[user], frequency[user], value[user])),
            _segment(*scores),
        )
        for user in days
    ]


def _segment(recency: int, frequency: int, value: int) -> str:
    if value == QUARTERS and recency in {1, QUARTERS}:
        return "best" if recency == QUARTERS else "lost and dear"
    if frequency == QUARTERS:
        return "comes often"
    return {QUARTERS: "just bought", 1: "lost"}.get(recency, "others")


def _quarters(users: Iterable[int], order: Callable[[int], Any]) -> dict[int, int]:
    """Quarter of each user in an order, from 1; the first quarters take what cannot be divided."""
    ordered = sorted(users, key=order)
    size, left = divmod(len(ordered), QUARTERS)
    scores: list[int] = []
    for quarter in range(QUARTERS):
        scores += [quarter + 1] * (size + (quarter < left))
    return dict(zip(ordered, scores, strict=True))


def _query_row(name: str, counted: Counted) -> Row:
    """Text, searches, users, first and last day, without result, with click, clicks, corrections, both shares."""
    found = counted.queries[name]
    shares = (_share(found.with_click, found.searches), _share(found.without_result, found.searches))
    told = (found.searches, len(found.users), min(found.days), max(found.days), found.without_result)
    return (name, *told, found.with_click, found.clicks, found.corrections, *shares)


def _additive(day: Day) -> Row:
    return (len(day.orders), day.pieces, day.revenue, day.sessions, day.carts, day.abandoned)


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _share(part: int, whole: int) -> Decimal | None:
    """A part of a whole to four places, half up; None: there is no whole."""
    return (Decimal(part) / whole).quantize(Decimal("0.0001"), ROUND_HALF_UP) if whole else None


def _ratio(amount: Decimal, count: int) -> Decimal | None:
    """Euros of each, to the cent; by way of six places, as decimals are divided in SQL."""
    if not count:
        return None
    return (amount / count).quantize(Decimal("0.000001"), ROUND_HALF_UP).quantize(Decimal("0.01"), ROUND_HALF_UP)
