"""Operators: what they run, what they skip, whom they ask."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException

import airflow_home
from quintet.airflow import operators
from quintet.airflow.errors import JobFailedError
from quintet.airflow.operators import ApproveFullRefresh, CallOperator, SparkJobOperator
from quintet.errors import SettingsError
from quintet.settings import Lab

pytestmark = pytest.mark.airflow


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Lab:
    """The lab, whose environments are the interpreter of this test."""
    for name in ("spark", "dbt"):
        folder = airflow_home.LAB.environment(name).prefix / "bin"
        folder.mkdir(parents=True, exist_ok=True)
        program = folder / "python"
        program.unlink(missing_ok=True)
        program.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n', encoding="utf-8")
        program.chmod(0o755)
    monkeypatch.setattr(operators, "load_lab", lambda: airflow_home.LAB)
    return airflow_home.LAB


def test_a_function_is_called_in_its_environment_and_its_result_returned(here: Lab) -> None:
    task = CallOperator(
        task_id="t",
        function="quintet.lakehouse.changes:record",
        arguments={"layer": "gold"},
        more={"found": {"versions": {"t": "1"}}},
    )
    assert task.execute({}) == {"layer": "gold", "versions": {"t": "1"}}


def test_an_error_of_the_function_is_the_error_of_the_task(here: Lab) -> None:
    task = CallOperator(
        task_id="t", function="quintet.lakehouse.changes:record", arguments={"layer": "iron", "found": {}}
    )
    with pytest.raises(Exception, match=r"there is no layer 'iron' that is built\. Name silver or gold"):
        task.execute({})


@pytest.mark.parametrize("changed", [True, False])
def test_nothing_to_do_is_shown_as_skipped(changed: bool, here: Lab, tmp_path: Path) -> None:
    arguments = {"s": f'{{"changed": {str(changed).lower()}}}'}
    task = CallOperator(task_id="t", function="json:loads", arguments=arguments, skip_unless="changed")
    if changed:
        assert task.execute({}) == {"changed": True}
    else:
        with pytest.raises(AirflowSkipException, match="nothing to do"):
            task.execute({})


def test_a_spark_job_gets_its_options_and_leaves_empty_ones_out() -> None:
    task = SparkJobOperator(
        task_id="gate",
        application="lakehouse/gate.py",
        options={"run-id": "manual__1 2", "from": "", "to": "2011-01-31", "full-refresh": "False", "force": "True"},
    )
    program, job, *given = task.command(airflow_home.LAB)
    assert program == str(airflow_home.LAB.environment("spark").python)
    assert job == str(airflow_home.LAB.path("app") / "spark_jobs" / "lakehouse" / "gate.py")
    assert given == ["--run-id=manual__1 2", "--to=2011-01-31", "--force"]


def test_every_spark_job_of_a_dag_exists() -> None:
    from quintet.airflow import lakehouse

    named = set(Path(lakehouse.__file__).read_text(encoding="utf-8").split('"')) & {
        f"lakehouse/{job}.py" for job in ("gate", "silver")
    }
    assert len(named) == 2
    for job in named:
        assert (airflow_home.LAB.path("app") / "spark_jobs" / job).is_file(), job


def test_an_ordinary_run_asks_nobody() -> None:
    task = ApproveFullRefresh(task_id="approve", body="?")
    with pytest.raises(AirflowSkipException):
        task.execute({"params": {"full_refresh": False}})


def test_a_full_refresh_asks_and_a_rejection_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.providers.standard.exceptions import HITLRejectException
    from airflow.providers.standard.operators import hitl
    from airflow.sdk.exceptions import TaskAwaitingInput

    asked: dict[str, Any] = {}
    monkeypatch.setattr(hitl, "upsert_hitl_detail", lambda **given: asked.update(given))
    task = ApproveFullRefresh(task_id="approve", body="All tables")
    with pytest.raises(TaskAwaitingInput):
        task.execute({"params": {"full_refresh": True}, "task_instance": SimpleNamespace(id="1")})
    assert asked["options"] == ["Approve", "Reject"]
    assert asked["defaults"] == ["Reject"]

    from airflow.sdk.timezone import utcnow

    answer = {"params_input": {}, "responded_at": utcnow(), "responded_by_user": None}
    with pytest.raises(HITLRejectException):
        task.execute_complete({}, {**answer, "chosen_options": ["Reject"]})
    assert task.execute_complete({}, {**answer, "chosen_options": ["Approve"]})["chosen_options"] == ["Approve"]


def test_an_error_keeps_its_class_on_the_way(here: Lab) -> None:
    task = CallOperator(task_id="t", function="quintet.settings:read_lab", arguments={"path": "absent"})
    with pytest.raises(JobFailedError, match="AttributeError"):
        task.execute({})
    task = CallOperator(task_id="t", function="quintet.catalogue:project", arguments={"slug": "nothing"})
    with pytest.raises(JobFailedError, match="there is no project 'nothing'"):
        task.execute({})
    task = CallOperator(task_id="t", function="no.such:thing")
    with pytest.raises(SettingsError, match="cannot be loaded"):
        task.execute({})
