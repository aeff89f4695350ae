"""Dashboards of the repository: only tables and columns of the catalogue, every reference kept, every owner named."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from paths import ROOT
from quintet.catalogue import Column, Layer, Pii, project, table
from quintet.catalogue.gold import described, read_mart
from quintet.dashboards.declared import KINDS, Declared, read_declared, slugs
from quintet.dashboards.queries import query_context
from quintet.errors import QuintetError
from quintet.settings import Endpoint

FOLDER = ROOT / "dashboards"
MARTS = ROOT / "dbt" / "models" / "marts"
DECLARED = [read_declared(FOLDER, slug) for slug in slugs(FOLDER)]
TRINO = Endpoint("trino", "10.0.0.7", 18080)

each = pytest.mark.parametrize("one", DECLARED, ids=lambda one: one.slug)


def columns(dataset: dict[str, Any]) -> dict[str, Column]:
    """Columns of a dataset's table by the catalogue. Raises QuintetError for a table that it lacks."""
    entry = table(f"{dataset['catalog']}.{dataset['schema']}.{dataset['table_name']}")
    found = described(entry, MARTS) if entry.layer is Layer.GOLD else entry
    return {column.name: column for column in found.columns}


def words(expression: str) -> set[str]:
    """Names of columns in an expression of SQL: words that call no function."""
    return set(re.findall(r"\b[a-z_]+\b(?!\()", expression)) - {"distinct"}


