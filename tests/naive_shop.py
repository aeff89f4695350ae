"""The truth recounted in plain loops over the records as the world sees them, from the documentation's words alone.

Nothing of the generator is used here but its files: a record is a dictionary, a view is a list of them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

Record = dict[str, Any]

LATENESS = timedelta(minutes=2)
GAP = timedelta(minutes=30)
AHEAD = timedelta(minutes=1)
IDENTITY = {
    "page_view": ("session_id", "timestamp", "page"),
    "add_to_cart": ("session_id", "timestamp", "product_id"),
    "purchase": ("order_id",),
    "inventory_update": ("product_id", "warehouse_id", "timestamp"),
    "search": ("session_id", "timestamp", "query"),
}
USERS = ("page_view", "add_to_cart", "purchase", "search")


def read(folder: Path) -> dict[str, list[Record]]:
    """Records of all days by kind, in order of arrival."""
    days = sorted((folder / "by_day").iterdir())
    return {
        kind: [row for day in days for row in pq.read_table(day / f"{kind}.parquet").to_pylist()] for kind in IDENTITY
    }


def broken_by(kind: str, record: Record) -> str | None:
    if record["timestamp"] > record["arrived_at"] + AHEAD:
        return "clock_ahead"
    if kind == "page_view" and not record["page"].startswith("/"):
        return "page_not_a_path"
    if kind == "add_to_cart" and record["quantity"] < 1:
        return "quantity_not_positive"
    if kind == "purchase" and record["total_amount"] <= 0:
        return "total_is_not_positive"
    if kind == "purchase" and not record["products"]:
        return "nothing_bought"
    if kind == "inventory_update" and record["quantity_delta"] == 0:
        return "changes_nothing"
    if kind == "search" and record["results_count"] < 0:
        return "results_below_zero"
    return None


def is_late(record: Record) -> bool:
    return bool(record["arrived_at"] - record["timestamp"] > LATENESS)


def view(records: dict[str, list[Record]], *, with_late: bool) -> dict[str, list[Record]]:
    """Distinct valid events: the first to arrive of each."""
    found: dict[str, list[Record]] = {}
    for kind, rows in records.items():
        seen: dict[tuple[Any, ...], Record] = {}
        for row in rows:
            if broken_by(kind, row) is None and (with_late or not is_late(row)):
                seen.setdefault(tuple(row[name] for name in IDENTITY[kind]), row)
        found[kind] = list(seen.values())
    return found


def counts(kind: str, rows: list[Record]) -> dict[str, int]:
    whole = [row for row in rows if broken_by(kind, row) is None]
    keys = Counter(tuple(row[name] for name in IDENTITY[kind]) for row in whole)
    return {
        "records": len(rows),
        "broken": len(rows) - len(whole),
        "duplicates": sum(keys.values()) - len(keys),
        "late": sum(is_late(row) for row in whole),
    }


def minutes(events: dict[str, list[Record]]) -> dict[datetime, dict[str, Any]]:
    found: dict[datetime, dict[str, Any]] = {}
    users: dict[datetime, set[int]] = defaultdict(set)
    for kind in USERS:
        for row in events[kind]:
            minute = row["timestamp"].replace(second=0, microsecond=0)
            users[minute].add(row["user_id"])
            figures = found.setdefault(minute, dict.fromkeys(FIGURES, 0) | {"revenue": Decimal(0)})
            if kind == "page_view":
                figures["page_views"] += 1
            elif kind == "add_to_cart":
                figures["cart_additions"] += 1
            elif kind == "purchase":
                figures["orders"] += 1
                figures["pieces"] += sum(line["quantity"] for line in row["products"])
                figures["revenue"] += row["total_amount"]
            else:
                figures["searches"] += 1
                figures["searches_without_result"] += row["results_count"] == 0
                figures["searches_with_click"] += len(row["clicked_products"]) > 0
    for minute, figures in found.items():
        figures["active_users"] = len(users[minute])
    return found


FIGURES = (
    "page_views",
    "cart_additions",
    "orders",
    "pieces",
    "searches",
    "searches_without_result",
    "searches_with_click",
    "active_users",
)


def sessions(events: dict[str, list[Record]]) -> list[Record]:
    of_user: dict[int, list[tuple[datetime, str]]] = defaultdict(list)
    for kind in USERS:
        for row in events[kind]:
            of_user[row["user_id"]].append((row["timestamp"], kind))
    found = []
    for user, moments in of_user.items():
        moments.sort()
        runs: list[list[tuple[datetime, str]]] = []
        for moment in moments:
            if runs and moment[0] - runs[-1][-1][0] <= GAP:
                runs[-1].append(moment)
            else:
                runs.append([moment])
        found += [_session(user, run) for run in runs]
    return sorted(found, key=lambda session: (session["user_id"], session["begins_at"]))


def _session(user: int, run: list[tuple[datetime, str]]) -> Record:
    kinds = Counter(kind for _, kind in run)
    added = max((at for at, kind in run if kind == "add_to_cart"), default=None)
    bought = max((at for at, kind in run if kind == "purchase"), default=None)
    return {
        "user_id": user,
        "begins_at": run[0][0],
        "ends_at": run[-1][0],
        "page_views": kinds["page_view"],
        "cart_additions": kinds["add_to_cart"],
        "orders": kinds["purchase"],
        "searches": kinds["search"],
        "is_abandoned": added is not None and (bought is None or added > bought),
    }


def suspicious(events: dict[str, list[Record]]) -> set[tuple[int, str]]:
    found = set()
    for row in events["purchase"]:
        recent = [
            other
            for other in events["purchase"]
            if other["user_id"] == row["user_id"]
            and row["timestamp"] - timedelta(minutes=10) <= other["timestamp"] <= row["timestamp"]
        ]
        if len(recent) >= 5:
            found.add((row["order_id"], "order_burst"))
        if row["total_amount"] >= 5000:
            found.add((row["order_id"], "large_order"))
        if any(line["quantity"] >= 20 for line in row["products"]):
            found.add((row["order_id"], "bulk_line"))
    return found


def stock(events: dict[str, list[Record]], products: list[Record]) -> dict[int, int]:
    found = {product["product_id"]: product["inventory_count"] for product in products}
    for row in events["inventory_update"]:
        found[row["product_id"]] += row["quantity_delta"]
    return found


def shortages(events: dict[str, list[Record]], products: list[Record]) -> list[tuple[datetime, int, int]]:
    pieces = {product["product_id"]: product["inventory_count"] for product in products}
    points = {product["product_id"]: product["reorder_point"] for product in products}
    changes: dict[datetime, Counter[int]] = defaultdict(Counter)
    for row in events["inventory_update"]:
        changes[row["timestamp"].replace(second=0, microsecond=0)][row["product_id"]] += row["quantity_delta"]
    found = []
    for minute in sorted(changes):
        for product, change in sorted(changes[minute].items()):
            before = pieces[product]
            pieces[product] += change
            if before > points[product] >= pieces[product]:
                found.append((minute, product, pieces[product]))
    return found


def trending(events: dict[str, list[Record]]) -> list[tuple[datetime, int, int, int]]:
    points: dict[datetime, Counter[int]] = defaultdict(Counter)
    for row in events["page_view"]:
        if row["page"].startswith("/product/"):
            points[_window(row)][int(row["page"].removeprefix("/product/"))] += 1
    for row in events["add_to_cart"]:
        points[_window(row)][row["product_id"]] += 3
    for row in events["purchase"]:
        for line in row["products"]:
            points[_window(row)][line["product_id"]] += 10 * line["quantity"]
    found = []
    for window in sorted(points):
        best = sorted(points[window].items(), key=lambda item: (-item[1], item[0]))[:10]
        found += [(window, rank, product, score) for rank, (product, score) in enumerate(best, start=1)]
    return found


def _window(row: Record) -> datetime:
    at = row["timestamp"]
    return datetime(at.year, at.month, at.day, at.hour, at.minute // 10 * 10, tzinfo=UTC)
