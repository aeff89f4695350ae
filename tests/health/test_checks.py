"""What `quintet doctor` asks, against real sockets: a door that answers, a closed one, a wrong answer, and remedies."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import pytest

from airflow_server import HEALTHY, AirflowServer, airflow_server
from labs import lab_below
from quintet import alerts
from quintet.health.checks import Check, examine
from quintet.settings import Lab
from supervisor_server import SupervisorServer, supervisor_server

# The process manager's client leaves its sockets to the collector.

MakeLab = Callable[[int], Lab]


@pytest.fixture
def airflow() -> Iterator[AirflowServer]:
    with airflow_server() as server:
        yield server


@pytest.fixture
def make_lab(tmp_path: Path, airflow: AirflowServer) -> MakeLab:
    """A lab with Airflow's door as it is and PostgreSQL's at the port given, and no Trino."""

    def make(port: int) -> Lab:
        services = [
            {"name": "trino", "order": 20, "memory_mb": 1, "endpoint": "trino", "health": None},
            {"name": "airflow-api-server", "order": 43, "memory_mb": 1, "endpoint": "airflow", "health": HEALTH},
        ]
        return lab_below(
            tmp_path / "lab",
            airflow_port=airflow.port,
            trino_port=port,
            services=services,
            secrets={"airflow_admin": "x"},
            user=getpass.getuser(),
        )

    return make


HEALTH = "/api/v2/monitor/health"


@pytest.fixture
def lab(make_lab: MakeLab) -> Lab:
    return make_lab(1)


@pytest.fixture
def supervisor(lab: Lab) -> Iterator[SupervisorServer]:
    with supervisor_server(lab.path("run") / "supervisor.sock") as server:
        server.programs = {"trino": ("RUNNING", os.getpid()), "airflow-api-server": ("RUNNING", os.getpid())}
        yield server


def examined(lab: Lab) -> dict[str, Check]:
    return {check.name: check for check in examine(lab)}


def test_a_door_that_listens_answers(make_lab: MakeLab, supervisor: SupervisorServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        listener.settimeout(0.0)
        lab = make_lab(port)
        # Trino is asked in earnest too and finds nobody who speaks: only the door is of interest.
        checks = iter(examine(lab))
        found = next(check for check in checks if check.name == "trino answers")
    assert found == Check("trino answers", True, f"127.0.0.1:{port}")
    assert supervisor.calls == []


def test_a_closed_port_names_the_log_and_the_restart(lab: Lab, supervisor: SupervisorServer) -> None:
    found = examined(lab)["trino answers"]
    assert not found.ok
    assert "127.0.0.1:1" in found.detail
    assert found.remedy == "Read: quintet logs trino; then: quintet start trino"
    assert not examined(lab)["trino reads the lake"].ok


def test_a_healthy_airflow_is_found_healthy(lab: Lab, supervisor: SupervisorServer) -> None:
    found = examined(lab)
    assert found["airflow-api-server answers"].ok
    parts = [found[f"airflow {part}"] for part in HEALTHY]
    assert [(check.ok, check.detail, check.remedy) for check in parts] == [(True, "healthy", "")] * 4


def test_a_part_of_airflow_that_is_ill_names_its_log(
    lab: Lab, supervisor: SupervisorServer, airflow: AirflowServer
) -> None:
    airflow.health = {**HEALTHY, "scheduler": {"status": "unhealthy"}, "dag_processor": None}
    found = examined(lab)
    assert found["airflow scheduler"] == Check(
        "airflow scheduler", False, "unhealthy", "Read: quintet logs airflow-scheduler"
    )
    assert found["airflow dag_processor"].detail == "unknown"
    assert found["airflow dag_processor"].remedy == "Read: quintet logs airflow-dag-processor"


@pytest.mark.parametrize("answer", [b"<h1>shop</h1>", ["healthy"]])
def test_a_wrong_answer_is_not_taken_for_airflow(
    lab: Lab, supervisor: SupervisorServer, airflow: AirflowServer, answer: object
) -> None:
    airflow.health = answer
    found = examined(lab)["airflow is healthy"]
    assert not found.ok
    assert found.detail.endswith("200, not an answer of Airflow")
    assert found.remedy == "Read: quintet logs airflow-api-server"


def test_a_door_that_answers_with_an_error_is_wrong(
    lab: Lab, supervisor: SupervisorServer, airflow: AirflowServer
) -> None:
    airflow.expired = 1
    broken = Lab(**{**vars(lab), "services": tuple(_asking(service, "/api/v2/dags") for service in lab.services)})
    found = examined(broken)["airflow-api-server answers"]
    assert not found.ok
    assert found.detail.endswith("/api/v2/dags: 401")


def _asking(service: object, path: str) -> object:
    return type(service)(**{**vars(service), "health": path})


def test_a_service_that_stopped_or_is_unknown_is_wrong(lab: Lab, supervisor: SupervisorServer) -> None:
    supervisor.programs = {"trino": ("FATAL", 0)}
    found = examined(lab)
    assert found["trino runs"].detail == "fatal as the test says"
    assert found["airflow-api-server runs"].detail == "unknown to supervisor"
    assert found["trino runs"].remedy == "Read: quintet logs trino; then: quintet start trino"
    assert "trino answers" not in found


def test_a_lab_that_is_not_running_says_how_to_start_it(lab: Lab) -> None:
    found = examined(lab)["supervisor"]
    assert not found.ok
    assert found.remedy == "Run: make start"
    assert "trino runs" not in examined(lab)


def test_everything_that_is_wrong_says_what_to_do(
    lab: Lab, supervisor: SupervisorServer, airflow: AirflowServer
) -> None:
    supervisor.programs["airflow-api-server"] = ("EXITED", 0)
    airflow.health = {}
    lab.file.with_name("secrets.yaml").unlink()
    alerts.write(lab, alert("critical", "nothing was published"))
    wrong = [check for check in examine(lab) if not check.ok]
    assert len(wrong) == 9
    assert [check.name for check in wrong if not check.remedy] == []


def test_secrets_that_others_may_read_are_wrong(lab: Lab) -> None:
    assert examined(lab)["secrets"].ok
    path = lab.file.with_name("secrets.yaml")
    path.chmod(0o640)
    found = examined(lab)["secrets"]
    assert (found.ok, found.remedy) == (False, f"chmod 600 {path}")
    path.unlink()
    assert examined(lab)["secrets"].remedy == "Run: make install"


def test_the_free_disk_is_told(lab: Lab) -> None:
    assert str(lab.path("home")) in examined(lab)["disk"].detail


def alert(severity: Literal["critical", "warning"], title: str) -> alerts.Alert:
    return alerts.Alert(
        at=datetime(2026, 11, 21, tzinfo=UTC),
        severity=severity,
        source="gate",
        project="shop",
        run_id="one",
        title=title,
        detail="two files",
        remedy="Send them again",
    )


def test_an_open_critical_alert_is_wrong_until_its_source_does_well(lab: Lab) -> None:
    assert examined(lab)["alerts"] == Check("alerts", True, "none is open")
    alerts.write(lab, alert("critical", "nothing was published"))
    alerts.write(lab, alert("warning", "slow"))
    assert examined(lab)["alerts"] == Check(
        "alerts", False, "2 open, 1 of them critical; the last: shop: nothing was published", "Send them again"
    )
    alerts.clear(lab, project="shop", sources=["gate"], run_id="two")
    assert examined(lab)["alerts"].ok


def test_an_open_warning_is_told_and_not_wrong(lab: Lab) -> None:
    alerts.write(lab, alert("warning", "slow"))
    found = examined(lab)["alerts"]
    assert found.ok
    assert "slow" in found.detail
