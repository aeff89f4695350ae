"""Purchases that are none: stolen cards tried out, expensive hauls, bulk orders of one product.

Source: own derivation, after the three patterns that card schemes warn shops of: card testing, account takeover,
reselling.
"""

from __future__ import annotations

import numpy as np

from quintet.ecommerce.columns import LINES, Columns
from quintet.ecommerce.definitions import BULK_PIECES, BURST_ORDERS
from quintet.ecommerce.draws import Array
from quintet.ecommerce.sessions import Shop

__all__ = ["PATTERNS", "frauds"]

#: Marks of the patterns in the column `fraud`; 0 is none.
PATTERNS = ("", "card_testing", "haul", "bulk")
#: Frauds for each thousand purchases.
SHARE = 20
#: A card is tried within this, ms; so much at least between two tries.
_TRYING_MS, _APART_MS = 8 * 60_000, 5_000


def frauds(shop: Shop, rng: np.random.Generator, purchases: int, begin_ms: int, end_ms: int) -> Columns:
    """Fraudulent purchases in a time in which so many honest ones are made, without anything else by these users."""
    count = int(purchases * SHARE / 1000 + rng.integers(0, 1000) / 1000)
    pattern = rng.integers(1, len(PATTERNS), count)
    orders = np.where(pattern == 1, BURST_ORDERS + rng.integers(1, 5, count), 1)
    who = np.repeat(shop.people.draw(rng, count), orders)
    begin = np.repeat(begin_ms + rng.integers(0, end_ms - begin_ms, count), orders)
    kind = np.repeat(pattern, orders)
    number = np.arange(len(kind)) - np.repeat(np.cumsum(orders) - orders, orders)
    apart = rng.integers(_APART_MS, _TRYING_MS // 10, len(kind))
    ts = begin + number * (_TRYING_MS // 10) + apart // 10
    lines, quantities = _sizes(rng, kind)
    used = np.arange(LINES) < lines[:, None]
    products = np.where(used, _products(shop, rng, kind), -1)
    moments = np.broadcast_to(ts[:, None], products.shape)
    prices = np.zeros_like(products)
    prices[used] = shop.prices.at(products[used], moments[used])
    quantities = np.where(used, quantities[:, None], 0)
    return {
        "user": who,
        "products": products,
        "quantities": quantities,
        "prices": prices,
        "lines": lines,
        "total": (prices * quantities).sum(axis=1),
        "ts": ts,
        "fraud": kind,
    }


def _sizes(rng: np.random.Generator, kind: Array) -> tuple[Array, Array]:
    count = len(kind)
    lines = np.select([kind == 2], [rng.integers(5, LINES + 1, count)], 1)
    pieces = np.select([kind == 2, kind == 3], [rng.integers(1, 4, count), BULK_PIECES + rng.integers(0, 30, count)], 1)
    return lines, pieces


def _products(shop: Shop, rng: np.random.Generator, kind: Array) -> Array:
    shape = (len(kind), LINES)
    chosen = shop.assortment.draw(rng, shop.assortment.draw_types(rng, shape[0] * shape[1])).reshape(shape)
    # A haul is of the expensive: of several draws the dearest.
    for _ in range(6):
        other = shop.assortment.draw(rng, shop.assortment.draw_types(rng, shape[0] * shape[1])).reshape(shape)
        price = shop.assortment.attribute("price")
        chosen = np.where((kind[:, None] == 2) & (price[other] > price[chosen]), other, chosen)
    return chosen
