"""Functions that a query may call, with the kinds of their arguments and of their result."""

from __future__ import annotations

from dataclasses import dataclass

from quintet.timeseries.promql.tree import Kind

__all__ = ["AGGREGATES", "FUNCTIONS", "PARAMETRIC", "Signature"]


@dataclass(frozen=True)
class Signature:
    """Kinds of the arguments, of which the last `optional` may be left out, and of the result."""

    arguments: tuple[Kind, ...]
    result: Kind = "vector"
    optional: int = 0
    variadic: bool = False


_OF_RANGE = (
    "rate irate increase delta idelta deriv changes resets avg_over_time min_over_time max_over_time sum_over_time "
    "count_over_time last_over_time present_over_time stddev_over_time stdvar_over_time absent_over_time"
)
_OF_VECTOR = (
    "abs ceil floor exp ln log2 log10 sqrt sgn deg rad sin cos tan asin acos atan sinh cosh tanh timestamp absent sort "
    "sort_desc"
)
_OF_TIME = "minute hour day_of_week day_of_month day_of_year days_in_month month year"

FUNCTIONS: dict[str, Signature] = {
    **{name: Signature(("matrix",)) for name in _OF_RANGE.split()},
    **{name: Signature(("vector",)) for name in _OF_VECTOR.split()},
    **{name: Signature(("vector",), optional=1) for name in _OF_TIME.split()},
    "quantile_over_time": Signature(("scalar", "matrix")),
    "predict_linear": Signature(("matrix", "scalar")),
    "round": Signature(("vector", "scalar"), optional=1),
    "clamp": Signature(("vector", "scalar", "scalar")),
    "clamp_min": Signature(("vector", "scalar")),
    "clamp_max": Signature(("vector", "scalar")),
    "histogram_quantile": Signature(("scalar", "vector")),
    "label_replace": Signature(("vector", "string", "string", "string", "string")),
    "label_join": Signature(("vector", "string", "string", "string"), variadic=True),
    "time": Signature((), "scalar"),
    "pi": Signature((), "scalar"),
    "scalar": Signature(("vector",), "scalar"),
    "vector": Signature(("scalar",)),
}

#: Aggregations, and the kind of the parameter of those that have one.
AGGREGATES = frozenset(
    "sum avg min max count group stddev stdvar quantile topk bottomk count_values".split()  # noqa: SIM905
)
PARAMETRIC: dict[str, Kind] = {"quantile": "scalar", "topk": "scalar", "bottomk": "scalar", "count_values": "string"}
