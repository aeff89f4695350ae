"""The shop as time goes by: what reaches it, piece by piece, in the order of arrival.

A piece is a stretch of time; its chance depends on the seed and its number only. Sessions that begin in it are walked
to their end; what arrives behind the piece waits for the next ones. What would arrive behind the end of the simulation
is never seen by anybody and is not part of the truth. Sessions of a short time before the beginning are walked too, so
that the shop is as full at its beginning as later; what happened in them before it is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from quintet.ecommerce.assortment import DAY_MS, Assortment, Prices, sales_of
from quintet.ecommerce.columns import Columns, Events, joined, length, taken
from quintet.ecommerce.defects import arrivals, broken, duplicates, malformed
from quintet.ecommerce.draws import Array, generator
from quintet.ecommerce.frauds import frauds
from quintet.ecommerce.people import People
from quintet.ecommerce.queries import Queries
from quintet.ecommerce.sessions import Shop, walk

__all__ = ["Piece", "Scale", "Simulation"]

#: Records that a session leads to in the end, on average; measured.
PER_SESSION = 4.78
#: Records of a piece, about: enough for arrays to pay, few enough to be held.
_PIECE_RECORDS = 60_000
_PIECES_MS = tuple(minutes * 60_000 for minutes in (1, 2, 5, 10, 20, 30, 60, 120, 240, 480, 720, 1440))
#: Time before the beginning in which sessions begin; nearly all are over after it.
_WARM_UP_MS = 6 * 60_000
#: Visitors of each hour of a day, in thousandths of the mean.
_DAY = (
    320,
    230,
    180,
    170,
    200,
    330,
    560,
    820,
    1040,
    1180,
    1250,
    1330,
    1370,
    1290,
    1240,
    1230,
    1270,
    1390,
    1580,
    1730,
    1700,
    1430,
    960,
    1200,
)
_HOUR_MS, _MINUTE_MS = 3_600_000, 60_000
#: Draws of different things never share their chance.
_OF_PIECES = 21


@dataclass(frozen=True)
class Scale:
    """Size of the shop: records a second on average, products, users.

    With `is_level` the rate is the same all day and rises by a third in a sale; else it follows the day and triples.
    """

    rate: float = 0.6
    products: int = 100_000
    users: int = 20_000
    is_level: bool = False


@dataclass(frozen=True)
class Piece:
    """What arrived in a stretch of time, by kind and in order of arrival. Units: ms since the epoch, UTC."""

    begin_ms: int
    end_ms: int
    events: Events
    malformed: Columns

    @property
    def records(self) -> int:
        """Number of records."""
        return sum(map(length, self.events.values())) + length(self.malformed)


class Simulation:
    """One shop from a first to a last moment. Units: ms since the epoch, UTC."""

    def __init__(self, seed: int, start_ms: int, end_ms: int, scale: Scale) -> None:
        self.seed, self.start_ms, self.end_ms, self.scale = seed, start_ms, end_ms, scale
        assortment = Assortment(scale.products, seed, start_ms)
        sales = sales_of(seed, start_ms, end_ms)
        self.shop = Shop(
            assortment,
            People(scale.users, seed, start_ms),
            Queries(assortment),
            Prices(assortment, end_ms, sales),
            sales,
        )
        wanted = _PIECE_RECORDS / scale.rate * 1000
        self._piece_ms = max((length for length in _PIECES_MS if length <= wanted), default=_PIECES_MS[0])
        self._stock = assortment.attribute("stock").copy()
        self._sessions = self._orders = 0
        self._waiting: dict[str, Columns] = {}
        self._taken_moments = np.empty(0, np.int64)

    def pieces(self) -> Iterator[Piece]:
        """Everything that arrives, once."""
        self._piece(0, self.start_ms - _WARM_UP_MS, self.start_ms)
        for number, begin in enumerate(range(self.start_ms, self.end_ms, self._piece_ms), start=1):
            yield self._piece(number, begin, min(begin + self._piece_ms, self.end_ms))

    def _piece(self, number: int, begin: int, end: int) -> Piece:
        rng = generator(self.seed, _OF_PIECES, number)
        begins = self._begins(rng, begin, end)
        sessions = np.arange(self._sessions, self._sessions + len(begins))
        self._sessions += len(begins)
        made = walk(self.shop, rng, begins, sessions)
        made = {kind: taken(columns, columns["ts"] >= self.start_ms) for kind, columns in made.items()}
        self._sell(rng, made, begin, end)
        made["inventory_update"] = self._stock_changes(rng, made["purchase"], begin, end)
        events = {}
        for kind, columns in made.items():
            first = arrivals(rng, columns)
            parts = [first, duplicates(rng, first), broken(rng, kind, first)]
            if kind in self._waiting:
                parts.insert(0, self._waiting[kind])
            everything = joined(parts)
            here = everything["arrived"] < end
            self._waiting[kind] = taken(everything, np.flatnonzero(~here))
            now = taken(everything, np.flatnonzero(here))
            events[kind] = taken(now, np.argsort(now["arrived"], kind="stable"))
        strange = malformed(rng, sum(map(length, made.values())), begin, end)
        return Piece(begin, end, events, taken(strange, np.argsort(strange["arrived"], kind="stable")))

    def _begins(self, rng: np.random.Generator, begin: int, end: int) -> Array:
        """When sessions begin: as many in each minute as the day and the sales have it."""
        minutes = np.arange(begin, end, _MINUTE_MS)
        share = np.full(len(minutes), 1000)
        if not self.scale.is_level:
            share = np.array(_DAY)[minutes % DAY_MS // _HOUR_MS]
        for sale in self.shop.sales:
            inside = (minutes + _MINUTE_MS > sale.begin_ms) & (minutes < sale.end_ms)
            share = np.where(inside, share * (4 if self.scale.is_level else 9) // 3, share)
        width = np.minimum(end - minutes, _MINUTE_MS)
        each = round(self.scale.rate / PER_SESSION * 1000) * share * width // 1_000_000
        # In millionths... of a session: what is left over makes one more, by chance.
        count = (each + rng.integers(0, 1000, len(minutes))) // 1000
        return np.repeat(minutes, count) + rng.integers(0, 1_000_000, int(count.sum())) % np.repeat(width, count)

    def _sell(self, rng: np.random.Generator, made: Events, begin: int, end: int) -> None:
        honest = made.get("purchase")
        bought = 0 if honest is None else length(honest)
        stolen = frauds(self.shop, rng, bought, max(begin, self.start_ms), max(end, self.start_ms + 1))
        purchases = stolen if honest is None else joined([honest, stolen])
        count = length(purchases)
        # Numbers that tell neither how many orders there are nor their order.
        purchases["order"] = (np.arange(self._orders, self._orders + count) * 7_368_787 + self.seed) % 10**9 + 10**9
        self._orders += count
        made["purchase"] = purchases

    def _stock_changes(self, rng: np.random.Generator, purchases: Columns, begin: int, end: int) -> Columns:
        """What purchases take, and what comes in for products that were short when the piece began."""
        assortment = self.shop.assortment
        used = purchases["products"] >= 0
        product = purchases["products"][used]
        moment = np.broadcast_to(purchases["ts"][:, None], used.shape)[used]
        short = np.flatnonzero(self._stock <= assortment.reorder_point)
        incoming = 2 * assortment.attribute("stock")[short]
        columns = {
            "product": np.concatenate([product, short]),
            "delta": np.concatenate([-purchases["quantities"][used], incoming]),
            "warehouse": assortment.attribute("warehouse")[np.concatenate([product, short])],
            "ts": np.concatenate(
                [moment + rng.integers(200, 3000, len(product)), begin + rng.integers(0, end - begin, len(short))]
            ),
        }
        np.add.at(self._stock, columns["product"], columns["delta"])
        self._part(columns, begin)
        return columns

    def _part(self, columns: Columns, begin: int) -> None:
        """Make product and moment unique: a change that falls on another comes a ms later."""
        known = self._taken_moments[self._taken_moments % 2**43 >= begin - DAY_MS]
        while True:
            key = columns["product"] * np.int64(2**43) + columns["ts"]
            first = np.zeros(len(key), bool)
            first[np.unique(key, return_index=True)[1]] = True
            again = ~first | np.isin(key, known)
            if not again.any():
                break
            columns["ts"][again] += 1
        self._taken_moments = np.concatenate([known, key])
