"""The proof of the batch layer and of gold: their tables, read through Trino, against the truth of the input.

Every check names the table that it looks at. What must be there comes from the truth (`truth.json`, `truth/`) and from
the input's files and lists alone (`counted.py`, `star.py`). What a person took back and had sent again counts once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from quintet.catalogue.ecommerce import EVENT_TOPICS, KPI_COLUMNS, SESSIONS
from quintet.check import Check
from quintet.ecommerce.batch.counted import Counted, count
from quintet.ecommerce.batch.star import Star, star
from quintet.ecommerce.compared import Row, compared, same
from quintet.ecommerce.definitions import INVALID, KINDS, LATENESS_MS, MINUTE_MS
from quintet.ecommerce.ending import closes_at
from quintet.ecommerce.recount import last_arrival_ms
from quintet.ecommerce.truth import BATCH, FOLDER, SPEED, Truth
from quintet.errors import LabError, ServiceDownError

__all__ = ["Ask", "Known", "checks"]

#: Runs a statement and returns all rows.
Ask = Callable[[str], list[list[Any]]]

BRONZE, SILVER, GOLD = "delta.bronze_ecommerce", "delta.silver_ecommerce", "iceberg.gold_ecommerce"
LOG = f"{BRONZE}.event_log"
#: Records of the log that nobody took back.
_KEPT = (
    f"{LOG} l left join (select kind, arrived_date, max(up_to_batch) as up_to from {BRONZE}.withdrawals group by 1, 2) "
    "w on w.kind = l.kind and w.arrived_date = date(l.arrived_at) where w.up_to is null or l.batch > w.up_to"
)
_FIGURES = ", ".join(column.name for column in KPI_COLUMNS)
_SESSION = ", ".join(column.name for column in SESSIONS.columns)


@dataclass(frozen=True)
class Known:
    """What is known of an input; `minutes` and `sessions` are the truth's, of both views.

    Its end was sent `ends` times: a broken record in each partition.
    """

    truth: Truth
    minutes: list[dict[str, Any]]
    sessions: list[dict[str, Any]]
    settled_until: datetime
    counted: Counted
    gold: Star
    ends: int = 1

    @classmethod
    def of(cls, folder: Path, truth: Truth, *, ends: int = 1) -> Known:
        """Read the truth of an input and count its files.

        Raises:
            VerifyError: the input lacks a table of the truth or a list of the shop.

        """
        minutes, sessions = (_truth(folder, name) for name in ("minute_kpis", "sessions"))
        counted = count(folder)
        gold = star(folder, counted, [row for row in sessions if row["view"] == BATCH])
        return cls(truth, minutes, sessions, _settled_until(folder), counted, gold, ends)


def checks(ask: Ask, known: Known) -> Iterator[Check]:
    """Compare one table after the other; a table that cannot be read is a check that fails, and the next is read.

    Raises:
        ServiceDownError: Trino does not answer.

    """
    look = _Look(ask)
    yield from _bronze(look, known)
    yield from _conserved(look, known)
    yield from _silver(look, known.counted)
    yield from _figures(look, known)
    yield from _dimensions(look, known.gold)
    yield from _sales(look, known.gold)
    yield from _reports(look, known.gold)
    yield from _served(look, known)


class _Look:
    """Asks, and makes checks of the answers."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def rows(self, name: str, expected: Iterable[Row], columns: str, table: str, rest: str = "") -> Check:
        """All rows of a table, or of what follows its name in the statement."""
        wanted = list(expected)
        try:
            found = self._ask(f"select {columns} from {table} {rest}".rstrip())
        except ServiceDownError:
            raise
        except LabError as error:
            return Check(name, f"{len(wanted)} rows", error.message, table)
        return compared(name, wanted, found, table)

    def by_kind(self, name: str, expected: dict[str, Row], statement: str, table: str) -> Iterator[Check]:
        """One check for each kind of event; the statement's first column is the kind."""
        try:
            found = {kind: tuple(figures) for kind, *figures in self._ask(statement)}
        except ServiceDownError:
            raise
        except LabError as error:
            yield Check(name, "figures of each kind", error.message, table)
            return
        for kind in KINDS:
            yield same(f"{kind}: {name}", _told(expected[kind]), _told(found.get(kind, ())), table)


def _bronze(look: _Look, known: Known) -> Iterator[Check]:
    """Every record that can be read has landed once, with the ends of the input."""
    wanted = {kind: known.truth.records[kind]["records"] + _marks(kind, known.ends) for kind in KINDS}
    statement = (
        "select l.kind, count(*), count(distinct cast(l.topic_partition as varchar) || '/' || "
        f"cast(l.topic_offset as varchar)) from {_KEPT} group by 1"
    )
    pairs: dict[str, Row] = {kind: (records, records) for kind, records in wanted.items()}
    yield from look.by_kind("records that landed, distinct places", pairs, statement, LOG)


