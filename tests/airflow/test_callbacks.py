"""What is written when a task fails, a run ends well, a run is late."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from quintet import alerts
from quintet.airflow import callbacks
from quintet.airflow.callbacks import alert_failure, alert_late_run, clear_alerts, project_of
from quintet.alerts import Alert
from quintet.errors import GateError, InputError, ServiceDownError
from quintet.settings import Lab

pytestmark = pytest.mark.airflow


@pytest.fixture(autouse=True)
def here(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.setattr(callbacks, "load_lab", lambda: lab)
    return lab


def failure(task_id: str, error: BaseException | None, run_id: str = "run-1") -> dict[str, Any]:
    instance = SimpleNamespace(task_id=task_id, dag_id="lakehouse_run_pipeline", log_url="http://127.0.0.1/log")
    return {"ti": instance, "run_id": run_id} | ({"exception": error} if error else {})


def gate_alert(run_id: str) -> Alert:
    return Alert(
        severity="critical", source="gate", project="lakehouse", run_id=run_id, title="t", detail="d", remedy="r"
    )


def good_run(*task_ids: str, run_id: str = "run-2") -> dict[str, Any]:
    return {"dag": SimpleNamespace(dag_id="lakehouse_run_pipeline", task_ids=list(task_ids)), "run_id": run_id}


def open_sources(lab: Lab) -> list[str]:
    return [told.alert.source for told in alerts.read(lab) if told.is_open]


def test_a_failure_names_task_error_and_remedy(here: Lab) -> None:
    alert_failure(failure("ingest.land", InputError("a.csv: column Country is missing", remedy="Send it again")))
    (told,) = alerts.read(here)
    assert told.alert.severity == "critical"
    assert told.alert.source == "ingest.land"
    assert told.alert.project == "lakehouse"
    assert told.alert.dag_id == "lakehouse_run_pipeline"
    assert "a.csv: column Country is missing" in told.alert.detail
    assert told.alert.remedy == "Send it again"
    assert told.alert.url == "http://127.0.0.1/log"


def test_an_error_without_a_remedy_points_to_the_log(here: Lab) -> None:
    alert_failure(failure("gold.models.fct_sales.run", RuntimeError("dbt failed")))
    assert "log of gold.models.fct_sales.run" in alerts.read(here)[0].alert.remedy


def test_a_task_whose_process_was_lost_is_told_too(here: Lab) -> None:
    alert_failure(failure("silver.build", None))
    assert "lost" in alerts.read(here)[0].alert.detail


def test_the_gate_is_not_told_twice(here: Lab) -> None:
    alerts.write(here, gate_alert("run-1"))
    alert_failure(failure("silver.gate", GateError("the gate refused a.csv")))
    assert open_sources(here) == ["gate"]


def test_a_gate_that_could_not_tell_is_told(here: Lab) -> None:
    alerts.write(here, gate_alert("another run"))
    alert_failure(failure("silver.gate", GateError("the gate refused a.csv")))
    assert open_sources(here) == ["gate", "silver.gate"]


def test_a_good_run_clears_what_its_tasks_and_its_gate_had_told(here: Lab) -> None:
    alerts.write(here, gate_alert("run-1"))
    alert_failure(failure("silver.build", ServiceDownError("…")))
    alert_failure(failure("care.tables", ServiceDownError("…")))
    clear_alerts(good_run("silver.gate", "silver.build"))
    assert open_sources(here) == ["care.tables"]


def test_a_good_run_without_a_gate_leaves_its_alerts(here: Lab) -> None:
    alerts.write(here, gate_alert("run-1"))
    clear_alerts(good_run("care.tables"))
    assert open_sources(here) == ["gate"]


def test_a_late_run_is_a_warning_that_the_next_good_one_clears(here: Lab) -> None:
    context = {"dag_run": {"dag_id": "lakehouse_run_pipeline", "dag_run_id": "run-1"}, "deadline": {"id": "1"}}
    asyncio.run(alert_late_run(context=context, within="2:00:00"))
    (told,) = alerts.read(here)
    assert (told.alert.severity, told.alert.run_id, told.alert.dag_id) == ("warning", "run-1", "lakehouse_run_pipeline")
    assert "2:00:00" in told.alert.detail
    clear_alerts(good_run("a", run_id="run-1"))
    assert open_sources(here) == ["deadline:lakehouse_run_pipeline"]
    clear_alerts(good_run("a", run_id="run-2"))
    assert open_sources(here) == []


@pytest.mark.parametrize(("dag_id", "slug"), [("lakehouse_run_pipeline", "lakehouse"), ("platform_check", "platform")])
def test_a_dag_belongs_to_the_project_its_name_begins_with(dag_id: str, slug: str) -> None:
    assert project_of(dag_id) == slug
