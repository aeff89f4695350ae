"""Evaluation of a query: every expression at all steps at once, over what scans of the store give.

An instant selector takes the last point within the look-back (5 min) before a step. A point with Prometheus'
staleness marker (a NaN of its own, which remote write brings) ends its series until the next point and is in no
window. Windows and the look-back hold both of their ends, as in Prometheus 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from quintet.timeseries.model import MAX_TIME, MIN_TIME, MINUTE, Labels, Matcher, Scan, ScanStats
from quintet.timeseries.promql import functions
from quintet.timeseries.promql.aggregates import aggregate, count_values, select
from quintet.timeseries.promql.errors import QuerySyntaxError
from quintet.timeseries.promql.histograms import histogram_quantile
from quintet.timeseries.promql.limits import Budget, QueryLimits
from quintet.timeseries.promql.matching import scalars, sets, vector_and_scalar, vectors
from quintet.timeseries.promql.parser import SETS, parse
from quintet.timeseries.promql.tree import (
    Aggregate,
    At,
    Binary,
    Call,
    Expression,
    Number,
    Selector,
    Subquery,
    Text,
    Unary,
)
from quintet.timeseries.promql.vectors import Floats, Matrix, Vector
from quintet.timeseries.promql.windows import last_index
from quintet.timeseries.storage import Storage

__all__ = ["LOOKBACK", "STALE", "Engine", "Result", "Touched"]

LOOKBACK = 5 * MINUTE
#: Bits of the value that ends a series.
STALE = np.uint64(0x7FF0000000000002)
#: Step of a subquery that gives none: Prometheus' default interval of evaluation.
_SUBQUERY_STEP = MINUTE

Value: TypeAlias = "Floats | Vector | Matrix | str"


@dataclass(frozen=True)
class Touched:
    """What one selector of a query read: its matchers, its time [start, end) in ns, and the scan's figures."""

    matchers: tuple[Matcher, ...]
    start: int
    end: int
    stats: ScanStats


@dataclass(frozen=True)
class Result:
    """The value of a query at its times (int64[s], ns), and what it read."""

    value: Value
    times: npt.NDArray[np.int64]
    touched: list[Touched]


class Engine:
    """Answers queries over a store."""

    def __init__(self, store: Storage, *, limits: QueryLimits | None = None, lookback: int = LOOKBACK) -> None:
        self._store = store
        self._limits = limits or QueryLimits()
        self._lookback = lookback

    def instant(self, query: str, time: int) -> Result:
        """The value at one time.

        Raises:
            QueryError: the query is none, or cannot be answered within the limits.

        """
        return self._run(parse(query), np.array([time], np.int64))

    def range(self, query: str, start: int, end: int, step: int) -> Result:
        """The values from start to end, both included, each step.

        Raises:
            QueryError: as for `instant`; also when the query is no vector or scalar.

        """
        expression = parse(query)
        if expression.kind not in {"vector", "scalar"}:
            raise QuerySyntaxError(f"a range query takes an instant vector or a scalar, not a {expression.kind}")
        if end < start:
            raise QuerySyntaxError("the range ends before it starts")
        if step <= 0:
            raise QuerySyntaxError("the step is not above 0")
        steps = (end - start) // step + 1
        Budget(self._limits).check_steps(steps)
        return self._run(expression, start + step * np.arange(steps, dtype=np.int64))

    def explain(self, query: str, start: int, end: int) -> list[Touched]:
        """What the selectors of a query over a time would touch, without reading a point."""
        return self._begin(np.array([start, end], np.int64)).explain(parse(query))

    def _run(self, expression: Expression, times: npt.NDArray[np.int64]) -> Result:
        run = self._begin(times)
        with np.errstate(all="ignore"):
            value = run.value(expression)
        return Result(value, times, run.touched)

    def _begin(self, times: npt.NDArray[np.int64]) -> _Run:
        return _Run(self._store, Budget(self._limits), self._lookback, times, (int(times[0]), int(times[-1])))


