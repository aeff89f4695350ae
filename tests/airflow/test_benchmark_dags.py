"""The DAGs of the benchmark load, and what the benchmark asks of Airflow's REST API is there."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import pytest

import airflow_home  # noqa: F401  # before Airflow
from paths import ROOT

pytestmark = pytest.mark.airflow

DAGS = ROOT / "tests" / "benchmarks" / "dags"


def test_each_file_holds_the_dag_of_its_name_which_nothing_starts_by_itself() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Airflow's own modules while they are imported
        from airflow.dag_processing.dagbag import DagBag

        bag = DagBag(DAGS)
    assert bag.import_errors == {}
    assert {Path(dag.fileloc).stem: (dag_id, dag.schedule) for dag_id, dag in bag.dags.items()} == {
        file.stem: (file.stem, None) for file in DAGS.glob("*.py")
    }


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("get", "/api/v2/dags/{}"),
        ("delete", "/api/v2/dags/{}"),
        ("patch", "/api/v2/dags/{}/dagRuns/{}"),
        ("get", "/api/v2/dags/{}/dagRuns/{}/taskInstances/{}/xcomEntries/{}"),
    ],
)
def test_a_path_that_the_benchmark_asks_exists(api: dict[str, Any], method: str, path: str) -> None:
    known = {re.sub(r"\{\w+\}", "{}", entry): methods for entry, methods in api["paths"].items()}
    assert method in known[path]


@pytest.mark.parametrize(
    ("schema", "fields"),
    [
        ("DAGResponse", {"is_stale"}),
        ("DAGRunPatchBody", {"state"}),
        ("TaskInstanceResponse", {"start_date", "end_date"}),
        ("XComResponseNative", {"value"}),
    ],
)
def test_a_field_that_the_benchmark_reads_or_sends_exists(api: dict[str, Any], schema: str, fields: set[str]) -> None:
    assert fields <= set(api["components"]["schemas"][schema]["properties"])
