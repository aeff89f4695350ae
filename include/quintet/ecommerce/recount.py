"""What an input must come to, counted from its files alone, for what the truth does not hold; in plain loops.

Repetitions of whole records that were not late, the lines of orders with the product as it was, and the distinct events
from which the batch layer's tables are counted.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from quintet.ecommerce.definitions import CLOCK_AHEAD_MS, IDENTITY, KINDS, LATENESS_MS
from quintet.ecommerce.tables import ARRIVED, EVENTS, STRANGE
from quintet.errors import VerifyError

__all__ = ["catalogue", "distinct", "last_arrival_ms", "malformed", "priced_lines", "repetitions"]

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
    from quintet.ecommerce.dimension import versions  # not every environment that counts has the client of Kafka

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


def distinct(folder: Path, kind: str) -> Iterator[tuple[dict[str, Any], bool]]:
    """The first to arrive of each event of a kind that breaks no rule, and whether it was late."""
    seen = set()
    for row, is_late in _unbroken(folder, kind):
        identity = tuple(row[name] for name in IDENTITY[kind])
        if identity not in seen:
            seen.add(identity)
            yield row, is_late


def last_arrival_ms(folder: Path) -> int:
    """When the last record of the input arrived, ms since the epoch; one that is no event counts, too."""
    moments = []
    for day in _days(folder):
        for name in (*KINDS, STRANGE):
            arrived = pq.read_table(day / f"{name}.parquet", columns=[ARRIVED]).column(ARRIVED)
            if len(arrived):
                moments.append(pc.max(arrived).cast("int64").as_py())
    return int(max(moments))


def catalogue(folder: Path, name: str) -> list[dict[str, Any]]:
    """Rows of a list of the shop.

    Raises:
        VerifyError: the input lacks it.

    """
    path = folder / "catalogue" / f"{name}.parquet"
    try:
        return list(pq.read_table(path).to_pylist())
    except (OSError, pa.ArrowInvalid) as error:
        raise VerifyError(f"the list {path} of the input cannot be read ({error})") from error


def _whole(folder: Path, kind: str) -> Iterator[dict[str, Any]]:
    """Records of a kind that break no rule and were not late, in the order of their arrival."""
    return (row for row, is_late in _unbroken(folder, kind) if not is_late)


def _unbroken(folder: Path, kind: str) -> Iterator[tuple[dict[str, Any], bool]]:
    """Records of a kind that break no rule, in the order of their arrival, and whether each was late."""
    for day in _days(folder):
        for row in pq.read_table(day / f"{kind}.parquet").to_pylist():
            delay = row["arrived_at"] - row["timestamp"]
            if delay >= -_AHEAD and not _BROKEN[kind](row):
                yield row, delay > _LATENESS


def _days(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / EVENTS).glob("*") if path.is_dir())