@dataclass
class _Run:
    """One query. `bounds`: first and last step of the query, also within subqueries, for `@ start()` and `@ end()`."""

    store: Storage
    budget: Budget
    lookback: int
    times: npt.NDArray[np.int64]
    bounds: tuple[int, int]
    touched: list[Touched] = field(default_factory=list)

    def value(self, expression: Expression) -> Value:
        self.budget.check_time()
        match expression:
            case Number():
                return self.constant(expression.value)
            case Text():
                return expression.value
            case Selector():
                return self.matrix(expression) if expression.range else self.instant(expression)
            case Subquery():
                return self.subquery(expression)
            case Unary():
                operand = self.value(expression.expression)
                return operand.map(np.negative) if isinstance(operand, Vector) else -_floats(operand)
            case Binary():
                return self.binary(expression)
            case Aggregate():
                return self.aggregate(expression)
            case Call():
                return self.call(expression)
        raise QuerySyntaxError(f"unknown expression {expression!r}")

    def constant(self, value: float) -> Floats:
        return np.full(len(self.times), value)

    def vector(self, expression: Expression) -> Vector:
        value = self.value(expression)
        if not isinstance(value, Vector):
            raise QuerySyntaxError("an instant vector expected")
        return value

    def scalar(self, expression: Expression) -> Floats:
        return _floats(self.value(expression))

    def ends(self, offset: int, at: At) -> npt.NDArray[np.int64]:
        """The times at which a selector looks."""
        if at is None:
            return self.times - offset
        fixed = self.bounds[0] if at == "start" else self.bounds[1] if at == "end" else int(at)
        return np.full(len(self.times), fixed - offset, np.int64)

    def window(self, selector: Selector) -> tuple[npt.NDArray[np.int64], int, int]:
        """Times of a selector, and the interval [start, end) that it reads."""
        ends = self.ends(selector.offset, selector.at)
        start = max(MIN_TIME, int(ends.min()) - (selector.range or self.lookback))
        return ends, start, min(MAX_TIME, int(ends.max()) + 1)

    def scan(self, selector: Selector) -> tuple[Scan, npt.NDArray[np.int64]]:
        ends, start, end = self.window(selector)
        self.budget.take_scan(self.store.explain(selector.matchers, start, end))
        scan = self.store.scan(selector.matchers, start, end)
        self.touched.append(Touched(selector.matchers, start, end, scan.stats))
        self.budget.take(0, len(scan.labels))
        self.budget.take_cells(len(scan.labels) * len(self.times))
        self.budget.check_time()
        return scan, ends

    def last(self, selector: Selector) -> tuple[Scan, npt.NDArray[np.int64]]:
        """The scan of an instant selector, and the index of the point of each element, -1 without one."""
        scan, ends = self.scan(selector)
        index = last_index(scan.offsets, scan.timestamps, ends, self.lookback)
        if len(scan.values):
            index[(index >= 0) & (scan.values.view(np.uint64)[index] == STALE)] = -1
        return scan, index

    def instant(self, selector: Selector) -> Vector:
        scan, index = self.last(selector)
        values = scan.values[index] if len(scan.values) else np.zeros(index.shape)
        return Vector(scan.labels, values, index >= 0).compact()

    def timestamps(self, selector: Selector) -> Vector:
        scan, index = self.last(selector)
        times = scan.timestamps[index] / 1e9 if len(scan.values) else np.zeros(index.shape)
        return Vector(scan.labels, times, index >= 0).compact().unnamed()

    def matrix(self, selector: Selector) -> Matrix:
        scan, ends = self.scan(selector)
        stale = scan.values.view(np.uint64) == STALE
        if not stale.any():
            return Matrix(scan.labels, scan.offsets, scan.timestamps, scan.values, ends, selector.range)
        gone = np.concatenate([[0], np.cumsum(stale)])
        offsets = scan.offsets - gone[scan.offsets]
        return Matrix(scan.labels, offsets, scan.timestamps[~stale], scan.values[~stale], ends, selector.range)

    def subquery(self, subquery: Subquery) -> Matrix:
        ends = self.ends(subquery.offset, subquery.at)
        inner = self.inside(subquery, ends)
        if not len(inner.times):  # no multiple of the step lies in the range
            empty = np.empty(0, np.int64)
            return Matrix([], np.zeros(1, np.int64), empty, empty.astype(np.float64), ends, subquery.range)
        value = inner.value(subquery.expression)
        if not isinstance(value, Vector):
            raise QuerySyntaxError("a subquery takes an instant vector")
        counts = value.present.sum(axis=1)
        times = np.broadcast_to(inner.times, value.values.shape)[value.present]
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        return Matrix(value.labels, offsets, times, value.values[value.present], ends, subquery.range)

    def inside(self, subquery: Subquery, ends: npt.NDArray[np.int64]) -> _Run:
        """The run of a subquery's expression: its times are multiples of its step."""
        step = subquery.step or _SUBQUERY_STEP
        first = -(-(int(ends.min()) - subquery.range) // step) * step
        count = max(0, (int(ends.max()) - first) // step + 1)
        self.budget.check_steps(count)
        times = first + step * np.arange(count, dtype=np.int64)
        return _Run(self.store, self.budget, self.lookback, times, self.bounds, self.touched)

    def binary(self, binary: Binary) -> Value:
        left, right = self.value(binary.left), self.value(binary.right)
        if isinstance(left, Vector) and isinstance(right, Vector):
            if binary.operator in SETS:
                return sets(binary.operator, binary.matching, left, right)
            return vectors(binary, left, right)
        if isinstance(left, Vector):
            return vector_and_scalar(binary, left, _floats(right), swapped=False)
        if isinstance(right, Vector):
            return vector_and_scalar(binary, right, _floats(left), swapped=True)
        return scalars(binary.operator, _floats(left), _floats(right))

    def aggregate(self, node: Aggregate) -> Vector:
        vector = self.vector(node.expression).compact()
        if node.parameter is None:
            return aggregate(node.operator, vector, node.labels, drop=node.without)
        parameter = self.value(node.parameter)
        if isinstance(parameter, str):
            return count_values(parameter, vector, node.labels, drop=node.without)
        return select(node.operator, _floats(parameter), vector, node.labels, drop=node.without)

    def call(self, call: Call) -> Value:
        name, arguments = call.function, call.arguments
        if name in functions.MAPS:
            return self.vector(arguments[0]).map(functions.MAPS[name])
        if name in functions.CALENDAR:
            vector = self.vector(arguments[0]) if arguments else self.now()
            return vector.map(functions.CALENDAR[name])
        matrices = [argument for argument in arguments if argument.kind == "matrix"]
        if matrices:
            matrix = self.value(matrices[0])
            numbers = [self.scalar(argument) for argument in arguments if argument.kind == "scalar"]
            if not isinstance(matrix, Matrix):
                raise QuerySyntaxError("a range vector expected")
            if name == "absent_over_time":
                return self.absent(matrices[0], functions.over_time("present_over_time", matrix))
            return functions.over_time(name, matrix, *numbers)
        return self.other(name, arguments)

    def other(self, name: str, arguments: Sequence[Expression]) -> Value:
        """Functions that are one of a kind."""
        match name:
            case "time":
                return self.times / 1e9
            case "pi":
                return self.constant(np.pi)
            case "scalar":
                return functions.to_scalar(self.vector(arguments[0]))
            case "vector":
                return self.single(self.scalar(arguments[0]))
            case "timestamp":
                if isinstance(arguments[0], Selector):
                    return self.timestamps(arguments[0])
                times = self.times / 1e9
                return self.vector(arguments[0]).map(lambda values: np.broadcast_to(times, values.shape))
            case "absent":
                return self.absent(arguments[0], self.vector(arguments[0]))
            case "sort" | "sort_desc":
                return functions.sort(self.vector(arguments[0]), descending=name == "sort_desc")
            case "round":
                nearest = self.scalar(arguments[1]) if len(arguments) > 1 else self.constant(1)
                return functions.round_to(self.vector(arguments[0]), nearest)
            case "clamp" | "clamp_min" | "clamp_max":
                bounds = [self.scalar(argument) for argument in arguments[1:]]
                low = self.constant(-np.inf) if name == "clamp_max" else bounds[0]
                high = self.constant(np.inf) if name == "clamp_min" else bounds[-1]
                return functions.clamp(self.vector(arguments[0]), low, high)
            case "histogram_quantile":
                return histogram_quantile(self.scalar(arguments[0]), self.vector(arguments[1]))
            case "label_replace" | "label_join":
                texts = [argument.value for argument in arguments[1:] if isinstance(argument, Text)]
                function = functions.label_replace if name == "label_replace" else functions.label_join
                return function(self.vector(arguments[0]), *texts)
        raise QuerySyntaxError(f"unknown function {name!r}")

    def now(self) -> Vector:
        return self.single(self.times / 1e9)

    def single(self, values: Floats) -> Vector:
        """A vector of one element without labels."""
        return Vector([()], values.reshape(1, -1), np.ones((1, len(self.times)), bool))

    def absent(self, argument: Expression, vector: Vector) -> Vector:
        """1 where nothing is there, with the labels that the selector asks for by equality."""
        labels: Labels = ()
        if isinstance(argument, Selector):
            named = [matcher for matcher in argument.matchers if matcher.name != "__name__"]
            names = [matcher.name for matcher in named]
            labels = tuple(
                sorted((m.name, m.value) for m in named if m.op == "=" and m.value and names.count(m.name) == 1)
            )
        present = ~vector.present.any(axis=0).reshape(1, -1)
        return Vector([labels], np.ones(present.shape), present).compact()

    def explain(self, expression: Expression) -> list[Touched]:
        match expression:
            case Selector():
                _, start, end = self.window(expression)
                stats = self.store.explain(expression.matchers, start, end)
                self.touched.append(Touched(expression.matchers, start, end, stats))
            case Subquery():
                inner = self.inside(expression, self.ends(expression.offset, expression.at))
                if len(inner.times):
                    inner.explain(expression.expression)
            case Unary() | Aggregate():
                self.explain(expression.expression)
                if isinstance(expression, Aggregate) and expression.parameter is not None:
                    self.explain(expression.parameter)
            case Binary():
                self.explain(expression.left)
                self.explain(expression.right)
            case Call():
                for argument in expression.arguments:
                    self.explain(argument)
        return self.touched


def _floats(value: Value) -> Floats:
    if isinstance(value, Vector | Matrix | str):
        raise QuerySyntaxError("a scalar expected")
    return value
