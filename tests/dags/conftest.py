"""The DAG bag of the repository, loaded once. `airflow_home` first: it sets the environment of Airflow."""

from __future__ import annotations

import logging
import warnings
from typing import Any

import pytest

import airflow_home  # noqa: F401  # before Airflow
from paths import ROOT

DAGS = ROOT / "dags"


@pytest.fixture(scope="session")
def bag() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Airflow's and Cosmos's own modules while they are imported
        from airflow.dag_processing.dagbag import DagBag

        # What the files share is imported once, by whichever comes first: that is no work of this file.
        import quintet.airflow.models  # noqa: F401

        logging.getLogger("cosmos").setLevel(logging.ERROR)
        return DagBag(DAGS)


@pytest.fixture(scope="session")
def dags(bag: Any) -> dict[str, Any]:
    assert bag.import_errors == {}, "a DAG file does not load: its traceback is above"
    return dict(bag.dags)
