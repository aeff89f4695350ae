"""Who comes to the shop: users with a language, a town and a day since when they are known."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from quintet.ecommerce.draws import Array, Weights, generator, zipf
from quintet.ecommerce.places import PLACES
from quintet.ecommerce.words import LANGUAGES

__all__ = ["People"]

_OF_PEOPLE = 11
_FIRST_ID = 10_000_000


@dataclass(frozen=True)
class People:
    """Users of one seed as columns, a user a place; small places come more often. Shapes: all `[count]`."""

    count: int
    seed: int
    start_ms: int

    @cached_property
    def _order(self) -> Array:
        return generator(self.seed, _OF_PEOPLE).permutation(self.count)

    @cached_property
    def ids(self) -> Array:
        """Numbers that the world sees, int64."""
        return _FIRST_ID + self._order.astype(np.int64)

    @cached_property
    def town(self) -> Array:
        """Nearest place of the shop, a place in `PLACES`."""
        return generator(self.seed, _OF_PEOPLE, 1).integers(0, len(PLACES), self.count)

    @cached_property
    def language(self) -> Array:
        """Language, a place in `LANGUAGES`: that of the town."""
        return np.array([LANGUAGES.index(place.language) for place in PLACES])[self.town]

    @cached_property
    def created_ms(self) -> Array:
        """Since when they are known, ms since the epoch, UTC."""
        seconds = generator(self.seed, _OF_PEOPLE, 2).integers(1, 1000 * 86_400, self.count)
        return self.start_ms - seconds * 1000

    @cached_property
    def _weights(self) -> Weights:
        return zipf(self.count, exponent=0.6, offset=50)

    def draw(self, rng: np.random.Generator, count: int) -> Array:
        """So many users, places, those who come often more often."""
        return self._weights.draw(rng, count)
