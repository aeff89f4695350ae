"""Values of expressions at all steps of a query at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from quintet.timeseries.model import METRIC, Labels, series_text
from quintet.timeseries.promql.errors import EvaluationError

__all__ = ["Floats", "Matrix", "Vector", "kept", "merged", "without"]

Floats: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Vector:
    """An instant vector at each of s steps.

    Shapes: labels k; values float64[k, s]; present bool[k, s], whether an element is there. A value that is not there
    may be anything: NaN is a value like others.
    """

    labels: list[Labels]
    values: Floats
    present: npt.NDArray[np.bool_]

    def map(self, function: Callable[[Floats], Floats]) -> Vector:
        """A function of each value; the metric's name goes, as the result is no longer that metric."""
        return Vector(self.labels, function(self.values), self.present).unnamed()

    def unnamed(self) -> Vector:
        """Without metric names."""
        return merged([without(labels, (METRIC,)) for labels in self.labels], self.values, self.present)

    def compact(self) -> Vector:
        """Without the elements that are at no step."""
        there = self.present.any(axis=1)
        if there.all():
            return self
        return Vector(
            [labels for labels, keep in zip(self.labels, there, strict=True) if keep],
            self.values[there],
            self.present[there],
        )


@dataclass(frozen=True)
class Matrix:
    """Points of series in windows that end at each step.

    Shapes: labels k; offsets int64[k + 1] into timestamps int64[n] (ns) and values float64[n]; ends int64[s], ns, the
    last moment of each window; range in ns.
    """

    labels: list[Labels]
    offsets: npt.NDArray[np.int64]
    timestamps: npt.NDArray[np.int64]
    values: Floats
    ends: npt.NDArray[np.int64]
    range: int


def without(labels: Labels, names: Iterable[str]) -> Labels:
    """Labels but those with these names."""
    gone = set(names)
    return tuple(pair for pair in labels if pair[0] not in gone)


def kept(labels: Labels, names: Iterable[str]) -> Labels:
    """Labels with these names."""
    wanted = set(names)
    return tuple(pair for pair in labels if pair[0] in wanted)


def merged(labels: list[Labels], values: Floats, present: npt.NDArray[np.bool_]) -> Vector:
    """A vector of elements of which some may have the same labels, as long as they are at different steps.

    Raises:
        EvaluationError: two are at one step.

    """
    rows: dict[Labels, list[int]] = {}
    for number, one in enumerate(labels):
        rows.setdefault(one, []).append(number)
    if len(rows) == len(labels):
        return Vector(labels, values, present)
    firsts = [numbers[0] for numbers in rows.values()]
    new_values, new_present = values[firsts], present[firsts]
    for target, (one, numbers) in enumerate(rows.items()):
        for number in numbers[1:]:
            if (new_present[target] & present[number]).any():
                raise EvaluationError(f"two elements of the vector have the same labels {series_text(one)}")
            new_values[target] = np.where(present[number], values[number], new_values[target])
            new_present[target] |= present[number]
    return Vector(list(rows), new_values, new_present)