def _conserved(look: _Look, known: Known) -> Iterator[Check]:
    """What became of them."""
    wanted: dict[str, Row] = {}
    for kind in KINDS:
        counts, marks = known.truth.records[kind], _marks(kind, known.ends)
        records, broken = (counts[name] + marks for name in ("records", "broken"))
        wanted[kind] = (records, broken, counts["duplicates"], counts["batch_events"], counts["late"])
    table = f"{SILVER}.day_balance"
    statement = (
        "select kind, sum(records) - sum(withdrawn), sum(broken), sum(duplicates), sum(events), sum(late) "
        f"from {table} group by 1"
    )
    yield from look.by_kind("records = broken + repeated + events, late ones", wanted, statement, table)
    reasons = []
    for kind in KINDS:
        # The end of an input breaks every rule of its kind, in each partition.
        ends = {",".join(INVALID[kind]): _marks(kind, known.ends)}
        broken_by = known.truth.broken[kind]
        reasons += [(kind, name, broken_by.get(name, 0) + ends.get(name, 0)) for name in broken_by.keys() | ends.keys()]
    rest = "where status = 'open' group by 1, 2"
    yield look.rows(
        "quarantine by kind and rule", reasons, "kind, reasons, count(*)", f"{SILVER}.event_log__quarantine", rest
    )


def _silver(look: _Look, counted: Counted) -> Iterator[Check]:
    """Events, lines and the figures of days."""
    columns = (
        "kind, event_date, count(*), count_if(is_late), count(distinct user_id), coalesce(sum(pieces), 0), "
        "coalesce(sum(total_amount), 0), coalesce(sum(clicks), 0)"
    )
    table = f"{SILVER}.events"
    for kind in KINDS:
        wanted = [row for row in counted.event_rows() if row[0] == kind]
        rest = f"where kind = '{kind}' group by 1, 2"
        yield look.rows(f"{kind}: events of each day", wanted, columns, table, rest)
    total = sum(day.events for day in counted.events.values())
    yield look.rows("events, distinct ones", [(total, total)], "count(*), count(distinct event_id)", table)
    lines = "order_id, line_number, event_date, ordered_at, is_late, user_id, product_id, quantity, unit_price"
    yield look.rows("lines of the orders", counted.line_rows(), lines, f"{SILVER}.order_lines")
    daily = "event_date, member, page_views, cart_additions, orders, pieces, revenue, users"
    for dimension in ("product", "category", "country"):
        rest = f"where dimension = '{dimension}'"
        wanted = list(counted.daily_rows(dimension))
        yield look.rows(f"figures of days by {dimension}", wanted, daily, f"{SILVER}.daily_figures", rest)


def _figures(look: _Look, known: Known) -> Iterator[Check]:
    """Minutes and sessions, by all events and by those that were not late: the latter are the live figures."""
    for view, name in ((BATCH, "late events included"), (SPEED, "without late events")):
        rest = f"where view = '{view}'"
        wanted = _of_view(known.minutes, view)
        yield look.rows(f"minutes, {name}", wanted, f"minute, {_FIGURES}", f"{SILVER}.minute_figures", rest)
        wanted = _of_view(known.sessions, view)
        yield look.rows(f"sessions, {name}", wanted, _SESSION, f"{SILVER}.user_sessions", rest)
        carts = sum(row["is_abandoned"] for row in known.sessions if row["view"] == view)
        rest += " and is_abandoned"
        yield look.rows(f"abandoned carts, {name}", [(carts,)], "count(*)", f"{SILVER}.user_sessions", rest)
    yield look.rows(
        "figures are settled until", [(known.settled_until,)], "max(settled_until)", f"{SILVER}.publications"
    )


def _dimensions(look: _Look, whole: Star) -> Iterator[Check]:
    table = f"{GOLD}.dim_shop_product"
    columns = (
        "product_id, product_name, category, product_type, brand, colour, material, store_id, price_eur, "
        "previous_price_eur, valid_from, valid_to, is_current"
    )
    yield look.rows("products with every price (type 2)", whole.products, columns, table)
    current = [(row[0], row[8]) for row in whole.products if row[-1]]
    yield look.rows("one current price a product", current, "product_id, price_eur", table, "where is_current")
    table = f"{GOLD}.dim_shop_customer"
    columns = "customer_id, language, town, country, level, previous_level, valid_from, valid_to, is_current"
    yield look.rows("customers with every level (type 2)", whole.customers, columns, table)
    levels = _counts(row[4] for row in whole.customers if row[-1])
    yield look.rows("customers by present level", levels, "level, count(*)", table, "where is_current group by 1")
    columns = "store_id, town, country, is_store, store_kind, latitude, longitude"
    yield look.rows("stores and warehouses", whole.stores, columns, f"{GOLD}.dim_shop_store")
    columns = (
        "calendar_date, calendar_week, calendar_month, calendar_year, calendar_quarter, weekday_number, is_weekend"
    )
    yield look.rows("calendar", whole.calendar, columns, f"{GOLD}.dim_shop_date")


