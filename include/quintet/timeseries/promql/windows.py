"""Compiled loops over the points of series: the last point at each step, functions of the points in windows.

Points come as a scan gives them: those of series i are `[offsets[i], offsets[i + 1])`, sorted by time. Windows hold
both of their ends, as in Prometheus 2; steps never go backwards. Sums are compensated (Neumaier), as in Prometheus.
"""

from __future__ import annotations

import numpy as np

from quintet.timeseries.compiled import kernel

__all__ = [
    "average",
    "count_changes",
    "extrapolated",
    "instant_difference",
    "last_index",
    "maximum",
    "minimum",
    "quantile",
    "regression",
    "total",
    "variance",
    "window_bounds",
]

_SECOND = 1e9


@kernel
def last_index(offsets, timestamps, ends, lookback):  # type: ignore[no-untyped-def]
    """Index int64[k, s] of the last point in [end - lookback, end], -1 without one."""
    series, steps = len(offsets) - 1, len(ends)
    found = np.full((series, steps), -1, np.int64)
    for row in range(series):
        position = offsets[row]
        stop = offsets[row + 1]
        for step in range(steps):
            end = ends[step]
            while position < stop and timestamps[position] <= end:
                position += 1
            if position > offsets[row] and timestamps[position - 1] >= end - lookback:
                found[row, step] = position - 1
    return found


@kernel
def window_bounds(offsets, timestamps, ends, length):  # type: ignore[no-untyped-def]
    """First and one after the last index, int64[k, s] each, of the points in [end - length, end]."""
    series, steps = len(offsets) - 1, len(ends)
    first = np.empty((series, steps), np.int64)
    after = np.empty((series, steps), np.int64)
    for row in range(series):
        low = high = offsets[row]
        stop = offsets[row + 1]
        for step in range(steps):
            end = ends[step]
            while high < stop and timestamps[high] <= end:
                high += 1
            while low < high and timestamps[low] < end - length:
                low += 1
            first[row, step] = low
            after[row, step] = high
    return first, after


@kernel
def extrapolated(first, after, timestamps, values, ends, length, counter, per_second):  # type: ignore[no-untyped-def]
    """Increase, rate or delta, NaN with fewer than two points.

    Source: Prometheus 2.42, promql/functions.go, extrapolatedRate: the difference is extended to the window's ends,
    by half a distance between points where a point is further away, and not beyond a counter's zero.
    """
    series, steps = first.shape
    result = np.full((series, steps), np.nan)
    for row in range(series):
        for step in range(steps):
            low, high = first[row, step], after[row, step]
            if high - low < 2:
                continue
            difference = values[high - 1] - values[low]
            if counter:
                previous = 0.0
                for index in range(low, high):
                    if values[index] < previous:
                        difference += previous
                    previous = values[index]
            to_start = (timestamps[low] - (ends[step] - length)) / _SECOND
            to_end = (ends[step] - timestamps[high - 1]) / _SECOND
            sampled = (timestamps[high - 1] - timestamps[low]) / _SECOND
            between = sampled / (high - low - 1)
            if counter and difference > 0 and values[low] >= 0:
                to_zero = sampled * (values[low] / difference)
                if to_zero < to_start:
                    to_start = to_zero
            threshold = between * 1.1
            extended = sampled
            extended += to_start if to_start < threshold else between / 2
            extended += to_end if to_end < threshold else between / 2
            factor = extended / sampled
            if per_second:
                factor /= length / _SECOND
            result[row, step] = difference * factor
    return result


@kernel
def instant_difference(first, after, timestamps, values, per_second):  # type: ignore[no-untyped-def]
    """Difference of the last two points: a rate of a counter, or as it is."""
    series, steps = first.shape
    result = np.full((series, steps), np.nan)
    for row in range(series):
        for step in range(steps):
            high = after[row, step]
            if high - first[row, step] < 2:
                continue
            last, previous = values[high - 1], values[high - 2]
            if not per_second:
                result[row, step] = last - previous
                continue
            difference = last if last < previous else last - previous
            result[row, step] = difference / ((timestamps[high - 1] - timestamps[high - 2]) / _SECOND)
    return result


@kernel
def total(first, after, values):  # type: ignore[no-untyped-def]
    """Sums."""
    series, steps = first.shape
    result = np.zeros((series, steps))
    for row in range(series):
        for step in range(steps):
            part, lost = 0.0, 0.0
            for index in range(first[row, step], after[row, step]):
                value = values[index]
                sum_ = part + value
                if abs(part) >= abs(value):
                    lost += (part - sum_) + value
                else:
                    lost += (value - sum_) + part
                part = sum_
            result[row, step] = part if np.isinf(part) else part + lost
    return result


