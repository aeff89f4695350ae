"""Answers about what was read, and answers of SQL, as JSON values."""

from __future__ import annotations

import json
import math
from typing import Any

import pyarrow as pa

from quintet.timeseries import sql
from quintet.timeseries.downsample import Asked, whole_buckets
from quintet.timeseries.model import METRIC, Matcher
from quintet.timeseries.promql.evaluate import Touched
from quintet.timeseries.promql.limits import Budget, QueryLimits
from quintet.timeseries.storage import Storage

__all__ = ["downsampled_data", "selected_data", "table_data", "touched_data"]


def touched_data(one: Touched) -> dict[str, Any]:
    """What a selector touches, for a person and for programs."""
    return {"selector": _text(one.matchers), "start": one.start, "end": one.end, **vars(one.stats)}


def selected_data(store: Any, statement: str) -> dict[str, Any]:
    """What a statement would read."""
    selection, stats = sql.explain(store, statement)
    if selection is None:
        return {"selector": None, **vars(stats)}
    return {"selector": _text(selection.matchers), "start": selection.start, "end": selection.end, **vars(stats)}


def downsampled_data(store: Storage, asked: Asked, limits: QueryLimits, rows: int) -> dict[str, Any]:
    """Columns and rows of aggregates by bucket, and what was read for them.

    Raises:
        QueryLimitError: it would touch more than it may, or have more than so many rows.

    """
    budget = Budget(limits)
    bounds = asked.matchers, *whole_buckets(asked.start, asked.end, asked.step)
    touched = store.explain_downsample(*bounds, asked.step)
    for one in touched:
        budget.take_scan(one.stats)
    table = store.downsample(*bounds, asked.step, asked.fill, limit=rows)
    budget.check_time()
    told = [{"source": one.source, "start": one.start, "end": one.end, **vars(one.stats)} for one in touched]
    return {**table_data(table), "touched": told}


def table_data(table: pa.Table) -> dict[str, Any]:
    """Columns and rows; times as text in ISO 8601, numbers that JSON does not know as text."""
    columns = []
    for column in table.columns:
        if not pa.types.is_nested(column.type) and not pa.types.is_dictionary(column.type):
            column = column.cast(pa.string()) if not _is_plain(column.type) else column
        columns.append([_json(value) for value in column.to_pylist()])
    return {"columns": table.column_names, "rows": [list(row) for row in zip(*columns, strict=True)]}


def _is_plain(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_string(kind)
        or pa.types.is_null(kind)
    )


def _json(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
    if isinstance(value, list) and all(isinstance(item, tuple) for item in value):
        return {str(name): _json(item) for name, item in value}
    if isinstance(value, bool | int | float | str) or value is None:
        return value
    return str(value)


def _text(matchers: tuple[Matcher, ...]) -> str:
    metric = next((one.value for one in matchers if one.name == METRIC and one.op == "="), "")
    others = [one for one in matchers if not (one.name == METRIC and one.op == "=" and one.value == metric)]
    return metric + "{" + ",".join(f"{one.name}{one.op}{json.dumps(one.value)}" for one in others) + "}"
