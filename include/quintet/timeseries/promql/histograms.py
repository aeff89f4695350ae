"""Quantiles of histograms with buckets, by the label `le`.

Source: Prometheus 2.42, promql/quantile.go, bucketQuantile: linear interpolation within a bucket, from 0 in the first.
"""

from __future__ import annotations

import math

import numpy as np

from quintet.timeseries.compiled import kernel
from quintet.timeseries.model import METRIC, Labels
from quintet.timeseries.promql.vectors import Floats, Vector, without

__all__ = ["histogram_quantile"]


def histogram_quantile(levels: Floats, vector: Vector) -> Vector:
    """The quantile at each step of each group of buckets; elements without a number in `le` are left out."""
    groups: dict[Labels, list[tuple[float, int]]] = {}
    for row, labels in enumerate(vector.labels):
        bound = _bound(dict(labels).get("le", ""))
        if bound is not None:
            groups.setdefault(without(labels, ("le", METRIC)), []).append((bound, row))
    steps = vector.values.shape[1]
    values = np.empty((len(groups), steps))
    present = np.empty((len(groups), steps), bool)
    for number, buckets in enumerate(groups.values()):
        buckets.sort()
        rows = [row for _, row in buckets]
        bounds = np.array([bound for bound, _ in buckets])
        values[number] = _bucket_quantile(levels, bounds, vector.values[rows], vector.present[rows])
        present[number] = vector.present[rows].any(axis=0)
    return Vector(list(groups), values, present)


def _bound(text: str) -> float | None:
    try:
        bound = float(text)
    except ValueError:
        return None
    return None if math.isnan(bound) else bound


@kernel
def _bucket_quantile(levels, bounds, counts, present):  # type: ignore[no-untyped-def]
    rows, steps = counts.shape
    result = np.full(steps, np.nan)
    upper = np.empty(rows)
    count = np.empty(rows)
    for step in range(steps):
        level = levels[step]
        if np.isnan(level):
            continue
        if level < 0 or level > 1:
            result[step] = -np.inf if level < 0 else np.inf
            continue
        size = 0
        for row in range(rows):  # buckets with one bound under two spellings are one
            if present[row, step]:
                if size and upper[size - 1] == bounds[row]:
                    count[size - 1] += counts[row, step]
                else:
                    upper[size] = bounds[row]
                    count[size] = counts[row, step]
                    size += 1
        if size < 2 or not (np.isinf(upper[size - 1]) and upper[size - 1] > 0):
            continue
        highest = count[0]
        for row in range(1, size):  # buckets scraped at different moments may fall
            if count[row] > highest:
                highest = count[row]
            elif count[row] < highest:
                count[row] = highest
        if count[size - 1] == 0 or np.isnan(count[size - 1]):
            continue
        rank = level * count[size - 1]
        found = 0
        while found < size - 1 and not count[found] >= rank:
            found += 1
        if found == size - 1:
            result[step] = upper[size - 2]
        elif found == 0 and upper[0] <= 0:
            result[step] = upper[0]
        else:
            begin, inside = 0.0, count[found]
            if found > 0:
                begin = upper[found - 1]
                inside -= count[found - 1]
                rank -= count[found - 1]
            # An empty first bucket at level 0: 0 / 0, as in Prometheus.
            result[step] = begin + (upper[found] - begin) * (rank / inside) if inside != 0 else np.nan
    return result
