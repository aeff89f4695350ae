"""Records of the shop for its stream: cases at the edges of each definition, users at random, and the end of an input.

Times are seconds after `BEGIN`. A user's number says which case it is of; what a case comes to is told by the test.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from naive_shop import IDENTITY, Record

__all__ = ["BEGIN", "CLOSES", "MARK", "MARKER", "Shop", "at", "cases", "lines", "the_end"]

BEGIN = datetime(2026, 11, 20, 6, tzinfo=UTC)
GAP, LATE, AHEAD = 1800.0, 120.0, 60.0
#: User and time of the events that tell that all before them was counted, and a time at which their session is over.
MARKER, MARK, CLOSES = 999_999, 86_400.0, 2 * 86_400.0


def at(seconds: float) -> datetime:
    return BEGIN + timedelta(milliseconds=round(seconds * 1000))


class Shop:
    """Records by kind."""

    def __init__(self) -> None:
        self.records: dict[str, list[Record]] = {kind: [] for kind in IDENTITY}

    def view(self, user: int, seconds: float, *, page: str = "/", after: float = 0, **more: Any) -> None:
        given = {"user_id": user, "page": page, "session_id": f"s{user}", "referrer": None}
        self._add("page_view", seconds, after, given | more)

    def cart(self, user: int, seconds: float, *, product: int = 1, after: float = 0, **more: Any) -> None:
        given = {"user_id": user, "product_id": product, "quantity": 1, "session_id": f"s{user}"}
        self._add("add_to_cart", seconds, after, given | more)

    def order(
        self,
        user: int,
        seconds: float,
        number: int,
        *,
        lines: list[tuple[int, int]] | None = None,
        after: float = 0,
        **more: Any,
    ) -> None:
        lines = [(1, 1)] if lines is None else lines
        products = [{"product_id": product, "quantity": n, "unit_price": Decimal("5.00")} for product, n in lines]
        total = sum((Decimal("5.00") * n for _, n in lines), Decimal("0.00"))
        given = {"user_id": user, "order_id": number, "products": products, "total_amount": total}
        self._add("purchase", seconds, after, given | more)

    def stock(self, product: int, seconds: float, *, change: int = 1, after: float = 0, **more: Any) -> None:
        given = {"product_id": product, "quantity_delta": change, "warehouse_id": 1}
        self._add("inventory_update", seconds, after, given | more)

    def search(
        self, user: int, seconds: float, *, query: str = "q", found: int = 3, after: float = 0, **more: Any
    ) -> None:
        given = {
            "query": query,
            "user_id": user,
            "session_id": f"s{user}",
            "results_count": found,
            "clicked_products": [],
            "search_type": "text",
            "filters_applied": [],
        }
        self._add("search", seconds, after, given | more)

    def again(self, kind: str, after: float, **more: Any) -> None:
        """The last record of a kind once more, so long after it arrived."""
        last = self.records[kind][-1]
        self.records[kind].append(last | {"arrived_at": last["arrived_at"] + timedelta(seconds=after)} | more)

    def in_order(self) -> dict[str, list[Record]]:
        """Records by kind as they arrive; of equal moments the one that was told first."""
        return {kind: sorted(rows, key=lambda row: row["arrived_at"]) for kind, rows in self.records.items()}

    def _add(self, kind: str, seconds: float, after: float, fields: dict[str, Any]) -> None:
        self.records[kind].append(fields | {"timestamp": at(seconds), "arrived_at": at(seconds + after)})


def lines(rows: list[Record]) -> list[str]:
    return [json.dumps(row, default=_text) for row in rows]


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat(timespec="milliseconds")
    return str(value)


def cases() -> Shop:
    shop = Shop()
    _sessions(shop)
    _carts(shop)
    _times(shop)
    _duplicates(shop)
    _broken(shop)
    _minutes(shop)
    _trends(shop)
    _suspicions(shop)
    _as_late_as_may_be(shop)
    _anybody(shop, random.Random(20_261_123))  # noqa: S311 - the same users in every run
    return shop


def the_end() -> Shop:
    """A user of every kind a day later, whose cart is abandoned, and what lets time go on."""
    shop = Shop()
    shop.view(MARKER, MARK, page="/product/77")
    shop.cart(MARKER, MARK, product=77)
    shop.search(MARKER, MARK)
    shop.stock(77, MARK)
    shop.order(MARKER, MARK - 1, MARKER, lines=[(77, 20)])
    shop.view(MARKER, CLOSES, page="none")
    shop.cart(MARKER, CLOSES, quantity=0)
    shop.search(MARKER, CLOSES, found=-1)
    shop.stock(77, CLOSES, change=0)
    shop.order(MARKER, CLOSES, MARKER + 1, total_amount=Decimal("0.00"))
    return shop


def _sessions(shop: Shop) -> None:
    for user, pause in ((101, GAP), (102, GAP + 0.001)):
        shop.view(user, 600)
        shop.view(user, 600 + pause)
    # Two that are apart until an event of between comes; a third that goes on with what was joined.
    shop.view(103, 600)
    shop.view(103, 600 + GAP + 60)
    shop.view(103, 600 + GAP - 10, after=100)
    shop.view(103, 600 + 2 * GAP + 60)
    shop.view(103, 600 + 2 * GAP + 70, after=110)
    # Apart by a millisecond on both sides: stays three.
    shop.view(104, 600)
    shop.view(104, 600 + GAP + 0.001)
    shop.view(104, 600 + 2 * GAP + 0.002)
    # Open at once, for other topics hold time back while carts are read; all over at once.
    for number in range(4):
        shop.cart(105, 600 + number * (GAP + 100))
        shop.cart(105, 610 + number * (GAP + 100))
    # Open until the end of the input, joined by another topic.
    shop.cart(106, 40_000)
    shop.cart(106, 40_000 + GAP + 60)
    shop.view(106, 40_000 + GAP - 30)
    shop.search(106, 40_000 + 3 * GAP)
    shop.order(106, 40_000 + 5 * GAP, 106)
    # The first to come is the last that happened: the session begins before what opened it.
    shop.view(107, 700, after=0)
    shop.view(107, 640, after=119)


def _carts(shop: Shop) -> None:
    shop.cart(111, 600)
    shop.order(111, 700, 111)
    shop.order(112, 600, 112)
    shop.cart(112, 700)
    shop.cart(113, 600)
    shop.cart(114, 600)
    shop.order(114, 600, 114)
    # Bought and added again: what was added last counts, whatever came first.
    shop.cart(115, 600)
    shop.order(115, 700, 115)
    shop.cart(115, 650, product=2, after=115)
    shop.cart(116, 600)
    shop.order(116, 700, 116)
    shop.cart(116, 700.001, product=2)
    # What was bought in another session saves no cart.
    shop.cart(117, 600)
    shop.order(117, 600 + GAP + 1, 117)


def _each(shop: Shop, user: int, seconds: float, *, after: float, number: int) -> None:
    shop.view(user, seconds, after=after)
    shop.cart(user, seconds, after=after)
    shop.search(user, seconds, after=after)
    shop.order(user, seconds, number, after=after)
    shop.stock(user, seconds, after=after)


def _times(shop: Shop) -> None:
    _each(shop, 121, 900, after=LATE, number=121)
    _each(shop, 122, 900, after=LATE + 0.001, number=122)
    _each(shop, 123, 900, after=-AHEAD, number=123)
    _each(shop, 124, 900, after=-AHEAD - 0.001, number=124)
    # Ahead within an hour: it begins when it arrived, and ends by its own clock.
    shop.view(125, 900, after=-30)
    shop.view(125, 1000)
    shop.view(126, 900, after=-60)
    shop.view(126, 840 + GAP)


def _duplicates(shop: Shop) -> None:
    _each(shop, 131, 1200, after=1, number=131)
    for kind in IDENTITY:
        shop.again(kind, 5)
        shop.again(kind, 100)
    # Another content is the same event; the first stays.
    shop.cart(132, 1200, quantity=2)
    shop.again("add_to_cart", 3, quantity=7)
    shop.order(132, 1200, 132)
    shop.again("purchase", 3, total_amount=Decimal("9.00"), timestamp=at(1201))
    shop.search(132, 1200, found=0)
    shop.again("search", 3, results_count=5)
    # Late ones are no duplicates of what was counted, and count each.
    shop.view(133, 1200)
    shop.again("page_view", 200)
    shop.again("page_view", 210)
    # Another page, product, query or session in the same moment is another event.
    shop.view(134, 1200, page="/a")
    shop.view(134, 1200, page="/b")
    shop.view(134, 1200, page="/a", session_id="other")
    shop.cart(134, 1200, product=1)
    shop.cart(134, 1200, product=2)
    shop.stock(134, 1200, warehouse_id=1)
    shop.stock(134, 1200, warehouse_id=2)


def _broken(shop: Shop) -> None:
    shop.view(141, 1500, page="product/1")
    shop.cart(141, 1500, quantity=0)
    shop.cart(141, 1501, quantity=-1)
    shop.order(141, 1500, 141, total_amount=Decimal("0.00"))
    shop.order(141, 1500, 142, total_amount=Decimal("-1.00"))
    shop.order(141, 1500, 143, lines=[], total_amount=Decimal("1.00"))
    shop.order(141, 1500, 144, lines=[])
    shop.stock(141, 1500, change=0)
    shop.search(141, 1500, found=-1)
    shop.again("search", 1)
    # The first rule is told; a broken one that is late is broken, and saves no place for a whole one.
    shop.view(142, 1500, page="x", after=-61)
    shop.view(142, 1500, page="x", after=300)
    shop.order(142, 1500, 145, total_amount=Decimal("0.00"))
    shop.order(142, 1501, 145)


def _minutes(shop: Shop) -> None:
    # One user by three kinds, another out of order, at both ends of a minute.
    shop.view(151, 1800)
    shop.search(151, 1830, found=0)
    shop.search(151, 1831, found=2, clicked_products=[4, 5])
    shop.order(151, 1859.999, 151, lines=[(1, 3), (2, 4)])
    shop.view(152, 1859.999, page="/z")
    shop.view(152, 1860, page="/z")
    shop.view(152, 1810, page="/y", after=110)
    shop.view(153, 1859, page="/y", after=-20)


def _trends(shop: Shop) -> None:
    # Twelve products of ten places, most of them equal; pages that are of no product.
    for product in range(12):
        for number in range(2):
            shop.view(161 + number, 3000 + product, page=f"/product/{500 - product}")
    shop.view(163, 3020, page="/product/495")
    shop.cart(163, 3021, product=489)
    for page in ("/product/", "/product/1x", "/product/1/reviews", "/products/1", "/x/product/1"):
        shop.view(164, 3030, page=page)
    # The number of no product, more often than any other is asked for.
    for number in range(200):
        shop.view(164, 3031 + number / 10, page=f"/product/{2**63}")
    shop.order(163, 3040, 163, lines=[(600, 2), (600, 1), (601, 1)])
    # The ends of a window.
    shop.cart(165, 3599.999, product=700)
    shop.cart(165, 3600, product=701)


def _suspicions(shop: Shop) -> None:
    for number in range(5):
        shop.order(171, 4000 + number * 150, 1710 + number)
        shop.order(172, 4000 + number * 150 + (number == 4) * 0.001, 1720 + number)
        shop.order(173, 4000 + number, 1730 + number, after=100 - 20 * number)
        shop.order(174, 4000, 1740 + number)
        shop.order(175, 4000 + number, 1750 + number)
        shop.again("purchase", 2)
    shop.order(176, 4100, 1760, lines=[(1, 1000)])
    shop.order(177, 4100, 1770, total_amount=Decimal("5000.00"))
    shop.order(177, 4101, 1771, total_amount=Decimal("4999.99"))
    shop.order(178, 4100, 1780, lines=[(1, 20)])
    shop.order(178, 4101, 1781, lines=[(1, 19), (2, 19)])
    shop.order(178, 4102, 1782, lines=[(1, 25), (2, 25)])


def _as_late_as_may_be(shop: Shop) -> None:
    """Two minutes late when another's event has just moved time on as far as it goes."""
    shop.view(181, 600)
    shop.view(182, 600 + GAP + LATE)
    shop.view(181, 600 + GAP, after=LATE)
    shop.view(183, 1199.999 + LATE)
    shop.view(183, 1199.999, page="/product/900", after=LATE)
    for number in range(4):
        shop.order(184, 5000, 1840 + number)
    shop.order(185, 5000 + LATE, 1850)
    shop.order(184, 5000, 1844, after=LATE)


