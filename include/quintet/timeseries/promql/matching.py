"""Operators between values: arithmetic, comparisons, and sets, with elements matched by their labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from quintet.timeseries.model import METRIC, Labels, series_text
from quintet.timeseries.promql.errors import EvaluationError
from quintet.timeseries.promql.tree import Binary, Matching
from quintet.timeseries.promql.vectors import Floats, Vector, kept, merged, without

__all__ = ["scalars", "sets", "vector_and_scalar", "vectors"]

ARITHMETIC: dict[str, Callable[[Floats, Floats], Floats]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "%": np.fmod,
    "^": np.power,
    "atan2": np.arctan2,
}
COMPARISON: dict[str, Callable[[Floats, Floats], npt.NDArray[np.bool_]]] = {
    "==": np.equal,
    "!=": np.not_equal,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
}


def scalars(operator: str, left: Floats, right: Floats) -> Floats:
    """An operator between scalars; a comparison is 0 or 1."""
    if operator in ARITHMETIC:
        return ARITHMETIC[operator](left, right)
    return COMPARISON[operator](left, right).astype(np.float64)


def vector_and_scalar(binary: Binary, vector: Vector, scalar: Floats, *, swapped: bool) -> Vector:
    """An operator between each element and a scalar, which is the left one where `swapped`."""
    left, right = (scalar, vector.values) if swapped else (vector.values, scalar)
    if binary.operator in ARITHMETIC or binary.as_bool:
        return vector.map(lambda _: np.broadcast_to(scalars(binary.operator, left, right), vector.values.shape))
    return Vector(vector.labels, vector.values, vector.present & COMPARISON[binary.operator](left, right))


def vectors(binary: Binary, left: Vector, right: Vector) -> Vector:
    """An operator between the elements of two vectors that match.

    Raises:
        EvaluationError: an element matches more than it may.

    """
    matching = binary.matching
    swapped = matching.many == "right"
    many, one = (right, left) if swapped else (left, right)
    pairs = _paired(matching, many, one)
    if not pairs.labels:
        return Vector([], np.empty((0, many.values.shape[1])), np.empty((0, many.values.shape[1]), bool))
    present = many.present[pairs.many] & pairs.present
    first, second = many.values[pairs.many], pairs.values
    if swapped:
        first, second = second, first
    drops_name = binary.operator in ARITHMETIC or binary.as_bool
    values = scalars(binary.operator, first, second) if drops_name else first
    labels = [_result(matching, pair, other, drops_name) for pair, other in zip(pairs.labels, pairs.ones, strict=True)]
    _check_unique(matching, labels, pairs.groups, present)
    if binary.operator in COMPARISON and not binary.as_bool:
        present &= COMPARISON[binary.operator](first, second)
    return merged(labels, values, present).compact()


def sets(operator: str, matching: Matching, left: Vector, right: Vector) -> Vector:
    """and, or, unless: elements of one side by whether the other has elements that match, at each step."""
    signature = _signature(matching)
    numbers: dict[Labels, int] = {}
    lefts = np.array([numbers.setdefault(signature(one), len(numbers)) for one in left.labels], int)
    rights = np.array([numbers.setdefault(signature(one), len(numbers)) for one in right.labels], int)
    steps = left.present.shape[1]
    there = np.zeros((len(numbers), steps), bool)
    if operator == "or":
        np.logical_or.at(there, lefts, left.present)
        added = right.present & ~there[rights]
        return merged(
            [*left.labels, *right.labels],
            np.concatenate([left.values, right.values]),
            np.concatenate([left.present, added]),
        ).compact()
    np.logical_or.at(there, rights, right.present)
    other = there[lefts]
    return Vector(left.labels, left.values, left.present & (other if operator == "and" else ~other)).compact()


@dataclass
class _Pairs:
    """Rows of the side with many elements that have a partner: their labels, the partner's labels and values."""

    many: list[int]
    labels: list[Labels]
    ones: list[Labels]
    groups: list[int]
    values: Floats
    present: npt.NDArray[np.bool_]


def _signature(matching: Matching) -> Callable[[Labels], Labels]:
    if matching.on:
        return lambda labels: kept(labels, matching.labels)
    names = (*matching.labels, METRIC)
    return lambda labels: without(labels, names)


def _paired(matching: Matching, many: Vector, one: Vector) -> _Pairs:
    signature = _signature(matching)
    partners: dict[Labels, list[int]] = {}
    for row, labels in enumerate(one.labels):
        partners.setdefault(signature(labels), []).append(row)
    for key, rows in partners.items():
        if len(rows) > 1 and (one.present[rows].sum(axis=0) > 1).any():
            raise EvaluationError(
                f"several elements of one side match {series_text(key)}: {series_text(one.labels[rows[0]])} and "
                f"{series_text(one.labels[rows[1]])}",
                remedy="Match on more labels, or let this side be the many of group_left or group_right",
            )
    keys = {key: number for number, key in enumerate(partners)}
    found: list[tuple[int, int, int]] = []  # row of many, row of one, group
    for row, labels in enumerate(many.labels):
        key = signature(labels)
        found += [(row, partner, keys[key]) for partner in partners.get(key, ())]
    rows, others, groups = ([item[place] for item in found] for place in range(3))
    return _Pairs(
        rows,
        [many.labels[row] for row in rows],
        [one.labels[row] for row in others],
        groups,
        one.values[others],
        one.present[others],
    )


def _result(matching: Matching, many: Labels, one: Labels, drops_name: bool) -> Labels:
    labels = without(many, (METRIC,)) if drops_name else many
    if not matching.many:
        return kept(labels, matching.labels) if matching.on else without(labels, matching.labels)
    if not matching.include:
        return labels
    included = kept(one, matching.include)
    return tuple(sorted([*without(labels, matching.include), *included]))


def _check_unique(matching: Matching, labels: list[Labels], groups: list[int], present: npt.NDArray[np.bool_]) -> None:
    """Two elements of one side may not become one result."""
    keys: list[object] = list(labels) if matching.many else list(groups)
    rows: dict[object, list[int]] = {}
    for row, key in enumerate(keys):
        rows.setdefault(key, []).append(row)
    for found in rows.values():
        if len(found) > 1 and (present[found].sum(axis=0) > 1).any():
            what = "labels of the result" if matching.many else "labels that match"
            raise EvaluationError(
                f"several elements have the same {what}: {series_text(labels[found[0]])}",
                remedy="Match on more labels" if matching.many else "Say group_left or group_right",
            )
