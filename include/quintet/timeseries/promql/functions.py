"""What functions do with the values of their arguments, at all steps at once."""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import re2

from quintet.timeseries.promql import windows
from quintet.timeseries.promql.errors import EvaluationError, QuerySyntaxError
from quintet.timeseries.promql.lexer import duration
from quintet.timeseries.promql.vectors import Floats, Matrix, Vector, merged, without

__all__ = [
    "CALENDAR",
    "MAPS",
    "clamp",
    "label_join",
    "label_replace",
    "over_time",
    "round_to",
    "sort",
    "step_of",
    "to_scalar",
]

#: Functions of each value alone.
MAPS: dict[str, Callable[[Floats], Floats]] = {
    "abs": np.abs,
    "ceil": np.ceil,
    "floor": np.floor,
    "exp": np.exp,
    "ln": np.log,
    "log2": np.log2,
    "log10": np.log10,
    "sqrt": np.sqrt,
    "sgn": np.sign,
    "deg": np.degrees,
    "rad": np.radians,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tanh": np.tanh,
}
#: As the index reads regular expressions.
_SYNTAX = re2.Options()
_SYNTAX.log_errors = False
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_GROUP = re.compile(r"\$(?:\$|(\w+)|\{(\w+)\})")


def over_time(function: str, matrix: Matrix, parameter: Floats | None = None) -> Vector:
    """A function of the points in each window; an element is there where the window has the points it takes."""
    first, after = windows.window_bounds(matrix.offsets, matrix.timestamps, matrix.ends, matrix.range)
    counts = after - first
    points = matrix.timestamps, matrix.values
    least = 1
    if function in {"rate", "increase", "delta"}:
        least = 2
        result = windows.extrapolated(
            first, after, *points, matrix.ends, matrix.range, function != "delta", function == "rate"
        )
    elif function in {"irate", "idelta"}:
        least = 2
        result = windows.instant_difference(first, after, *points, function == "irate")
    elif function in {"deriv", "predict_linear"}:
        least = 2
        result, value = windows.regression(first, after, *points, matrix.ends, function == "predict_linear")
        if parameter is not None:
            result = result * parameter + value
    elif function in {"changes", "resets"}:
        result = windows.count_changes(first, after, matrix.values, function == "resets")
    elif function == "quantile_over_time":
        result = windows.quantile(first, after, matrix.values, parameter)
    else:
        result = _STATISTICS[function.removesuffix("_over_time")](first, after, matrix.values)
    present = counts >= least
    if function == "last_over_time":  # the only one whose result is still the metric
        return Vector(matrix.labels, result, present)
    return Vector(matrix.labels, result, present).compact().unnamed()


def _last(first: np.ndarray, after: np.ndarray, values: Floats) -> Floats:
    if not len(values):
        return np.zeros(first.shape)
    return np.asarray(values[np.maximum(after - 1, 0)], np.float64)


_STATISTICS: dict[str, Callable[..., Floats]] = {
    "avg": windows.average,
    "min": windows.minimum,
    "max": windows.maximum,
    "sum": windows.total,
    "count": lambda first, after, _: (after - first).astype(np.float64),
    "present": lambda first, after, _: np.ones(first.shape),
    "last": _last,
    "stdvar": windows.variance,
    "stddev": lambda first, after, values: np.sqrt(windows.variance(first, after, values)),
}


def round_to(vector: Vector, nearest: Floats) -> Vector:
    """To the nearest multiple, halves up. Source: Prometheus divides by the inverse, and so do we."""
    inverse = 1 / nearest
    return vector.map(lambda values: np.floor(values * inverse + 0.5) / inverse)


def clamp(vector: Vector, low: Floats, high: Floats) -> Vector:
    """Into [low, high]; without elements where low is beyond high."""
    result = vector.map(lambda values: np.maximum(low, np.minimum(high, values)))
    return Vector(result.labels, result.values, result.present & ~(high < low))


