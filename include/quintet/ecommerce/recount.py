"""What an input must come to, counted from its files alone, for what the truth does not hold.

Repetitions of whole records that were not late, and the lines of orders with the product as it was; in plain loops.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from quintet.ecommerce.definitions import CLOCK_AHEAD_MS, IDENTITY, KINDS, LATENESS_MS
from quintet.ecommerce.dimension import versions
from quintet.ecommerce.tables import EVENTS, STRANGE

__all__ = ["malformed", "priced_lines", "repetitions"]

_LATENESS, _AHEAD = timedelta(milliseconds=LATENESS_MS), timedelta(milliseconds=CLOCK_AHEAD_MS)
_BROKEN: Mapping[str, Callable[[dict[str, Any]], bool]] = {
    "page_view": lambda row: not row["page"].startswith("/"),
    "add_to_cart": lambda row: row["quantity"] < 1,
    "purchase": lambda row: row["total_amount"] <= 0 or not row["products"],
    "inventory_update": lambda row: row["quantity_delta"] == 0,
    "search": lambda row: row["results_count"] < 0,
}


def repetitions(folder: Path) -> dict[str, int]:
    """Records of each kind that break no rule, are not late, and repeat one before."""
    found = {}
    for kind in KINDS:
        count, seen = 0, set()
        for row in _whole(folder, kind):
            identity = tuple(row[name] for name in IDENTITY[kind])
            count += identity in seen
            seen.add(identity)
        found[kind] = count
    return found


def malformed(folder: Path) -> dict[str, int]:
    """Records that are no events, by topic."""
    found: dict[str, int] = defaultdict(int)
    for day in _days(folder):
        for topic in pq.read_table(day / f"{STRANGE}.parquet", columns=["topic"]).column("topic").to_pylist():
            found[topic] += 1
    return dict(found)


def priced_lines(folder: Path) -> list[tuple[Any, ...]]:
    """Lines of the distinct whole orders that were not late.

    Order, place, user, product, pieces, price, category, brand, price of the catalogue, time; by order and place.
    """
    moments: dict[int, list[datetime]] = defaultdict(list)
    known: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for version in versions(folder).to_pylist():
        moments[version["product_id"]].append(version["valid_from"])
        known[version["product_id"]].append(version)
    seen, found = set(), []
    for row in _whole(folder, "purchase"):
        if row["order_id"] in seen:
            continue
        seen.add(row["order_id"])
        for place, line in enumerate(row["products"], start=1):
            product = line["product_id"]
            then = known[product][bisect_right(moments[product], row["timestamp"]) - 1]
            found.append(
                (
                    row["order_id"],
                    place,
                    row["user_id"],
                    product,
                    line["quantity"],
                    line["unit_price"],
                    then["category"],
                    then["brand"],
                    then["price"],
                    row["timestamp"],
                )
            )
    return sorted(found, key=lambda line: line[:2])


def _whole(folder: Path, kind: str) -> Iterator[dict[str, Any]]:
    """Records of a kind that break no rule and were not late, in the order of their arrival."""
    for day in _days(folder):
        for row in pq.read_table(day / f"{kind}.parquet").to_pylist():
            delay = row["arrived_at"] - row["timestamp"]
            if -_AHEAD <= delay <= _LATENESS and not _BROKEN[kind](row):
                yield row


def _days(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / EVENTS).glob("*") if path.is_dir())
