"""Alertmanager's notifications become alerts of the lab, once each, and are closed when they are over."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from labs import lab_below
from quintet import alerts
from quintet.monitoring.receiver import receive
from quintet.monitoring.serve import server
from quintet.settings import Lab

TOKEN = {"Authorization": "Bearer t0ken"}


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return lab_below(tmp_path, airflow_port=1, secrets={"monitoring_receiver": "t0ken", "airflow_viewer": "x"})


def told(status: str = "firing", *, severity: str = "critical", starts: str = "2026-01-01T00:00:00Z") -> dict[str, Any]:
    """A notification with one alert, in the form of Alertmanager."""
    alert = {
        "status": status,
        "labels": {"alertname": "DoorClosed", "service": "redis", "severity": severity},
        "annotations": {"summary": "redis does not accept connections", "remedy": "quintet start redis"},
        "startsAt": starts,
        "endsAt": "0001-01-01T00:00:00Z",
        "fingerprint": "2b1c",
    }
    return {"version": "4", "status": status, "receiver": "log", "alerts": [alert]}


def open_alerts(lab: Lab) -> list[tuple[str, str, str]]:
    return [(one.alert.severity, one.alert.title, one.alert.detail) for one in alerts.read(lab) if one.is_open]


def test_an_alert_is_written_once_however_often_it_is_told(lab: Lab) -> None:
    assert [receive(lab, told()) for _ in range(3)] == [(1, 0), (0, 0), (0, 0)]
    assert open_alerts(lab) == [("critical", "redis does not accept connections", "service=redis")]
    (line,) = alerts.alert_log(lab).read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["remedy"] == "quintet start redis"


@pytest.mark.parametrize("severity", ["critical", "warning"])
def test_what_is_over_is_closed_and_may_come_again(lab: Lab, severity: str) -> None:
    receive(lab, told(severity=severity))
    assert receive(lab, told("resolved", severity=severity)) == (0, 1)
    assert open_alerts(lab) == []
    assert receive(lab, told("resolved", severity=severity)) == (0, 0)
    assert receive(lab, told(severity=severity, starts="2026-01-02T00:00:00Z")) == (1, 0)


def test_alerts_of_projects_stay_open(lab: Lab) -> None:
    other = alerts.Alert(
        severity="critical", source="gate", project="lakehouse", run_id="r", title="t", detail="d", remedy="r"
    )
    alerts.write(lab, other)
    receive(lab, told())
    receive(lab, told("resolved"))
    assert [one[1] for one in open_alerts(lab)] == ["t"]


@pytest.mark.parametrize("wrong", [{}, {"alerts": None}, {"alerts": [{}]}, {"alerts": ["x"]}])
def test_what_is_no_notification_is_refused(lab: Lab, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="not a notification"):
        receive(lab, wrong)
    assert not alerts.alert_log(lab).exists()


@contextmanager
def served(lab: Lab) -> Iterator[httpx.Client]:
    door = server("127.0.0.1", 0, lambda: lab)
    thread = threading.Thread(target=door.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{door.server_address[1]}", trust_env=False) as client:
            yield client
    finally:
        door.shutdown()
        thread.join()
        door.server_close()


def test_alerts_come_in_with_the_token_only(lab: Lab) -> None:
    with served(lab) as client:
        assert client.post("/alerts", json=told()).status_code == 401
        assert client.post("/alerts", json=told(), headers={"Authorization": "Bearer wrong"}).status_code == 401
        assert client.post("/alerts", json=told(), auth=("admin", "t0ken")).status_code == 401
        assert open_alerts(lab) == []
        assert client.post("/alerts", json=told(), headers=TOKEN).text == "written 1, closed 0\n"
    assert len(open_alerts(lab)) == 1


def test_bad_requests_are_refused_and_harm_nothing(lab: Lab) -> None:
    with served(lab) as client:
        assert client.post("/alerts", content=b"{", headers=TOKEN).status_code == 400
        assert client.post("/alerts", content=b"[1]", headers=TOKEN).status_code == 400
        assert client.post("/alerts", content=b"", headers=TOKEN).status_code == 413
        assert client.post("/elsewhere", json=told(), headers=TOKEN).status_code == 404
        assert client.get("/elsewhere").status_code == 404
        assert client.get("/health").text == "ok\n"


def test_a_log_that_cannot_be_written_is_tried_again_by_alertmanager(lab: Lab) -> None:
    alerts.alert_log(lab).mkdir()
    with served(lab) as client:
        assert client.post("/alerts", json=told(), headers=TOKEN).status_code == 503


def test_figures_come_even_where_every_door_is_closed(lab: Lab) -> None:
    with served(lab) as client:
        text = client.get("/metrics", timeout=30).text
    assert 'quintet_door_open{address="127.0.0.1:1",door="airflow",service="airflow"} 0.0' in text
    assert 'quintet_part_ok{service="airflow-api-server"} 0.0' in text
    assert 'quintet_part_ok{service="doors"} 1.0' in text
    assert "# TYPE quintet_door_open gauge" in text
