"""What the shop sells: products with attributes, stock and prices that change.

Product number p is of type p % types; the smaller p // types, the more popular. Outside, products carry other numbers
(`ids`), which tell nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from quintet.ecommerce.draws import Array, Weights, generator, pick, zipf
from quintet.ecommerce.places import PLACES
from quintet.ecommerce.words import words

__all__ = ["BRANDS", "DAY_MS", "Assortment", "Prices", "Sale", "sales_of"]

DAY_MS = 86_400_000
#: Steps of the table of prices between a type's lowest and highest.
_PRICE_STEPS = 64
_SYLLABLES = ("Nor", "Vel", "Tam", "Ark", "Lum", "Sol", "Bri", "Kes", "Mo", "Ra", "Fen", "Dal")
_ENDINGS = ("do", "via", "tek", "line", "ora", "is", "wood", "mark", "ana", "berg")
#: Brands of our own making.
BRANDS = tuple(first + second for first in _SYLLABLES for second in _ENDINGS)
#: Draws of different things never share their chance.
_OF_PRODUCTS, _OF_CHANGES, _OF_SALES, _OF_TYPES = 1, 2, 3, 4


@dataclass(frozen=True)
class Assortment:
    """The products of one seed as columns, a product a place.

    Shapes: all `[count]`. Units: cents; ms since the epoch, UTC; ratings in tenths.
    """

    count: int
    seed: int
    start_ms: int

    @cached_property
    def ids(self) -> Array:
        """Numbers that the world sees, int64."""
        # 7919 is prime; counts that are multiples of it would repeat numbers.
        step = 7919 if self.count % 7919 else 7907
        return 1_000_000 + (np.arange(self.count, dtype=np.int64) * step + 17) % self.count

    @cached_property
    def type(self) -> Array:
        """Type of each, a place in `words().types`."""
        return np.arange(self.count, dtype=np.int64) % len(words().types)

    @cached_property
    def category(self) -> Array:
        """Category of each, a place in `words().categories`."""
        return np.array([kind.category for kind in words().types])[self.type]

    @cached_property
    def _attributes(self) -> dict[str, Array]:
        rng = generator(self.seed, _OF_PRODUCTS)
        known, count = words(), self.count
        found = {
            "brand": rng.integers(0, len(BRANDS), count),
            "colour": rng.integers(0, len(known.colours), count),
            "use": rng.integers(0, len(known.uses), count),
            "rating": np.array([30, 34, 36, 38, 40, 41, 42, 43, 44, 45, 46, 47, 48, 50])[rng.integers(0, 14, count)],
            "ratings": rng.integers(0, 30, count) * rng.integers(0, 30, count),
            "warehouse": rng.integers(0, len(PLACES), count),
            "model": rng.integers(100, 1000, count),
            "created_ms": self.start_ms - rng.integers(1, 1000, count) * DAY_MS - rng.integers(0, 86_400, count) * 1000,
            "stock": 6 + rng.integers(0, 25, count) + rng.integers(0, 25, count),
        }
        for name in ("materials", "features"):
            fitting = [getattr(category, name) for category in known.categories]
            width = np.array([len(places) for places in fitting])[self.category]
            table = np.array([places + places[:1] * (20 - len(places)) for places in fitting])
            first = rng.integers(0, 1_000_000, count) % width
            found[name.removesuffix("s")] = table[self.category, first]
            if name == "features":
                found["other_feature"] = table[self.category, (first + 1) % width]
        quantile = pick(rng, np.arange(_PRICE_STEPS), count)
        prices = np.array(
            [
                [
                    round(kind.lowest / 100 * (kind.highest / kind.lowest) ** (step / _PRICE_STEPS)) * 100 - 1
                    for step in range(_PRICE_STEPS)
                ]
                for kind in known.types
            ]
        )
        found["price"] = prices[self.type, quantile]
        return found

    def attribute(self, name: str) -> Array:
        """One attribute, int64.

        brand, colour, material, feature, other_feature, use, model, rating, ratings, warehouse, created_ms, stock
        (pieces at the start) and price (cents at the start).
        """
        return self._attributes[name]

    @cached_property
    def reorder_point(self) -> Array:
        """Pieces at or below which a product is short."""
        return 4 + self.attribute("stock") // 6

    @cached_property
    def _weights(self) -> tuple[Weights, Weights]:
        kinds = len(words().types)
        order = generator(self.seed, _OF_TYPES).permutation(kinds)
        return Weights([10_000 // (8 + int(place)) for place in order]), zipf(max(1, self.count // kinds), exponent=1.0)

    def draw_types(self, rng: np.random.Generator, count: int) -> Array:
        """Types, popular ones more often."""
        return self._weights[0].draw(rng, count)

    def draw(self, rng: np.random.Generator, types: Array) -> Array:
        """For each type a product of it, popular ones more often."""
        return self._weights[1].draw(rng, len(types)) * len(words().types) + types


@dataclass(frozen=True)
class Sale:
    """A time in which one category is cheap and everybody comes. Units: ms since the epoch."""

    begin_ms: int
    end_ms: int
    category: int


def sales_of(seed: int, start_ms: int, end_ms: int) -> tuple[Sale, ...]:
    """One sale a day, half an hour each; at least one, in a short time a fifth of it."""
    span = end_ms - start_ms
    count = max(1, span // DAY_MS)
    each, length = span // count, min(30 * 60_000, span // count // 5)
    rng = generator(seed, _OF_SALES)
    sales = []
    for number in range(count):
        begin = start_ms + number * each + int(rng.integers(each // 5, each // 2)) // 1000 * 1000
        sales.append(Sale(begin, begin + length, int(rng.integers(0, len(words().categories)))))
    return tuple(sales)


class Prices:
    """Prices of an assortment over a time: the ones at the start, changes by day, and the sales.

    `product`, `at_ms`, `price` are the changes by product and time, int64[n]; the first of a product is its price at
    the start.
    """

    #: Products of a type, from the popular end, that a sale makes cheaper; by how much.
    REDUCED, REDUCTION = 40, 20

    def __init__(self, assortment: Assortment, end_ms: int, sales: tuple[Sale, ...]) -> None:
        base = assortment.attribute("price")
        everything = np.arange(assortment.count)
        versions = [(everything, np.full(assortment.count, assortment.start_ms), base)]
        rng = generator(assortment.seed, _OF_CHANGES)
        drifted = base.copy()
        changes = []
        for day in range((end_ms - assortment.start_ms) // DAY_MS):
            chosen = np.unique(rng.integers(0, assortment.count, max(1, assortment.count // 200)))
            at = assortment.start_ms + day * DAY_MS + rng.integers(1, DAY_MS // 1000, len(chosen)) * 1000
            drifted[chosen] = np.maximum(99, drifted[chosen] * rng.integers(90, 112, len(chosen)) // 100)
            changes.append((chosen, at, drifted[chosen]))
        versions += changes
        versions += [part for sale in sales for part in self._of_sale(assortment, sale, list(versions))]
        product, at_ms, price = (np.concatenate(parts) for parts in zip(*versions, strict=True))
        key = self._key(product, at_ms)
        # Of two changes of one product at the same instant the last one made holds.
        order = np.argsort(key, kind="stable")
        last = np.append(np.diff(key[order]) != 0, True)
        self._keys = key[order][last]
        self.product, self.at_ms, self.price = product[order][last], at_ms[order][last], price[order][last]

    def at(self, product: Array, moment_ms: Array) -> Array:
        """Price of each product at each moment, cents."""
        return self.price[np.searchsorted(self._keys, self._key(product, moment_ms), side="right") - 1]

    def _of_sale(
        self, assortment: Assortment, sale: Sale, versions: list[tuple[Array, Array, Array]]
    ) -> list[tuple[Array, Array, Array]]:
        popular = np.arange(min(assortment.count, self.REDUCED * len(words().types)))
        chosen = popular[assortment.category[popular] == sale.category]
        before, after = (self._known(versions, chosen, moment) for moment in (sale.begin_ms, sale.end_ms))
        return [
            (chosen, np.full(len(chosen), sale.begin_ms), np.maximum(1, before * (100 - self.REDUCTION) // 100)),
            (chosen, np.full(len(chosen), sale.end_ms), after),
        ]

    @staticmethod
    def _known(versions: list[tuple[Array, Array, Array]], chosen: Array, moment: int) -> Array:
        # A sale puts the price back to what it would be without any sale.
        price = versions[0][2].copy()
        for product, at, changed in versions[1:]:
            earlier = at <= moment
            price[product[earlier]] = changed[earlier]
        return price[chosen]

    @staticmethod
    def _key(product: Array, at_ms: Array) -> Array:
        return product * np.int64(2**42) + at_ms
