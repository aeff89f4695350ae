"""The client of Airflow's API against a real server: tokens, pages, refusals, approvals, logs."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from airflow_server import PAGE, PASSWORD, RUN_ID, AirflowServer, Step, dag_run, task
from labs import lab_below
from quintet.errors import LabError, ServiceDownError
from quintet.runs.airflow import AirflowClient, TaskState
from quintet.settings import Lab

DAG = "shop_run_pipeline"
GATE = TaskState("silver.gate", -1, "failed", 2, 3.5, "SparkJobOperator")


def test_a_run_is_triggered_after_its_dag_was_switched_on(airflow: AirflowClient, server: AirflowServer) -> None:
    assert airflow.trigger(DAG, {"input": "/data"}) == RUN_ID
    assert server.asked == [
        ("POST", "/auth/token", {"username": "admin", "password": PASSWORD}),
        ("PATCH", f"/api/v2/dags/{DAG}", {"is_paused": False}),
        ("POST", f"/api/v2/dags/{DAG}/dagRuns", {"logical_date": None, "conf": {"input": "/data"}}),
    ]


def test_one_token_serves_until_it_runs_out(airflow: AirflowClient, server: AirflowServer) -> None:
    airflow.state(DAG, RUN_ID)
    airflow.state(DAG, RUN_ID)
    assert server.tokens == 1
    server.expired = 1
    assert airflow.state(DAG, RUN_ID) == "success"
    assert server.tokens == 2


def test_a_wrong_password_is_named_with_its_remedy_and_not_shown(tmp_path: Path, server: AirflowServer) -> None:
    lab = lab_below(tmp_path / "other", airflow_port=server.port, secrets={"airflow_admin": "guessed-wrong"})
    with AirflowClient(lab) as airflow, pytest.raises(LabError, match="administrator's password") as refusal:
        airflow.state(DAG, RUN_ID)
    assert refusal.value.remedy == "Run: make install"
    assert "guessed-wrong" not in str(refusal.value)


def test_a_closed_port_is_a_service_that_is_down(tmp_path: Path) -> None:
    lab = lab_below(tmp_path / "lab", airflow_port=1, secrets={"airflow_admin": PASSWORD})
    with AirflowClient(lab) as airflow, pytest.raises(ServiceDownError, match=r"127\.0\.0\.1:1") as down:
        airflow.trigger(DAG, {})
    assert down.value.remedy == "Run: quintet doctor"


def test_a_server_that_accepts_and_says_nothing_is_down_after_the_timeout(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        lab = lab_below(tmp_path / "lab", airflow_port=port, secrets={"airflow_admin": PASSWORD})
        with AirflowClient(lab, timeout=0.2) as airflow, pytest.raises(ServiceDownError, match="timed out"):
            airflow.state(DAG, RUN_ID)


def test_another_program_on_the_port_is_recognised(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        thread = threading.Thread(target=_greet, args=(stranger,))
        thread.start()
        lab = lab_below(tmp_path / "lab", airflow_port=stranger.getsockname()[1], secrets={"airflow_admin": PASSWORD})
        with AirflowClient(lab) as airflow, pytest.raises(LabError, match=r"is not Airflow: '<h1>shop</h1>'"):
            airflow.state(DAG, RUN_ID)
        thread.join()


def _greet(stranger: socket.socket) -> None:
    connection, _ = stranger.accept()
    with connection:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\nConnection: close\r\n\r\n<h1>shop</h1>")


@pytest.mark.parametrize("status", [502, 503, 504])
def test_an_airflow_that_is_not_ready_is_down(airflow: AirflowClient, server: AirflowServer, status: int) -> None:
    server.script = [Step("running", status=status)]
    with pytest.raises(ServiceDownError, match=str(status)):
        airflow.state(DAG, RUN_ID)


def test_a_refusal_shows_airflows_words_and_what_to_do(airflow: AirflowClient) -> None:
    with pytest.raises(LabError, match=r"404 The DAG with ID: `absent` was not found\. .*make deploy"):
        airflow.trigger("absent", {})


def test_an_error_inside_airflow_may_pass_and_points_to_its_log(airflow: AirflowClient, server: AirflowServer) -> None:
    server.script = [Step("running", status=500)]
    with pytest.raises(ServiceDownError, match=r"500 out of order\. Read: quintet logs airflow-api-server"):
        airflow.state(DAG, RUN_ID)


def test_more_tasks_than_one_answer_holds_are_all_read(airflow: AirflowClient, server: AirflowServer) -> None:
    server.script = [Step("running", [task("ingest.land", "success", map_index=n) for n in range(2 * PAGE + 1)])]
    assert [found.map_index for found in airflow.tasks(DAG, RUN_ID)] == list(range(2 * PAGE + 1))


def test_unfinished_runs_come_without_those_that_ended(airflow: AirflowClient, server: AirflowServer) -> None:
    server.earlier = [dag_run("old", "failed", "2026-11-20"), dag_run("slow", "running", "2026-11-21")]
    server.script = [Step("queued")]
    assert [(run.run_id, run.state) for run in airflow.unfinished(DAG)] == [("slow", "running"), (RUN_ID, "queued")]


def test_the_last_lines_of_a_log_leave_out_what_says_nothing(airflow: AirflowClient, server: AirflowServer) -> None:
    server.logs["silver.gate"] = [
        {"event": "::group::Log message source details"},
        {"event": "::endgroup::"},
        {"event": "  "},
        "plain text",
        {"event": "Task failed", "error_detail": [{"exc_type": "GateError", "exc_value": "2 files refused"}]},
    ]
    assert airflow.last_lines(DAG, RUN_ID, GATE) == ["plain text", "Task failed GateError: 2 files refused"]
    assert airflow.last_lines(DAG, RUN_ID, GATE, count=1) == ["Task failed GateError: 2 files refused"]
    assert server.paths("GET")[-1].endswith("/taskInstances/silver.gate/logs/2")


@pytest.mark.parametrize("status", [404, 409])
def test_an_approval_that_does_not_wait_is_no_error(airflow: AirflowClient, server: AirflowServer, status: int) -> None:
    server.approval = status
    assert not airflow.approve(DAG, RUN_ID, TaskState("silver.approve", -1, "deferred", 1, None, None))


def test_an_approval_that_is_refused_is_an_error(airflow: AirflowClient, server: AirflowServer) -> None:
    server.approval = 403
    with pytest.raises(LabError, match="403"):
        airflow.approve(DAG, RUN_ID, TaskState("silver.approve", -1, "deferred", 1, None, None))


def test_the_address_of_a_run_can_be_opened(airflow: AirflowClient, lab: Lab) -> None:
    assert airflow.url(DAG, "a+b:c") == f"{lab.endpoint('airflow').url}/dags/{DAG}/runs/a%2Bb%3Ac"