def sort(vector: Vector, *, descending: bool) -> Vector:
    """Elements in the order of their values at the first step, NaN last; only an instant query has an order."""
    values = vector.values[:, 0]
    order = np.argsort(-values if descending else values, kind="stable")
    return Vector([vector.labels[row] for row in order], vector.values[order], vector.present[order])


def to_scalar(vector: Vector) -> Floats:
    """The value where the vector has one element, else NaN."""
    one = vector.present.sum(axis=0) == 1
    values = np.where(vector.present, vector.values, 0).sum(axis=0)
    return np.where(one, values, np.nan)


def label_replace(vector: Vector, target: str, replacement: str, source: str, pattern: str) -> Vector:
    """Set a label from the match of another one's value.

    Raises:
        EvaluationError: the pattern or the name is invalid, or two elements would have the same labels.

    """
    _check_label(target)
    try:
        regex = re2.compile(pattern, _SYNTAX)
    except re2.error as error:
        raise EvaluationError(f"regular expression {pattern!r} in label_replace: {error}") from error

    def replaced(match: Any) -> str:
        def group(found: re.Match[str]) -> str:
            name = found[1] or found[2]
            if name is None:
                return "$"
            try:
                return match.group(int(name) if name.isdigit() else name) or ""
            except (IndexError, KeyError):
                return ""

        return _GROUP.sub(group, replacement)

    labels = []
    for one in vector.labels:
        match = regex.fullmatch(dict(one).get(source, ""))
        labels.append(_with(one, target, replaced(match)) if match else one)
    return merged(labels, vector.values, vector.present)


def label_join(vector: Vector, target: str, separator: str, *sources: str) -> Vector:
    """Set a label to the values of others with a separator between."""
    _check_label(target)
    labels = [
        _with(one, target, separator.join(dict(one).get(source, "") for source in sources)) for one in vector.labels
    ]
    return merged(labels, vector.values, vector.present)


def _with(labels: tuple[tuple[str, str], ...], name: str, value: str) -> tuple[tuple[str, str], ...]:
    others = without(labels, (name,))
    return tuple(sorted([*others, (name, value)])) if value else others


def _check_label(name: str) -> None:
    if not _LABEL.fullmatch(name):
        raise EvaluationError(f"{name!r} is no label name")


def _months(seconds: Floats) -> np.ndarray:
    return np.floor(seconds).astype("datetime64[s]").astype("datetime64[M]")


def _days(seconds: Floats) -> np.ndarray:
    return np.floor(seconds).astype("datetime64[s]").astype("datetime64[D]")


@lru_cache(maxsize=4096)
def _month_length(month: int) -> int:
    return calendar.monthrange(1970 + month // 12, month % 12 + 1)[1]


#: Functions of a time in seconds since the epoch, UTC.
CALENDAR: dict[str, Callable[[Floats], Floats]] = {
    "minute": lambda seconds: np.floor(seconds / 60) % 60,
    "hour": lambda seconds: np.floor(seconds / 3600) % 24,
    "day_of_week": lambda seconds: (np.floor(seconds / 86_400) + 4) % 7,
    "day_of_month": lambda seconds: (_days(seconds) - _months(seconds)).astype(np.float64) + 1,
    "day_of_year": lambda seconds: (_days(seconds) - _days(seconds).astype("datetime64[Y]")).astype(np.float64) + 1,
    "days_in_month": lambda seconds: np.vectorize(_month_length, otypes=[np.float64])(_months(seconds).astype(int)),
    "month": lambda seconds: _months(seconds).astype(int) % 12 + 1.0,
    "year": lambda seconds: _days(seconds).astype("datetime64[Y]").astype(np.float64) + 1970,
}


def step_of(text: str) -> int:
    """A duration as the API takes it, `15s` or seconds, in ns.

    Raises:
        QuerySyntaxError: it is neither, or not above 0.

    """
    try:
        step = round(float(text) * 1e9)
    except (ValueError, OverflowError):
        step = duration(text)
    if step <= 0:
        raise QuerySyntaxError(f"step {text!r} is not above 0")
    return step