def _sales(look: _Look, whole: Star) -> Iterator[Check]:
    table = f"{GOLD}.fct_shop_sales"
    columns = (
        "order_id, line_number, order_date, ordered_at, customer_id, product_id, store_id, quantity, unit_price_eur, "
        "list_price_eur, amount_eur, is_late"
    )
    yield look.rows("sales with the price of their moment", whole.sales, columns, table)
    orders = len({row[0] for row in whole.sales})
    totals = (orders, len(whole.sales), sum(row[7] for row in whole.sales), sum(row[10] for row in whole.sales))
    columns = "count(distinct order_id), count(*), coalesce(sum(quantity), 0), coalesce(sum(amount_eur), 0)"
    yield look.rows("orders, lines, pieces and revenue", [totals], columns, table)
    keys = (
        ("day", "order_date", 2),
        ("customer", "customer_id", 4),
        ("product", "product_id", 5),
        ("store", "store_id", 6),
    )
    for name, column, place in keys:
        columns = f"{column}, count(*), sum(quantity), sum(amount_eur)"
        yield look.rows(f"revenue by {name}", _summed(whole.sales, place), columns, table, "group by 1")
    yield look.rows(
        "sales by the customer's level at that moment",
        whole.levels_of_sales,
        "c.level, count(*), sum(s.amount_eur)",
        f"{table} s",
        f"left join {GOLD}.dim_shop_customer c on s.customer_sk = c.customer_sk group by 1",
    )


def _reports(look: _Look, whole: Star) -> Iterator[Check]:
    columns = "calendar_date, orders, buyers, pieces, revenue_eur, sessions, carts, abandoned_carts, buying_sessions"
    yield look.rows("days", whole.day_rows(), columns, f"{GOLD}.shop_days")
    table = f"{GOLD}.shop_weeks"
    columns = "calendar_week, days, orders, pieces, revenue_eur, sessions, carts, abandoned_carts"
    yield look.rows("weeks are the sums of their days", whole.week_rows(), columns, table)
    columns = "calendar_week, revenue_per_order_eur, conversion_share, abandoned_share, revenue_change_eur"
    yield look.rows("weekly report", whole.report_rows(), columns, table)
    table = f"{GOLD}.shop_customer_segments"
    columns = "customer_id, recency_days, orders, revenue_eur, recency_score, frequency_score, value_score, segment"
    yield look.rows("customers with scores and segment", whole.segments, columns, table)
    segments = _counts(row[-1] for row in whole.segments)
    yield look.rows("customers by segment", segments, "segment, count(*)", table, "group by 1")
    table = f"{GOLD}.shop_search_queries"
    columns = (
        "query_text, searches, users, first_date, last_date, searches_without_result, searches_with_click, clicks, "
        "corrections, click_through_share, zero_result_share"
    )
    yield look.rows("queries with answers and clicks", whole.queries, columns, table)
    nothing = [(row[0], row[5]) for row in whole.queries if row[5]]
    rest = "where searches_without_result > 0"
    yield look.rows("queries without a result", nothing, "query_text, searches_without_result", table, rest)


def _served(look: _Look, known: Known) -> Iterator[Check]:
    """Settled minutes are the batch layer's, late events included; newer ones the speed layer's."""
    table = f"{GOLD}.minutes_served"
    # A view of the truth has the name of the layer that serves it.
    rows = [row for row in known.minutes if (row["view"] == BATCH) == (row["minute"] < known.settled_until)]
    columns = f"layer, minute_at, {_FIGURES.replace('revenue', 'revenue_eur')}"
    wanted = [tuple(row.values()) for row in rows]
    yield look.rows("served minutes, settled ones with late events", wanted, columns, table)
    totals: dict[str, Row] = {}
    for row in rows:
        layer, minutes, revenue = totals.get(row["view"], (row["view"], 0, 0))
        totals[layer] = (layer, minutes + 1, revenue + row["revenue"])
    yield look.rows(
        "served revenue by layer", totals.values(), "layer, count(*), sum(revenue_eur)", table, "group by 1"
    )


def _settled_until(folder: Path) -> datetime:
    """Minutes before it are complete when the end of the input has landed."""
    prompt_ms = closes_at(last_arrival_ms(folder)) - LATENESS_MS
    return datetime.fromtimestamp(prompt_ms // MINUTE_MS * MINUTE_MS / 1000, UTC)


def _marks(kind: str, ends: int) -> int:
    return ends * EVENT_TOPICS[kind].partitions


def _truth(folder: Path, table: str) -> list[dict[str, Any]]:
    return list(pq.read_table(folder / FOLDER / f"{table}.parquet").to_pylist())


def _of_view(rows: Iterable[dict[str, Any]], view: str) -> list[Row]:
    return [tuple(value for key, value in row.items() if key != "view") for row in rows if row["view"] == view]


def _told(figures: Row) -> str:
    return ", ".join(map(str, figures)) or "none"


def _counts(values: Iterable[Any]) -> list[Row]:
    found: dict[Any, int] = {}
    for value in values:
        found[value] = found.get(value, 0) + 1
    return list(found.items())


def _summed(sales: Iterable[Row], place: int) -> list[Row]:
    """Lines, pieces and amount by one column of the sales."""
    found: dict[Any, tuple[int, int, Any]] = {}
    for row in sales:
        lines, pieces, amount = found.get(row[place], (0, 0, 0))
        found[row[place]] = (lines + 1, pieces + row[7], amount + row[10])
    return [(key, *figures) for key, figures in found.items()]
