"""Aggregations of the elements of a vector by labels, at all steps at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from quintet.timeseries.compiled import kernel
from quintet.timeseries.model import METRIC, Labels
from quintet.timeseries.promql.errors import EvaluationError
from quintet.timeseries.promql.numbers import number_text
from quintet.timeseries.promql.vectors import Floats, Vector, kept, merged, without

__all__ = ["aggregate", "count_values", "grouping", "select", "summarise"]

_SUM, _AVG, _MIN, _MAX, _COUNT, _STDVAR = range(6)
_OPERATIONS = {"sum": _SUM, "avg": _AVG, "min": _MIN, "max": _MAX, "count": _COUNT, "group": _COUNT}
_OPERATIONS |= {"stdvar": _STDVAR, "stddev": _STDVAR}


def grouping(
    labels: Sequence[Labels], names: Sequence[str], *, drop: bool
) -> tuple[list[Labels], npt.NDArray[np.int64]]:
    """Labels of the groups, and the group of each element."""
    groups: dict[Labels, int] = {}
    names = (*names, METRIC) if drop else names
    choose = without if drop else kept
    numbers = [groups.setdefault(choose(one, names), len(groups)) for one in labels]
    return list(groups), np.array(numbers, np.int64)


def aggregate(operator: str, vector: Vector, names: Sequence[str], *, drop: bool) -> Vector:
    """sum, avg, min, max, count, group, stddev or stdvar."""
    labels, groups = grouping(vector.labels, names, drop=drop)
    values, counts = summarise(_OPERATIONS[operator], vector.values, vector.present, groups, len(labels))
    if operator == "group":
        values = np.ones_like(values)
    elif operator == "stddev":
        values = np.sqrt(values)
    return Vector(labels, values, counts > 0)


@kernel
def summarise(operation, values, present, groups, size):  # type: ignore[no-untyped-def]
    """One of the operations by group: (values float64[g, s], counts int64[g, s])."""
    rows, steps = values.shape
    result = np.zeros((size, steps))
    squares = np.zeros((size, steps))
    counts = np.zeros((size, steps), np.int64)
    for row in range(rows):
        group = groups[row]
        for step in range(steps):
            if not present[row, step]:
                continue
            value = values[row, step]
            held = result[group, step]
            counts[group, step] += 1
            count = counts[group, step]
            if operation == _SUM or operation == _AVG:  # noqa: SIM109
                result[group, step] = held + value
            elif operation == _MIN:
                if count == 1 or value < held or np.isnan(held):
                    result[group, step] = value
            elif operation == _MAX:
                if count == 1 or value > held or np.isnan(held):
                    result[group, step] = value
            elif operation == _COUNT:
                result[group, step] = count
            else:  # Welford: the mean in `result`, the sum of squares beside it
                change = value - held
                result[group, step] = held + change / count
                squares[group, step] += change * (value - result[group, step])
    for group in range(size):
        for step in range(steps):
            count = counts[group, step]
            if count and operation == _AVG:
                result[group, step] /= count
            elif count and operation == _STDVAR:
                result[group, step] = squares[group, step] / count
    return result, counts


def select(operator: str, levels: Floats, vector: Vector, names: Sequence[str], *, drop: bool) -> Vector:
    """quantile; or topk and bottomk, which keep elements as they are.

    Raises:
        EvaluationError: the number of elements is none.

    """
    labels, groups = grouping(vector.labels, names, drop=drop)
    order = np.argsort(groups, kind="stable")
    starts = np.searchsorted(groups[order], np.arange(len(labels) + 1))
    if operator == "quantile":
        values = _quantiles(levels, vector.values, vector.present, order, starts)
        there = np.zeros(values.shape, bool)
        np.logical_or.at(there, groups, vector.present)
        return Vector(labels, values, there)
    if not (np.abs(levels) < 2**62).all():
        raise EvaluationError(f"{operator} takes a number of elements")
    largest = operator == "topk"
    chosen = _chosen(levels.astype(np.int64), vector.values, vector.present, order, starts, largest)
    result = Vector(vector.labels, vector.values, chosen)
    if chosen.shape[1] != 1:
        return result.compact()
    # Only an instant query has an order: by group, the best first.
    signed = -vector.values[:, 0] if largest else vector.values[:, 0]
    ranked = np.lexsort((signed, groups))
    return Vector([vector.labels[row] for row in ranked], vector.values[ranked], chosen[ranked]).compact()


@kernel
def _quantiles(levels, values, present, order, starts):  # type: ignore[no-untyped-def]
    groups, steps = len(starts) - 1, values.shape[1]
    result = np.full((groups, steps), np.nan)
    for group in range(groups):
        numbers = np.empty(starts[group + 1] - starts[group])
        for step in range(steps):
            size, missing = 0, 0
            for place in range(starts[group], starts[group + 1]):
                if present[order[place], step]:
                    value = values[order[place], step]
                    if np.isnan(value):
                        missing += 1
                    else:
                        numbers[size] = value
                        size += 1
            level = levels[step]
            count = size + missing
            if count == 0 or np.isnan(level):
                continue
            if level < 0 or level > 1:
                result[group, step] = -np.inf if level < 0 else np.inf
                continue
            ordered = np.sort(numbers[:size])
            rank = level * (count - 1)
            lower = int(np.floor(rank))
            upper = min(count - 1, lower + 1)
            weight = rank - lower
            below = np.nan if lower < missing else ordered[lower - missing]  # NaN sorts first
            above = np.nan if upper < missing else ordered[upper - missing]
            result[group, step] = below * (1 - weight) + above * weight
    return result


@kernel
def _chosen(numbers, values, present, order, starts, largest):  # type: ignore[no-untyped-def]
    groups, steps = len(starts) - 1, values.shape[1]
    chosen = np.zeros(values.shape, np.bool_)
    for group in range(groups):
        members = np.empty(starts[group + 1] - starts[group], np.int64)
        keys = np.empty(len(members))
        for step in range(steps):
            size = 0
            for place in range(starts[group], starts[group + 1]):
                if present[order[place], step]:
                    value = values[order[place], step]
                    members[size] = order[place]
                    keys[size] = np.inf if np.isnan(value) else (-value if largest else value)
                    size += 1
            wanted = min(numbers[step], size)
            if wanted <= 0:
                continue
            ranked = np.argsort(keys[:size], kind="mergesort")
            for place in range(wanted):
                chosen[members[ranked[place]], step] = True
    return chosen


def count_values(label: str, vector: Vector, names: Sequence[str], *, drop: bool) -> Vector:
    """Elements of each value, which becomes a label."""
    steps = vector.values.shape[1]
    found: dict[Labels, Floats] = {}
    labels, groups = grouping(vector.labels, names, drop=drop)
    for row, step in np.argwhere(vector.present):
        text = number_text(float(vector.values[row, step]))
        others = without(labels[groups[row]], (label,))
        counts = found.setdefault(tuple(sorted([*others, (label, text)])), np.zeros(steps))
        counts[step] += 1
    values = np.array(list(found.values())).reshape(len(found), steps)
    return merged(list(found), values, values > 0)