def named(parameters: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What a chart names, each as a column or a metric."""
    for key in ("groupby", "all_columns"):
        yield from (("column", name) for name in parameters.get(key, ()))
    if "x_axis" in parameters:
        yield "column", parameters["x_axis"]
    yield from (("column", one["subject"]) for one in parameters["adhoc_filters"])
    yield from (("column", json.loads(one)[0]) for one in parameters.get("order_by_cols", ()))
    yield from (("metric", name) for name in parameters.get("metrics", ()))
    if "metric" in parameters:
        yield "metric", parameters["metric"]


def test_both_projects_have_dashboards_and_every_folder_is_a_project() -> None:
    assert {"ecommerce", "lakehouse"} <= set(slugs(FOLDER))
    assert {path.name for path in FOLDER.iterdir()} == {*slugs(FOLDER), "platform"}
    for slug in slugs(FOLDER):
        assert project(slug).slug == slug


def test_every_uuid_is_unique() -> None:
    found = [entry["uuid"] for one in DECLARED for kind in KINDS[1:] for entry in one.files[kind].values()]
    found += [entry["uuid"] for entry in DECLARED[0].files["databases"].values()]
    assert len(found) == len(list(FOLDER.rglob("*.yaml"))), "a file that is in no folder of a project"
    assert len(found) == len(set(found)) > 30


@each
def test_every_dataset_is_a_table_of_the_catalogue_with_columns_of_it(one: Declared) -> None:
    (database,) = one.files["databases"].values()
    for dataset in one.datasets:
        known = columns(dataset)
        shown = {column["column_name"] for column in dataset["columns"]}
        assert shown - set(known) == set(), dataset["table_name"]
        assert dataset["sql"] is None, "a statement of its own would hide tables from this test"
        assert dataset["database_uuid"] == database["uuid"]
        assert dataset["schema"].endswith(f"_{one.slug}"), "a project shows its own tables"
        assert [name for name in shown if known[name].pii is Pii.DIRECT] == []
        for metric in dataset["metrics"]:
            assert words(metric["expression"]) - shown == set(), metric["metric_name"]
            # Superset takes a metric of a column's name for the column.
            assert metric["metric_name"] not in shown
        times = {column["column_name"] for column in dataset["columns"] if column["is_dttm"]}
        assert times == {name for name in shown if known[name].type in {"date", "timestamp"}}
        assert dataset["main_dttm_col"] in times | {None}


@each
def test_every_chart_names_a_dataset_of_its_project_and_what_that_has(one: Declared) -> None:
    datasets = {dataset["uuid"]: dataset for dataset in one.datasets}
    for chart in one.charts:
        assert chart["dataset_uuid"] in datasets, chart["slice_name"]
        dataset = datasets[chart["dataset_uuid"]]
        known = {("column", column["column_name"]) for column in dataset["columns"]}
        known |= {("metric", metric["metric_name"]) for metric in dataset["metrics"]}
        assert set(named(chart["params"])) - known == set(), chart["slice_name"]
        assert chart["params"]["viz_type"] == chart["viz_type"]
        assert chart["description"]
    assert {chart["dataset_uuid"] for chart in one.charts} == set(datasets), "a dataset that no chart shows"
    titles = [chart["slice_name"] for chart in one.charts]
    assert len(titles) == len(set(titles))


@each
def test_every_dashboard_shows_the_charts_of_its_project_and_names_its_owner(one: Declared) -> None:
    owners = {read_mart(path).owner for path in (MARTS / one.slug).glob("*.yml") if path.with_suffix(".sql").exists()}
    placed = []
    for dashboard in one.dashboards:
        assert {dashboard["certified_by"]} <= owners
        assert dashboard["slug"].startswith(one.slug)
        assert dashboard["published"] is True
        placed += [entry["meta"] for entry in dashboard["position"].values() if "uuid" in _meta(entry)]
        _rows_are_full_and_whole(dashboard["position"])
    titles = {chart["uuid"]: chart["slice_name"] for chart in one.charts}
    assert {meta["uuid"]: meta["sliceName"] for meta in placed} == titles
    assert len(placed) == len(titles)


def _meta(entry: Any) -> dict[str, Any]:
    found: dict[str, Any] = entry.get("meta", {}) if isinstance(entry, dict) else {}
    return found


def _rows_are_full_and_whole(position: dict[str, Any]) -> None:
    children = {"ROOT_ID", "HEADER_ID", "DASHBOARD_VERSION_KEY"}
    for entry in position.values():
        if isinstance(entry, dict):
            children |= set(entry.get("children", ()))
            if entry["type"] == "ROW":
                assert sum(position[child]["meta"]["width"] for child in entry["children"]) == 12
    assert children == set(position)


@each
def test_no_file_names_a_place_and_the_bundle_names_that_of_the_lab(one: Declared) -> None:
    (database,) = one.files["databases"].values()
    assert database["sqlalchemy_uri"] == "trino://superset@{trino}/iceberg"
    assert database["allow_dml"] is False
    stamp, bundle = one.stamp(TRINO), one.packed(TRINO)
    with zipfile.ZipFile(io.BytesIO(bundle)) as opened:
        content = {name: yaml.load(opened.read(name), yaml.CSafeLoader) for name in opened.namelist()}
    assert content["bundle/databases/lab.yaml"]["sqlalchemy_uri"] == "trino://superset@10.0.0.7:18080/iceberg"
    assert content["bundle/metadata.yaml"]["type"] == "assets"
    assert len(content) == 1 + sum(len(one.files[kind]) for kind in KINDS)
    for name, entry in content.items():
        if name.startswith("bundle/dashboards/"):
            assert stamp in entry["certification_details"]
            assert entry["is_managed_externally"] is True
        if name.startswith("bundle/charts/"):
            assert json.loads(entry["query_context"]) == query_context(entry["params"])


def test_the_stamp_changes_with_the_content_and_with_the_place() -> None:
    one = DECLARED[0]
    stamp = one.stamp(TRINO)
    assert read_declared(FOLDER, one.slug).stamp(TRINO) == stamp
    assert one.stamp(Endpoint("trino", "10.0.0.8", 18080)) != stamp
    name, chart = next(iter(one.files["charts"].items()))
    charts = {**one.files["charts"], name: {**chart, "description": "Another"}}
    assert Declared(one.slug, {**one.files, "charts": charts}).stamp(TRINO) != stamp


def test_a_kind_of_chart_that_is_not_known_is_refused() -> None:
    with pytest.raises(QuintetError, match="'sunburst' are not known"):
        query_context({"viz_type": "sunburst"})


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        (
            {"viz_type": "big_number_total", "metric": "revenue"},
            {"metrics": ["revenue"], "columns": [], "row_limit": 1},
        ),
        (
            {"viz_type": "pie", "groupby": ["segment"], "metric": "customers", "row_limit": 9},
            {"columns": ["segment"], "metrics": ["customers"], "orderby": [["customers", False]], "row_limit": 9},
        ),
        (
            {"viz_type": "table", "query_mode": "raw", "all_columns": ["a", "b"], "order_by_cols": ['["a", true]']},
            {"columns": ["a", "b"], "metrics": [], "orderby": [["a", True]]},
        ),
        (
            {"viz_type": "echarts_timeseries_bar", "x_axis": "country", "groupby": [], "metrics": ["revenue"]},
            {"metrics": ["revenue"], "extras": {"having": "", "where": ""}},
        ),
    ],
    ids=["total", "pie", "rows", "names"],
)
def test_a_chart_asks_what_its_parameters_say(parameters: dict[str, Any], expected: dict[str, Any]) -> None:
    (query,) = query_context(parameters)["queries"]
    assert {key: query[key] for key in expected} == expected


def test_a_series_of_times_is_asked_by_its_grain() -> None:
    parameters = {
        "viz_type": "echarts_timeseries_line",
        "x_axis": "trade_date",
        "time_grain_sqla": "P1M",
        "groupby": [],
        "metrics": ["net"],
        "adhoc_filters": [{"subject": "trade_date", "operator": "TEMPORAL_RANGE", "comparator": "No filter"}],
    }
    (query,) = query_context(parameters)["queries"]
    assert query["columns"][0]["timeGrain"] == query["extras"]["time_grain_sqla"] == "P1M"
    assert query["filters"] == [{"col": "trade_date", "op": "TEMPORAL_RANGE", "val": "No filter"}]
