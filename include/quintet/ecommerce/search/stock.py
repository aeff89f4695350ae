"""Changes of stock as updates of the index: each counts once, however often it is sent.

A record counts when it keeps the rules of its kind, was not late and is the first of its event, as in the speed view of
`quintet.ecommerce.definitions`. A product's records lie in one partition, in order: the index keeps with each product
the place of the last one that is in its stock, and what is at or before it changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from quintet.ecommerce.definitions import CLOCK_AHEAD_MS, LATENESS_MS

__all__ = ["StockChange", "counts", "updates"]

#: `short_at` is set when the stock falls to the reorder point and taken away when it rises above it.
_SCRIPT = """
boolean changed = false;
for (def change : params.changes) {
  if (change[0] > ctx._source.stock_offset) {
    boolean above = ctx._source.inventory_count > ctx._source.reorder_point;
    ctx._source.inventory_count += change[1];
    ctx._source.stock_offset = change[0];
    if (ctx._source.inventory_count > ctx._source.reorder_point) { ctx._source.remove('short_at'); }
    else if (above) { ctx._source.short_at = change[2]; }
    changed = true;
  }
}
if (!changed) { ctx.op = 'none'; }
"""


@dataclass(frozen=True)
class StockChange:
    """A record of the topic of stock changes. Units: ms since the epoch; `arrived_ms` is the record's own time."""

    partition: int
    offset: int
    product: int
    delta: int
    place: int
    at_ms: int
    arrived_ms: int


def counts(change: StockChange) -> bool:
    """Whether a change, if it is the first of its event, belongs to the speed view."""
    is_ahead = change.at_ms > change.arrived_ms + CLOCK_AHEAD_MS
    is_late = change.arrived_ms - change.at_ms > LATENESS_MS
    return change.delta != 0 and not is_ahead and not is_late


def updates(changes: Iterable[StockChange]) -> list[Mapping[str, Any]]:
    """Lines of a bulk request, an update a product; changes in the order of their topic."""
    by_product: dict[int, list[list[int]]] = {}
    for change in changes:
        by_product.setdefault(change.product, []).append([change.offset, change.delta, change.at_ms])
    found: list[Mapping[str, Any]] = []
    for product, steps in by_product.items():
        found.append({"update": {"_id": str(product), "retry_on_conflict": 3}})
        found.append({"script": {"lang": "painless", "source": _SCRIPT, "params": {"changes": steps}}})
    return found
