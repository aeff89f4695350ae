"""What a chart asks of its dataset: the query that Superset's page would make of the chart's parameters.

Superset stores it beside the parameters (`query_context`), so that a chart's data can be asked for without a browser.
Known are the kinds of charts that the repository uses, and of their parameters those that change the question.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from quintet.errors import QuintetError

__all__ = ["KINDS", "query_context"]

Parameters = Mapping[str, Any]

#: Kinds of charts with a time or a name along one side.
_SERIES = ("echarts_timeseries_bar", "echarts_timeseries_line")
KINDS = (*_SERIES, "big_number_total", "pie", "table")


def query_context(parameters: Parameters) -> dict[str, Any]:
    """Body of a question to `/api/v1/chart/data`; Superset fills the dataset in when it imports the chart.

    Raises:
        QuintetError: the kind of chart is not known here.

    """
    query: dict[str, Any] = {
        "columns": [],
        "metrics": [],
        "orderby": [],
        "filters": [
            {"col": one["subject"], "op": one["operator"], "val": one["comparator"]}
            for one in parameters.get("adhoc_filters", ())
        ],
        "row_limit": parameters.get("row_limit"),
        "extras": {"having": "", "where": ""},
        **_asked(parameters),
    }
    return {
        "datasource": {"id": 0, "type": "table"},
        "force": False,
        "queries": [query],
        "result_format": "json",
        "result_type": "full",
    }


def _asked(parameters: Parameters) -> dict[str, Any]:
    kind = parameters["viz_type"]
    if kind in _SERIES:
        return _along(parameters)
    if kind == "big_number_total":
        return {"metrics": [parameters["metric"]], "row_limit": 1}
    if kind == "pie":
        return _largest(parameters["groupby"], [parameters["metric"]])
    if kind == "table" and parameters["query_mode"] == "raw":
        order = [json.loads(one) for one in parameters["order_by_cols"]]
        return {"columns": parameters["all_columns"], "orderby": order}
    if kind == "table":
        return _largest(parameters["groupby"], parameters["metrics"])
    raise QuintetError(f"charts of the kind '{kind}' are not known", remedy=f"Known kinds: {', '.join(KINDS)}")


def _along(parameters: Parameters) -> dict[str, Any]:
    axis = parameters["x_axis"]
    column = {"columnType": "BASE_AXIS", "sqlExpression": axis, "label": axis, "expressionType": "SQL"}
    grain = parameters.get("time_grain_sqla")
    extras = {"having": "", "where": ""}
    if grain:
        column["timeGrain"] = grain
        extras["time_grain_sqla"] = grain
    return {**_largest([column, *parameters["groupby"]], parameters["metrics"]), "extras": extras}


def _largest(columns: list[Any], metrics: list[str]) -> dict[str, Any]:
    """Groups, those with the most of the first metric first."""
    return {"columns": columns, "metrics": metrics, "orderby": [[metrics[0], False]]}