@kernel
def average(first, after, values):  # type: ignore[no-untyped-def]
    """Means, by steps, so that the sum of large values does not overflow."""
    series, steps = first.shape
    result = np.full((series, steps), np.nan)
    for row in range(series):
        for step in range(steps):
            mean, lost, count = 0.0, 0.0, 0
            for index in range(first[row, step], after[row, step]):
                value = values[index]
                count += 1
                if np.isinf(mean) and ((np.isinf(value) and (mean > 0) == (value > 0)) or np.isfinite(value)):
                    continue
                change = value / count - (mean + lost) / count
                sum_ = mean + change
                if np.isinf(sum_) or np.isnan(sum_):
                    lost = 0.0
                elif abs(mean) >= abs(change):
                    lost += (mean - sum_) + change
                else:
                    lost += (change - sum_) + mean
                mean = sum_
            if count:
                result[row, step] = mean if np.isinf(mean) else mean + lost
    return result


@kernel
def minimum(first, after, values):  # type: ignore[no-untyped-def]
    """Smallest values; NaN only among nothing else."""
    series, steps = first.shape
    result = np.full((series, steps), np.nan)
    for row in range(series):
        for step in range(steps):
            best = np.nan
            for index in range(first[row, step], after[row, step]):
                if values[index] < best or np.isnan(best):
                    best = values[index]
            result[row, step] = best
    return result


@kernel
def maximum(first, after, values):  # type: ignore[no-untyped-def]
    """Largest values; NaN only among nothing else."""
    series, steps = first.shape
    result = np.full((series, steps), np.nan)
    for row in range(series):
        for step in range(steps):
            best = np.nan
            for index in range(first[row, step], after[row, step]):
                if values[index] > best or np.isnan(best):
                    best = values[index]
            result[row, step] = best
    return result


@kernel
def variance(first, after, values):  # type: ignore[no-untyped-def]
    """Population variances, in two passes."""
    series, steps = first.shape
    result = np.full((series, steps), np.nan)
    for row in range(series):
        for step in range(steps):
            low, high = first[row, step], after[row, step]
            if high == low:
                continue
            mean = 0.0
            for index in range(low, high):
                mean += (values[index] - mean) / (index - low + 1)
            squares, errors = 0.0, 0.0
            for index in range(low, high):
                squares += (values[index] - mean) ** 2
                errors += values[index] - mean
            result[row, step] = (squares - errors * errors / (high - low)) / (high - low)
    return result


@kernel
def quantile(first, after, values, levels):  # type: ignore[no-untyped-def]
    """Quantiles with linear interpolation at the level of each step; NaN sorts first, as in Prometheus."""
    series, steps = first.shape
    result = np.full((series, steps), np.nan)
    for row in range(series):
        for step in range(steps):
            low, high = first[row, step], after[row, step]
            level = levels[step]
            if high == low or np.isnan(level):
                continue
            if level < 0 or level > 1:
                result[row, step] = -np.inf if level < 0 else np.inf
                continue
            numbers = np.sort(values[low:high])
            missing = 0
            while missing < high - low and np.isnan(numbers[high - low - 1 - missing]):
                missing += 1
            rank = level * (high - low - 1)
            lower = int(np.floor(rank))
            upper = min(high - low - 1, lower + 1)
            weight = rank - lower
            below = np.nan if lower < missing else numbers[lower - missing]
            above = np.nan if upper < missing else numbers[upper - missing]
            result[row, step] = below * (1 - weight) + above * weight
    return result


@kernel
def count_changes(first, after, values, resets):  # type: ignore[no-untyped-def]
    """How often the value falls (resets) or becomes another."""
    series, steps = first.shape
    result = np.zeros((series, steps))
    for row in range(series):
        for step in range(steps):
            for index in range(first[row, step] + 1, after[row, step]):
                previous, value = values[index - 1], values[index]
                if resets:
                    result[row, step] += value < previous
                else:
                    result[row, step] += value != previous and not (np.isnan(value) and np.isnan(previous))
    return result


@kernel
def regression(first, after, timestamps, values, ends, at_end):  # type: ignore[no-untyped-def]
    """Slope per second and value at the first point, or at the window's end, of the least squares line."""
    series, steps = first.shape
    slope = np.full((series, steps), np.nan)
    value_at = np.full((series, steps), np.nan)
    for row in range(series):
        for step in range(steps):
            low, high = first[row, step], after[row, step]
            count = high - low
            if count < 2:
                continue
            origin = ends[step] if at_end else timestamps[low]
            constant = True
            sum_x = sum_y = sum_xy = sum_xx = 0.0
            for index in range(low, high):
                constant = constant and values[index] == values[low]
                x = (timestamps[index] - origin) / _SECOND
                sum_x += x
                sum_y += values[index]
                sum_xy += x * values[index]
                sum_xx += x * x
            if constant:
                if np.isfinite(values[low]):
                    slope[row, step] = 0.0
                    value_at[row, step] = values[low]
                continue
            slope[row, step] = (sum_xy - sum_x * sum_y / count) / (sum_xx - sum_x * sum_x / count)
            value_at[row, step] = sum_y / count - slope[row, step] * sum_x / count
    return slope, value_at
