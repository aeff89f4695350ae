"""Random choices in whole arrays that come out the same on every machine.

A distribution is a table of whole numbers, made once with the standard library and drawn from by whole numbers:
vectorised logarithms and exponentials differ in the last digit between processors, tables do not.

Source: inverse transform sampling; NumPy's PCG64 with seeds that are sequences of numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import numpy as np

__all__ = ["STEPS", "Array", "Weights", "generator", "log_normal", "log_uniform", "pick", "some", "zipf"]

#: An array of NumPy, of any type.
Array = Any
#: Entries of a table that stands for a continuous distribution.
STEPS = 4096


def generator(*seed: int) -> np.random.Generator:
    """A source of chance that depends on these numbers only."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([number % 2**63 for number in seed])))


class Weights:
    """Places 0 to n-1, each as likely as its weight."""

    def __init__(self, weights: Sequence[int]) -> None:
        self._sums = np.cumsum(np.asarray(weights, np.int64))

    def draw(self, rng: np.random.Generator, count: int) -> Array:
        """So many places, int64."""
        return np.searchsorted(self._sums, rng.integers(0, self._sums[-1], count), side="right")


def zipf(count: int, *, exponent: float, offset: int = 5) -> Weights:
    """Few places often, many seldom: weight (offset + place) ** -exponent."""
    return Weights([max(1, round(1e9 * math.pow(offset + place, -exponent))) for place in range(count)])


def log_normal(median: float, spread: float) -> Array:
    """Table of whole numbers around a median; two thirds of them are within a factor e ** spread."""
    normal = NormalDist()
    return np.array([round(median * math.exp(spread * normal.inv_cdf((step + 0.5) / STEPS))) for step in range(STEPS)])


def log_uniform(low: float, high: float) -> Array:
    """Table of whole numbers between two, every order of magnitude as likely."""
    return np.array([round(low * math.pow(high / low, (step + 0.5) / STEPS)) for step in range(STEPS)])


def pick(rng: np.random.Generator, table: Array, count: int) -> Array:
    """So many entries of a table, each as likely."""
    return table[rng.integers(0, len(table), count)]


def some(rng: np.random.Generator, per_mille: float, count: int) -> Array:
    """Which of so many are chosen, each by itself: bool[count]."""
    return rng.integers(0, 1_000_000, count) < round(per_mille * 1000)
