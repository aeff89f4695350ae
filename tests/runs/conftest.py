"""A lab whose Airflow is a small server of the test's own."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_server import PASSWORD, AirflowServer, airflow_server
from labs import lab_below
from quintet.runs.airflow import AirflowClient
from quintet.settings import Lab


@pytest.fixture
def server() -> Iterator[AirflowServer]:
    with airflow_server() as running:
        yield running


@pytest.fixture
def lab(tmp_path: Path, server: AirflowServer) -> Lab:
    return lab_below(
        tmp_path / "lab",
        airflow_port=server.port,
        trino_port=1,
        secrets={"airflow_admin": PASSWORD},
        user=getpass.getuser(),
    )


@pytest.fixture
def airflow(lab: Lab) -> Iterator[AirflowClient]:
    with AirflowClient(lab) as client:
        yield client
