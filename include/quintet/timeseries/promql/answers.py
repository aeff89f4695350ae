"""Results of queries as the JSON of Prometheus' API."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from quintet.timeseries.promql.evaluate import Result
from quintet.timeseries.promql.numbers import number_text, time_number
from quintet.timeseries.promql.vectors import Matrix, Vector

__all__ = ["instant_data", "range_data"]


def instant_data(result: Result) -> dict[str, Any]:
    """`data` of an instant query."""
    time = time_number(int(result.times[0]))
    value = result.value
    if isinstance(value, str):
        return {"resultType": "string", "result": [time, value]}
    if isinstance(value, Matrix):
        return {"resultType": "matrix", "result": list(_windows(value))}
    if isinstance(value, Vector):
        rows = [
            {"metric": dict(labels), "value": [time, number_text(float(value.values[row, 0]))]}
            for row, labels in enumerate(value.labels)
            if value.present[row, 0]
        ]
        return {"resultType": "vector", "result": rows}
    return {"resultType": "scalar", "result": [time, number_text(float(value[0]))]}


def range_data(result: Result) -> dict[str, Any]:
    """`data` of a range query: series sorted by labels, each with the steps at which it is there."""
    times = [time_number(time) for time in result.times.tolist()]
    value = result.value
    if isinstance(value, np.ndarray):
        points = [[time, number_text(number)] for time, number in zip(times, value.tolist(), strict=True)]
        return {"resultType": "matrix", "result": [{"metric": {}, "values": points}]}
    rows: list[dict[str, Any]] = []
    if isinstance(value, Vector):
        for row in sorted(range(len(value.labels)), key=lambda row: value.labels[row]):
            numbers = value.values[row].tolist()
            steps = np.flatnonzero(value.present[row]).tolist()
            if steps:
                points = [[times[step], number_text(numbers[step])] for step in steps]
                rows.append({"metric": dict(value.labels[row]), "values": points})
    return {"resultType": "matrix", "result": rows}


def _windows(matrix: Matrix) -> Iterable[dict[str, Any]]:
    end = int(matrix.ends[0])
    for row, labels in enumerate(matrix.labels):
        points = slice(matrix.offsets[row], matrix.offsets[row + 1])
        inside = [
            [time_number(time), number_text(value)]
            for time, value in zip(matrix.timestamps[points].tolist(), matrix.values[points].tolist(), strict=True)
            if end - matrix.range <= time <= end
        ]
        if inside:
            yield {"metric": dict(labels), "values": inside}
