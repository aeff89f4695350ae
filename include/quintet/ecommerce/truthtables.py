"""Tables of the truth: figures of minutes, sessions, suspicious orders, shortages, what trends, stock.

Each takes the distinct valid events of a view and returns columns; the meaning of the words stands in `definitions.py`.
Source: own derivation, by sorting and sums over runs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from quintet.catalogue.ecommerce import KPI_COLUMNS
from quintet.ecommerce.columns import Columns
from quintet.ecommerce.definitions import (
    BULK_PIECES,
    BURST_ORDERS,
    BURST_SPAN_MS,
    LARGE_ORDER_CENTS,
    MINUTE_MS,
    POINTS,
    SESSION_GAP_MS,
    SUSPICIONS,
    TRENDING_TOP,
    TRENDING_WINDOW_MS,
    USER_KINDS,
)
from quintet.ecommerce.draws import Array
from quintet.ecommerce.frauds import PATTERNS
from quintet.ecommerce.sessions import PRODUCT, Shop
from quintet.ecommerce.values import euros, instants

__all__ = ["frauds", "minute_kpis", "sessions", "shortages", "stock", "suspicious", "trending"]

#: Room for a time beside another number in one whole number of 64 bits.
_ROOM = np.int64(2**42)
#: Room for a product beside the number of a window.
_ROOM_BESIDE_WINDOW = np.int64(2**32)


def minute_kpis(shop: Shop, events: dict[str, Columns]) -> pa.Table:
    """Figures of each minute in which something happened: `minute` and `KPI_COLUMNS`; revenue in euros."""
    none = np.empty(0, np.int64)
    parts = {kind: events.get(kind) for kind in USER_KINDS}
    moments = {kind: none if part is None else part["ts"] // MINUTE_MS for kind, part in parts.items()}
    minutes, places = np.unique(np.concatenate(list(moments.values())), return_inverse=True)
    ends = np.cumsum([len(found) for found in moments.values()])
    at = dict(zip(moments, np.split(places, ends[:-1]), strict=True))

    def count(kind: str, weights: Any = None) -> Array:
        found = np.zeros(len(minutes), np.int64)
        np.add.at(found, at[kind], 1 if weights is None else weights)
        return found

    purchase, search = parts["purchase"], parts["search"]
    users = np.concatenate([none, *(part["user"] for part in parts.values() if part is not None)])
    pairs = np.unique(places * _ROOM + users)
    figures = {
        "page_views": count("page_view"),
        "cart_additions": count("add_to_cart"),
        "orders": count("purchase"),
        "pieces": count("purchase", 0 if purchase is None else purchase["quantities"].sum(axis=1)),
        "revenue": count("purchase", 0 if purchase is None else purchase["total"]),
        "searches": count("search"),
        "searches_without_result": count("search", 0 if search is None else search["results"] == 0),
        "searches_with_click": count("search", 0 if search is None else search["clicked"] > 0),
        "active_users": np.bincount(pairs // _ROOM, minlength=len(minutes)),
    }
    columns = {"minute": instants(minutes * MINUTE_MS)}
    for kpi in KPI_COLUMNS:
        columns[kpi.name] = euros(figures[kpi.name]) if kpi.type.startswith("decimal") else pa.array(figures[kpi.name])
    return pa.table(columns)


def sessions(shop: Shop, events: dict[str, Columns]) -> pa.Table:
    """Sessions of users, by user and time."""
    parts = [(code, events[kind]) for code, kind in enumerate(USER_KINDS) if kind in events]
    user = np.concatenate([part["user"] for _, part in parts])
    ts = np.concatenate([part["ts"] for _, part in parts])
    kind = np.concatenate([np.full(len(part["ts"]), code) for code, part in parts])
    order = np.lexsort((ts, user))
    user, ts, kind = user[order], ts[order], kind[order]
    begins = np.flatnonzero(np.append(True, (np.diff(user) != 0) | (np.diff(ts) > SESSION_GAP_MS)))
    added = np.maximum.reduceat(np.where(kind == USER_KINDS.index("add_to_cart"), ts, -1), begins)
    bought = np.maximum.reduceat(np.where(kind == USER_KINDS.index("purchase"), ts, -1), begins)
    counts = {name: np.add.reduceat(kind == code, begins, dtype=np.int64) for code, name in enumerate(USER_KINDS)}
    return pa.table(
        {
            "user_id": shop.people.ids[user[begins]],
            "begins_at": instants(ts[begins]),
            "ends_at": instants(ts[np.append(begins[1:], len(ts)) - 1]),
            "page_views": counts["page_view"],
            "cart_additions": counts["add_to_cart"],
            "orders": counts["purchase"],
            "searches": counts["search"],
            "is_abandoned": added > bought,
        }
    )


def suspicious(shop: Shop, events: dict[str, Columns]) -> pa.Table:
    """Orders that a rule names, one row an order and rule."""
    purchase = events.get("purchase")
    if purchase is None:
        return pa.table({"order_id": pa.array([], pa.int64()), "reason": pa.array([], pa.string())})
    key = purchase["user"] * _ROOM + purchase["ts"]
    ordered = np.sort(key)
    recent = np.searchsorted(ordered, key, "right") - np.searchsorted(ordered, key - BURST_SPAN_MS, "left")
    named = {
        "order_burst": recent >= BURST_ORDERS,
        "large_order": purchase["total"] >= LARGE_ORDER_CENTS,
        "bulk_line": purchase["quantities"].max(axis=1) >= BULK_PIECES,
    }
    found = [(int(order), reason) for reason in SUSPICIONS for order in purchase["order"][named[reason]]]
    orders, reasons = zip(*sorted(found), strict=True) if found else ((), ())
    return pa.table({"order_id": pa.array(orders, pa.int64()), "reason": pa.array(reasons, pa.string())})


def frauds(shop: Shop, events: dict[str, Columns]) -> pa.Table:
    """Orders that were fraud, with their pattern: what the flags are to find."""
    purchase = events.get("purchase", {"order": np.empty(0, np.int64), "fraud": np.empty(0, np.int64)})
    chosen = np.flatnonzero(purchase["fraud"])
    chosen = chosen[np.argsort(purchase["order"][chosen])]
    return pa.table(
        {
            "order_id": purchase["order"][chosen],
            "pattern": pa.array([PATTERNS[mark] for mark in purchase["fraud"][chosen]], pa.string()),
        }
    )


def shortages(shop: Shop, events: dict[str, Columns]) -> pa.Table:
    """Low-stock alerts: product, minute whose end it was, stock then."""
    product, minute, change = _changes(events)
    first = np.append(True, np.diff(product) != 0)[: len(product)]
    begins = np.flatnonzero(first)
    running = np.cumsum(change)
    # Sums of the products before are taken off.
    before = np.repeat(running[begins] - change[begins], np.diff(np.append(begins, len(product))))
    now = shop.assortment.attribute("stock")[product] + running - before
    point = shop.assortment.reorder_point[product]
    alert = np.flatnonzero((now <= point) & (now - change > point))
    ids = shop.assortment.ids[product[alert]]
    order = np.lexsort((ids, minute[alert]))
    return pa.table(
        {
            "product_id": ids[order],
            "minute": instants(minute[alert][order] * MINUTE_MS),
            "stock": now[alert][order],
        }
    )


def stock(shop: Shop, events: dict[str, Columns]) -> pa.Table:
    """Pieces of every product at the end, by product number."""
    pieces = shop.assortment.attribute("stock").copy()
    product, _, change = _changes(events)
    np.add.at(pieces, product, change)
    order = np.argsort(shop.assortment.ids)
    return pa.table({"product_id": shop.assortment.ids[order], "stock": pieces[order]})


def trending(shop: Shop, events: dict[str, Columns]) -> pa.Table:
    """The products of most points of each window, best first."""
    products, moments, points = [np.empty(0, np.int64)], [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    if (views := events.get("page_view")) is not None:
        of_product = views["page"] >= PRODUCT
        products.append(views["page"][of_product] - PRODUCT)
        moments.append(views["ts"][of_product])
        points.append(np.full(int(of_product.sum()), POINTS["page_view"]))
    if (added := events.get("add_to_cart")) is not None:
        products.append(added["product"])
        moments.append(added["ts"])
        points.append(np.full(len(added["ts"]), POINTS["add_to_cart"]))
    if (bought := events.get("purchase")) is not None:
        used = bought["products"] >= 0
        products.append(bought["products"][used])
        moments.append(np.broadcast_to(bought["ts"][:, None], used.shape)[used])
        points.append(bought["quantities"][used] * POINTS["purchase"])
    key = np.concatenate(moments) // TRENDING_WINDOW_MS * _ROOM_BESIDE_WINDOW + np.concatenate(products)
    pairs, places = np.unique(key, return_inverse=True)
    sums = np.zeros(len(pairs), np.int64)
    np.add.at(sums, places, np.concatenate(points))
    window, ids = pairs // _ROOM_BESIDE_WINDOW, shop.assortment.ids[pairs % _ROOM_BESIDE_WINDOW]
    order = np.lexsort((ids, -sums, window))
    window, ids, sums = window[order], ids[order], sums[order]
    begins = np.searchsorted(window, window)
    rank = np.arange(len(window)) - begins + 1
    best = rank <= TRENDING_TOP
    return pa.table(
        {
            "window_begins_at": instants(window[best] * TRENDING_WINDOW_MS),
            "rank": rank[best],
            "product_id": ids[best],
            "points": sums[best],
        }
    )


def _changes(events: dict[str, Columns]) -> tuple[Array, Array, Array]:
    """Change of each product's stock in each minute, by product and minute."""
    part = events.get("inventory_update")
    if part is None:
        return (np.empty(0, np.int64),) * 3
    key, places = np.unique(part["product"] * _ROOM + part["ts"] // MINUTE_MS, return_inverse=True)
    change = np.zeros(len(key), np.int64)
    np.add.at(change, places, part["delta"])
    return key // _ROOM, key % _ROOM, change