def _anybody(shop: Shop, chance: random.Random) -> None:
    """Users whose pauses are about a session's gap, of all kinds, with what goes wrong now and then."""
    number = 1_000_000
    for user in range(1000, 1040):
        seconds = chance.uniform(0, 3000)
        for _ in range(60):
            near = chance.uniform(GAP - 90, GAP + 90)
            pauses = (chance.uniform(0, 30), near, GAP, GAP + 0.001, chance.uniform(0, 900))
            seconds += chance.choices(pauses, (6, 3, 1, 1, 2))[0]
            delays = (0.0, chance.uniform(0, LATE - 0.01), chance.uniform(LATE, 400), -45.0)
            after = chance.choices(delays, (3, 6, 1, 0.3))[0]
            number += 1
            _anything(shop, chance, user, round(seconds, 3), round(after, 3), number)


def _anything(shop: Shop, chance: random.Random, user: int, seconds: float, after: float, number: int) -> None:
    product = chance.randrange(15)
    session = {"session_id": f"s{user}-{number}"}
    happens: dict[str, Callable[[], None]] = {
        "page_view": lambda: shop.view(user, seconds, page=f"/product/{product}", after=after, **session),
        "add_to_cart": lambda: shop.cart(user, seconds, product=product, after=after, **session),
        "purchase": lambda: shop.order(user, seconds, number, lines=[(product, chance.randint(1, 22))], after=after),
        "search": lambda: shop.search(user, seconds, found=chance.randrange(-1, 3), after=after, **session),
        "inventory_update": lambda: shop.stock(product, seconds, change=chance.randrange(-2, 3), after=after),
    }
    kind = chance.choices(list(happens), (6, 3, 2, 1, 1))[0]
    happens[kind]()
    if chance.random() < 0.1:
        shop.again(kind, round(chance.uniform(0, 150), 3))
