"""The alert log, what is passed on, and when an alert is over."""

from __future__ import annotations

import json
import logging
import socketserver
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from http.server import HTTPServer
from typing import Any

import pytest

from quintet import alerts
from quintet.alerts import Alert
from quintet.settings import Lab
from serving import JsonHandler, serving

pytestmark = pytest.mark.airflow


def alert(**given: Any) -> Alert:
    usual = {
        "severity": "critical",
        "source": "silver.gate",
        "project": "lakehouse",
        "run_id": "run-1",
        "title": "the gate refused 2031-01-02.csv",
        "detail": "quantity_unreadable: 12 rows\nfirst on line 4",
        "remedy": "Send it corrected",
    }
    return Alert(**(usual | given))


class Inbox(JsonHandler):
    """Keeps what is posted; answers what its server says."""

    server: Any

    def do_POST(self) -> None:
        self.server.received.append((self.path, self.headers["Content-Type"], json.loads(self.given())))
        self.say(self.server.status, b"")


@pytest.fixture
def inbox() -> Iterator[Any]:
    server: Any = HTTPServer(("127.0.0.1", 0), Inbox)
    server.received, server.status = [], 200
    with serving(server):
        yield server


def listening(lab: Lab, **options: Any) -> Lab:
    return replace(lab, options={**lab.options, "alerts": options})


def test_an_alert_is_one_line_and_comes_back_whole(lab: Lab) -> None:
    written = alert(url="http://127.0.0.1/dags/x", dag_id="lakehouse_build_silver")
    alerts.write(lab, written)
    text = alerts.alert_log(lab).read_text(encoding="utf-8")
    assert text.count("\n") == 1
    (told,) = alerts.read(lab)
    assert told.alert == written
    assert told.is_open


def test_the_dag_is_told_by_the_task_that_runs_the_program(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CTX_DAG_ID", "lakehouse_run_pipeline")
    assert alert().dag_id == "lakehouse_run_pipeline"


def test_alerts_that_are_written_at_once_do_not_mix(lab: Lab) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: alerts.write(lab, alert(title=f"{n} " + "x" * 5000)), range(40)))
    assert sorted(int(told.alert.title.split()[0]) for told in alerts.read(lab)) == list(range(40))


def test_a_line_that_was_cut_short_hides_no_other(lab: Lab) -> None:
    alerts.write(lab, alert(title="first"))
    with alerts.alert_log(lab).open("a", encoding="utf-8") as file:
        file.write('{"at": "2026-11-21T0\n')
    alerts.write(lab, alert(title="last"))
    assert [told.alert.title for told in alerts.read(lab)] == ["first", "last"]


def test_only_the_end_of_a_long_log_is_read(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alerts, "WINDOW", 2000)
    for number in range(30):
        alerts.write(lab, alert(title=str(number)))
    titles = [int(told.alert.title) for told in alerts.read(lab)]
    assert titles == list(range(30 - len(titles), 30))
    assert 0 < len(titles) < 30


def test_no_log_means_no_alerts(lab: Lab) -> None:
    assert alerts.read(lab) == []


def test_the_webhook_gets_json_with_a_text(lab: Lab, inbox: Any) -> None:
    lab = listening(lab, webhook=f"http://127.0.0.1:{inbox.server_port}/hook/secret-token")
    alerts.write(lab, alert())
    ((path, kind, body),) = inbox.received
    assert path == "/hook/secret-token"
    assert kind.startswith("application/json")
    assert body["title"] == "the gate refused 2031-01-02.csv"
    assert "What to do: Send it corrected" in body["text"]


@pytest.mark.parametrize("webhook", ["http://127.0.0.1:1/hook/secret-token", "file:///etc/passwd", "refusing"])
def test_a_receiver_that_fails_costs_a_warning_and_no_alert(
    webhook: str, lab: Lab, inbox: Any, caplog: pytest.LogCaptureFixture
) -> None:
    if webhook == "refusing":
        inbox.status = 500
        webhook = f"http://127.0.0.1:{inbox.server_port}/hook/secret-token"
    with caplog.at_level(logging.WARNING):
        alerts.write(listening(lab, webhook=webhook), alert())
    assert len(alerts.read(lab)) == 1
    assert "could not be passed on by webhook" in caplog.text
    assert "secret-token" not in caplog.text


class Mailbox(socketserver.StreamRequestHandler):
    """As much of SMTP as one message needs."""

    server: Any

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        in_data = False
        for raw in self.rfile:
            line = raw.decode().rstrip("\r\n")
            if in_data:
                in_data = line != "."
                if in_data:
                    self.server.received.append(line)
                    continue
            elif line.upper() == "DATA":
                in_data = True
                self.wfile.write(b"354 go on\r\n")
                continue
            self.wfile.write(b"221 bye\r\n" if line.upper() == "QUIT" else b"250 ok\r\n")
            if line.upper() == "QUIT":
                return


def test_the_mailbox_gets_a_mail(lab: Lab) -> None:
    server: Any = socketserver.TCPServer(("127.0.0.1", 0), Mailbox)
    server.received = []
    thread = threading.Thread(target=server.handle_request)
    thread.start()
    mail = {"host": "127.0.0.1", "port": server.server_address[1], "to": ["a@example.org", "b@example.org"]}
    alerts.write(listening(lab, mail=mail), alert())
    thread.join(10)
    server.server_close()
    message = "\n".join(server.received)
    assert "Subject: [quintet] critical: the gate refused 2031-01-02.csv" in message
    assert "To: a@example.org, b@example.org" in message
    assert "Send it corrected" in message


def test_an_alert_is_over_when_its_source_does_well_again(lab: Lab) -> None:
    alerts.write(lab, alert(run_id="run-1"))
    alerts.write(lab, alert(run_id="run-1", source="ingest.land"))
    alerts.write(lab, alert(run_id="run-1", project="other"))
    assert alerts.clear(lab, project="lakehouse", sources=["silver.gate"], run_id="run-2") == 1
    assert [(told.alert.project, told.alert.source) for told in alerts.read(lab) if told.is_open] == [
        ("lakehouse", "ingest.land"),
        ("other", "silver.gate"),
    ]


def test_an_alert_after_the_good_run_is_open_again(lab: Lab) -> None:
    alerts.write(lab, alert(run_id="run-1"))
    alerts.clear(lab, project="lakehouse", sources=["silver.gate"], run_id="run-2")
    alerts.write(lab, alert(run_id="run-3"))
    assert [told.is_open for told in alerts.read(lab)] == [False, True]


def test_a_warning_stays_until_a_later_run_ends_well(lab: Lab) -> None:
    alerts.write(lab, alert(severity="warning", run_id="run-1"))
    assert alerts.clear(lab, project="lakehouse", sources=["silver.gate"], run_id="run-1") == 0
    assert alerts.clear(lab, project="lakehouse", sources=["silver.gate"], run_id="run-2") == 1


def test_a_good_run_with_nothing_to_clear_writes_nothing(lab: Lab) -> None:
    alerts.clear(lab, project="lakehouse", sources=["silver.gate"], run_id="run-1")
    assert not alerts.alert_log(lab).exists()


def test_times_are_kept_with_their_zone(lab: Lab) -> None:
    at = datetime(2026, 11, 21, 7, 30, tzinfo=UTC)
    alerts.write(lab, alert(at=at))
    assert alerts.read(lab)[0].alert.at == at
