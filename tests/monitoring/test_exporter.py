"""What the lab's exporter tells: its form, and what it makes of Airflow's and Flink's answers, doors, certificates."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from labs import lab_below
from quintet.errors import QuintetError
from quintet.monitoring.airflow import airflow
from quintet.monitoring.collect import collect
from quintet.monitoring.doors import certificates, doors
from quintet.monitoring.figures import Figure, exposed
from quintet.monitoring.flink import flink
from quintet.settings import Lab

Answer = Callable[[str, str | None], tuple[int, Any]]


@contextmanager
def answering(answer: Answer) -> Iterator[int]:
    """Port of a service that answers JSON: status and content by path and authorization."""

    class Door(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, content = answer(self.path, self.headers.get("Authorization"))
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    door = HTTPServer(("127.0.0.1", 0), Door)
    thread = threading.Thread(target=door.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield door.server_address[1]
    finally:
        door.shutdown()
        thread.join()
        door.server_close()


def values(figures: Iterator[Figure]) -> dict[tuple[str, ...], float]:
    return {(one.name, *one.labels.values()): one.value for one in figures}


def test_the_text_is_what_prometheus_reads(tmp_path: Path) -> None:
    figures = [
        Figure("b_total", 2.0),
        Figure("a", 1.0, {"path": 'c:\\"x"\ny', "at": "1"}),
        Figure("a", 0.5, {"at": "2"}),
    ]
    text = exposed(figures)
    assert text == (
        '# TYPE a gauge\na{at="1",path="c:\\\\\\"x\\"\\ny"} 1.0\na{at="2"} 0.5\n# TYPE b_total counter\nb_total 2.0\n'
    )
    if promtool := shutil.which("promtool"):
        done = subprocess.run([promtool, "check", "metrics"], input=text, text=True, capture_output=True, check=False)
        assert "error" not in done.stderr.lower(), done.stderr


def test_doors_are_open_or_closed_by_the_name_of_their_service(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        lab = lab_below(
            tmp_path,
            trino_port=1,
            more_doors={"redis": listener.getsockname()[1]},
            services=[{"name": "store", "order": 1, "memory_mb": 1, "endpoint": "redis"}],
        )
        found = {one.labels["door"]: (one.labels["service"], one.value) for one in doors(lab)}
    assert found == {"trino": ("trino", 0.0), "redis": ("store", 1.0)}


def test_airflows_heartbeats_and_failures_are_told_to_its_viewer(tmp_path: Path) -> None:
    asked = []

    def answer(path: str, authorization: str | None) -> tuple[int, Any]:
        if path == "/auth/token":
            return 201, {"access_token": "abc"}
        if path == "/api/v2/monitor/health":
            beat = {"status": "healthy", "latest_scheduler_heartbeat": "2026-01-01T00:00:00+00:00"}
            return 200, {"scheduler": beat, "triggerer": {"latest_triggerer_heartbeat": None}}
        asked.append((path, authorization))
        # A token of before a restart is refused once.
        return (401, {}) if len(asked) == 1 else (200, {"total_entries": 3})

    with answering(answer) as port:
        lab = lab_below(tmp_path, airflow_port=port, secrets={"airflow_viewer": "x"})
        found = values(airflow(lab, datetime(2026, 1, 1, 12, tzinfo=UTC)))
    assert found == {
        ("quintet_airflow_heartbeat_timestamp_seconds", "scheduler", "airflow-scheduler"): 1767225600.0,
        ("quintet_airflow_heartbeat_timestamp_seconds", "dag_processor", "airflow-dag-processor"): 0.0,
        ("quintet_airflow_heartbeat_timestamp_seconds", "triggerer", "airflow-triggerer"): 0.0,
        ("quintet_airflow_failed_tasks_last_hour",): 3.0,
    }
    path, authorization = asked[-1]
    assert "state=failed&end_date_gte=2026-01-01T11%3A00%3A00%2B00%3A00" in path
    assert (authorization, len(asked)) == ("Bearer abc", 2)


def test_flinks_jobs_are_told_but_those_that_are_over(tmp_path: Path) -> None:
    jobs = [
        {"jid": "1", "name": "figures", "state": "RUNNING"},
        {"jid": "2", "name": "rows", "state": "RESTARTING"},
        {"jid": "3", "name": "old", "state": "CANCELED"},
    ]
    told = [{"id": "numRestarts", "value": "4"}, {"id": "lastCheckpointDuration", "value": "-1"}]

    def answer(path: str, _: str | None) -> tuple[int, Any]:
        if path == "/overview":
            return 200, {"taskmanagers": 1, "slots-available": 2}
        return 200, {"jobs": jobs} if path == "/jobs/overview" else told

    with answering(answer) as port:
        found = values(flink(lab_below(tmp_path, more_doors={"flink": port})))
    assert found == {
        ("quintet_flink_task_managers",): 1.0,
        ("quintet_flink_slots_free",): 2.0,
        ("quintet_flink_job_running", "figures", "1", "RUNNING"): 1.0,
        ("quintet_flink_job_restarts_total", "figures", "1"): 4.0,
        ("quintet_flink_job_running", "rows", "2", "RESTARTING"): 0.0,
        ("quintet_flink_job_restarts_total", "rows", "2"): 4.0,
    }


@pytest.mark.parametrize("part", [airflow, flink])
def test_what_does_not_answer_is_an_error_with_a_remedy(
    tmp_path: Path, part: Callable[[Lab], Iterator[Figure]]
) -> None:
    lab = lab_below(tmp_path, airflow_port=1, more_doors={"flink": 1}, secrets={"airflow_viewer": "x"})
    with pytest.raises(QuintetError) as told:
        list(part(lab))
    assert told.value.remedy.startswith("Read: quintet logs ")


def test_a_part_that_fails_or_hangs_costs_its_own_figures_only(tmp_path: Path) -> None:
    end = threading.Event()

    def good(_: Lab) -> Iterator[Figure]:
        yield Figure("good", 1.0)

    def bad(_: Lab) -> Iterator[Figure]:
        yield Figure("half", 1.0)
        raise QuintetError("it is down", remedy="start it")

    def hanging(_: Lab) -> Iterator[Figure]:
        end.wait(30)
        yield Figure("late", 1.0)

    begun = time.monotonic()
    try:
        found = collect(lab_below(tmp_path), {"good": good, "bad": bad, "hanging": hanging}, patience=1.0)
    finally:
        end.set()
    assert time.monotonic() - begun < 20
    assert values(iter(found)) == {
        ("quintet_part_ok", "good"): 1.0,
        ("good",): 1.0,
        ("quintet_part_ok", "bad"): 0.0,
        ("quintet_part_ok", "hanging"): 0.0,
    }


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not on this machine")
def test_the_end_of_the_authority_is_told(tmp_path: Path) -> None:
    lab = lab_below(tmp_path)
    assert list(certificates(lab)) == []
    authority, key = lab.path("config") / "ca.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=lab"]
    subprocess.run([*command, "-keyout", key, "-out", authority], check=True, capture_output=True, timeout=60)
    (figure,) = certificates(lab)
    assert figure.labels == {"holder": "authority"}
    assert figure.value == pytest.approx(time.time() + 30 * 86400, abs=600)
