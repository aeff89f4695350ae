"""The metrics of the catalogue are those that the generator writes, with the labels that it gives them."""

from __future__ import annotations

from pathlib import Path

import pytest

from quintet.catalogue import project
from quintet.catalogue.metrics import METRICS, Metric, metric_page
from quintet.timeseries.generator import Scale, generate

BY_NAME = {metric.name: metric for metric in METRICS}


def test_every_metric_that_is_written_is_declared_with_its_labels(tmp_path: Path) -> None:
    truth = generate(tmp_path, days=1, scale=Scale(sensors=1, meters=1, services=1, machines=1))
    written = {
        name: {part.partition("=")[0] for part in next(iter(found)).split(",")} for name, found in truth.series.items()
    }
    assert set(written) | set(truth.expired) == set(BY_NAME)
    assert {name: set(BY_NAME[name].labels) for name in written} == written


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_metric_says_what_it_is_where_it_comes_from_and_whose_it_is(metric: Metric) -> None:
    assert metric.description
    assert metric.source
    assert all(metric.labels.values())
    dags = {dag.dag_id for dag in project(metric.project).dags}
    assert dags & set(metric.lineage.replace("→", " ").split()), "the lineage names the DAG that writes it"


def test_the_page_lists_all_of_them() -> None:
    page = metric_page()
    assert [metric.name for metric in METRICS if f"## {metric.name}\n" not in page] == []
