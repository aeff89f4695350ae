"""The command against a lab of small real servers: output, exit codes and remedies of the verbs that ask services."""

from __future__ import annotations

import csv
import getpass
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from airflow_server import PASSWORD, AirflowServer, Step, airflow_server, dag_run, task
from command import environment, line, quintet
from labs import lab_below
from quintet.lakehouse.truth import Truth
from quintet.lakehouse.verify import INVARIANTS, METRICS
from quintet.runs import record
from quintet.settings import Lab
from supervisor_server import SupervisorServer, supervisor_server
from trino_server import Refusal, Rows, TrinoServer, trino_server

SERVICES = [
    {"name": "postgres", "order": 10, "memory_mb": 300},
    {"name": "trino", "order": 20, "memory_mb": 1800, "endpoint": "trino"},
]


@pytest.fixture
def trino() -> Iterator[TrinoServer]:
    with trino_server(lambda _: [[0]]) as server:
        yield server


@pytest.fixture
def airflow() -> Iterator[AirflowServer]:
    with airflow_server() as server:
        yield server


@pytest.fixture
def lab(tmp_path: Path, trino: TrinoServer, airflow: AirflowServer) -> Lab:
    return lab_below(
        tmp_path / "lab",
        trino_port=trino.port,
        airflow_port=airflow.port,
        services=SERVICES,
        secrets={"airflow_admin": PASSWORD, "airflow_viewer": "look-only"},
        user=getpass.getuser(),
    )


@pytest.fixture
def home(lab: Lab) -> Path:
    return lab.path("home")


@pytest.fixture
def supervisor(lab: Lab) -> Iterator[SupervisorServer]:
    with supervisor_server(lab.path("run") / "supervisor.sock") as server:
        server.programs = {"postgres": ("RUNNING", os.getpid()), "trino": ("STOPPED", 0)}
        yield server


# sql


def test_sql_prints_a_table_csv_or_json(home: Path, trino: TrinoServer) -> None:
    trino.answer = lambda _: [["[b] one, two", 1], [None, 2]]
    shown = quintet("sql", "select", home=home).stdout.splitlines()
    assert [row.split() for row in shown] == [["column_1", "column_2"], ["[b]", "one,", "two", "1"], ["2"]]
    rows = list(csv.reader(quintet("sql", "select", "--format", "csv", home=home).stdout.splitlines()))
    assert rows == [["column_1", "column_2"], ["[b] one, two", "1"], ["", "2"]]
    told = json.loads(quintet("sql", "select", "--json", home=home).stdout)
    assert told == [{"column_1": "[b] one, two", "column_2": 1}, {"column_1": None, "column_2": 2}]
    assert trino.asked == ["select"] * 3


@pytest.mark.parametrize(
    ("refusal", "message", "remedy"),
    [
        (Refusal("line 1:8: Column 'x' does not exist"), "Trino refused a statement", "Statement: select x"),
        (Refusal("the log of the table is damaged", "EXTERNAL"), "Trino refused a statement", "Statement: select x"),
        (Refusal("no memory", "INSUFFICIENT_RESOURCES"), "Trino refused a statement", "Statement: select x"),
        (Refusal("not there", status=404), "Trino does not answer", "Run: quintet doctor"),
    ],
)
def test_a_statement_that_fails_is_explained(
    home: Path, trino: TrinoServer, refusal: Refusal, message: str, remedy: str
) -> None:
    trino.answer = lambda _: refusal
    done = quintet("sql", "select x", home=home)
    assert (done.returncode, done.stdout) == (6, "")
    assert done.stderr.startswith(f"quintet: {message}")
    assert done.stderr.endswith(f"{remedy}\n")


# tables


def test_tables_counts_rows_and_leaves_out_what_is_not_built(home: Path, trino: TrinoServer) -> None:
    trino.answer = lambda text: Refusal("no such table") if "gold" in text else [[12]]
    rows = json.loads(quintet("tables", "--json", home=home).stdout)
    assert {row["rows"] for row in rows if row["layer"] == "gold"} == {None}
    assert {row["rows"] for row in rows if row["layer"] != "gold"} == {12}
    assert len(trino.asked) == len(rows)


def test_tables_without_trino_says_how_to_list_them_all_the_same(tmp_path: Path) -> None:
    lab = lab_below(tmp_path / "lab", trino_port=1)
    done = quintet("tables", home=lab.path("home"))
    assert done.returncode == 6
    assert "Without rows: quintet tables --no-count" in done.stderr


# quarantine

RECEIVED = ["536365", "85123A", None, "many", "2025-01-01 08:00:00", "2.55", None, "EIRE"]
FILES: Rows = [
    ["small.csv", 1, "open", "price", 3, 4, "2025-01-02 06:00:00"],
    ["big.csv", 2, "open", "pieces,price", 4, 9, "2025-01-02 07:00:00"],
    ["big.csv", 2, "open", "pieces", 2, 7, "2025-01-02 06:00:00"],
]
HELD: Rows = [
    ["big.csv", 2, 7, "2025-01-01", "open", "pieces,price", "run", "2025-01-02 06:00:00", None, *RECEIVED],
]


def test_the_quarantine_is_listed_by_file_with_what_broke(home: Path, trino: TrinoServer) -> None:
    trino.answer = lambda _: FILES
    header, big, small = quintet("quarantine", "list", "lakehouse", home=home).stdout.splitlines()
    assert header.split() == ["file", "version", "status", "rows", "rules", "first_line", "detected_at"]
    assert big.split() == ["big.csv", "2", "open", "6", "pieces:", "6,", "price:", "4", "7", "2025-01-02", "06:00:00"]
    assert small.startswith("small.csv")
    rows = json.loads(quintet("quarantine", "list", "lakehouse", "--json", home=home).stdout)["rows"]
    assert [(row["file"], row["rows"], row["first_line"]) for row in rows] == [("big.csv", 6, 7), ("small.csv", 3, 4)]
    assert rows[0]["rules"] == {"pieces": 6, "price": 4}


def test_rows_in_quarantine_are_shown_as_received(home: Path, trino: TrinoServer) -> None:
    trino.answer = lambda _: HELD
    header, row = quintet("quarantine", "show", "lakehouse", "--file", "big.csv", home=home).stdout.splitlines()
    assert header.split()[:6] == ["file", "version", "line", "status", "reasons", "decided_by"]
    assert row.split()[:6] == ["big.csv", "2", "7", "open", "pieces,", "price"]
    assert row.endswith("EIRE")
    (told,) = json.loads(quintet("quarantine", "show", "lakehouse", "--json", home=home).stdout)["rows"]
    assert (told["file"], told["reasons"], told["run_id"]) == ("big.csv", ["pieces", "price"], "run")
    assert list(told["received"].values()) == RECEIVED


def test_what_is_asked_of_the_quarantine_goes_to_trino_as_values(home: Path, trino: TrinoServer) -> None:
    trino.answer = lambda text: HELD if "FROM delta" in text else [[1]]
    given = ["--file", "o'clock.csv", "--rule", "price", "--status", "open", "--limit", "5"]
    quintet("quarantine", "show", "lakehouse", *given, home=home)
    asked = trino.asked[-1]
    assert "_source_file = ? AND _status = ? AND contains(split(_reasons, '',''), ?)" in asked
    assert asked.endswith("LIMIT 5' USING 'o''clock.csv','open','price'")


@pytest.mark.parametrize("verb", ["list", "show"])
def test_an_empty_quarantine_is_said_to_be_so(home: Path, trino: TrinoServer, verb: str) -> None:
    trino.answer = lambda _: []
    done = quintet("quarantine", verb, "lakehouse", home=home)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "nothing is in quarantine\n")
    assert json.loads(quintet("quarantine", verb, "lakehouse", "--json", home=home).stdout) == {"rows": []}


# verify


def known(lab: Lab, truth: Truth) -> None:
    """A last run whose input has this truth."""
    folder = lab.path("input") / "shop"
    folder.mkdir()
    truth.write(folder / "truth.json")
    record.write(lab, "lakehouse", "last_run", {"input": str(folder)})


TRUTH = Truth(source="test", expect={"sales": 0, "fees": 3, "net_value_gbp": "1.5000"}, files={})


def test_verify_lists_every_check_that_fails_and_ends_with_7(lab: Lab, home: Path) -> None:
    known(lab, TRUTH)
    done = quintet("verify", "lakehouse", home=home)
    assert done.returncode == 7
    wrong = [row.split() for row in done.stdout.splitlines() if row.startswith("WRONG")]
    assert wrong == [["WRONG", "fees", "3", "0"], ["WRONG", "net_value_gbp", "1.5", "0"]]
    assert f"{len(INVARIANTS) + 2} passed, 2 failed" in done.stderr
    assert f"2 of {len(INVARIANTS) + 4} checks failed, first: fees" in done.stderr


def test_verify_as_json_holds_all_checks_and_is_recorded(lab: Lab, home: Path) -> None:
    known(lab, TRUTH)
    done = quintet("verify", "lakehouse", "--json", home=home)
    assert done.returncode == 7
    checks = json.loads(done.stdout)["checks"]
    assert [check["name"] for check in checks if not check["ok"]] == ["fees", "net_value_gbp"]
    last = record.read(lab, "lakehouse", "last_verify")
    assert last is not None
    assert (last["ok"], last["checks"]) == (False, checks)


def test_verify_passes_when_the_tables_hold_the_truth(lab: Lab, home: Path, trino: TrinoServer) -> None:
    known(lab, TRUTH)
    answers: dict[str, Rows] = {METRICS["fees"]: [[3]], METRICS["net_value_gbp"]: [["1.50"]]}
    trino.answer = lambda text: answers.get(text, [[0]])
    done = quintet("verify", "lakehouse", home=home)
    assert (done.returncode, "WRONG" in done.stdout) == (0, False)
    assert f"{len(INVARIANTS) + 4} passed, 0 failed" in done.stderr


def test_verify_takes_another_truth(lab: Lab, home: Path, tmp_path: Path) -> None:
    known(lab, TRUTH)
    replace(TRUTH, expect={"sales": 1}).write(tmp_path / "other.json")
    done = quintet("verify", "lakehouse", "--truth", str(tmp_path / "other.json"), "--json", home=home)
    assert [check["name"] for check in json.loads(done.stdout)["checks"] if not check["ok"]] == ["sales"]
    absent = quintet("verify", "lakehouse", "--truth", str(tmp_path / "absent.json"), home=home)
    assert (absent.returncode, absent.stdout) == (7, "")


def test_verify_before_any_run_says_what_to_run(lab: Lab, home: Path) -> None:
    done = quintet("verify", "lakehouse", home=home)
    assert (done.returncode, done.stderr) == (7, "quintet: no run is recorded. Run: quintet run lakehouse\n")
    record.write(lab, "lakehouse", "last_run", {}).write_text("{", encoding="utf-8")
    damaged = quintet("verify", "lakehouse", home=home)
    assert damaged.returncode == 7
    assert "the record of the last run cannot be read. Run: quintet run lakehouse" in damaged.stderr


# run


def test_a_run_shows_results_and_is_recorded(lab: Lab, home: Path, airflow: AirflowServer) -> None:
    airflow.script = [
        Step("running", [task("ingest.land", "running")]),
        Step("success", [task("ingest.land", "success", duration=2.0)]),
    ]
    done = quintet("run", "lakehouse", "--days", "2", "--from", "2025-01-01", home=home)
    assert done.returncode == 0, done.stderr
    assert "ingest.land running" in done.stderr
    assert "Revenue by month" in done.stdout
    assert [row for row in done.stdout.splitlines() if row != row.rstrip()] == []
    last = record.read(lab, "lakehouse", "last_run")
    assert last is not None
    assert (last["state"], last["steps"]) == ("success", {"ingest.land": 2.0})
    (conf,) = [body["conf"] for method, path, body in airflow.asked if (method, path[-7:]) == ("POST", "dagRuns")]
    assert conf == {"input": last["input"], "from": "2025-01-01", "to": None, "full_refresh": False}


@pytest.mark.parametrize(
    ("failing", "code", "remedy"),
    [
        ("silver.gate", 5, "quintet quarantine list lakehouse"),
        ("ingest.land", 4, "Correct the files named above"),
        ("gold.models.fct_sales", 6, "The whole log: http"),
    ],
)
def test_a_run_that_fails_shows_why_and_ends_with_its_code(
    home: Path, airflow: AirflowServer, failing: str, code: int, remedy: str
) -> None:
    airflow.script = [Step("failed", [task(failing, "failed"), task("gold.docs", "upstream_failed")])]
    airflow.logs[failing] = [{"event": "2025-01-02.csv is broken"}]
    done = quintet("run", "lakehouse", "--days", "2", "--json", home=home)
    assert done.returncode == code
    assert json.loads(done.stdout)["state"] == "failed"
    assert f"--- {failing}\n2025-01-02.csv is broken\n" in done.stderr
    assert remedy in done.stderr


def test_another_dag_of_a_project_gets_only_what_was_asked_for(home: Path, airflow: AirflowServer) -> None:
    done = quintet("run", "lakehouse", "--dag", "lakehouse_build_silver", "--full-refresh", "--json", home=home)
    assert done.returncode == 0, done.stderr
    assert [body["conf"] for method, path, body in airflow.asked if path.endswith("silver/dagRuns")] == [
        {"full_refresh": True}
    ]


def test_an_interrupted_command_leaves_the_run_to_airflow(home: Path, airflow: AirflowServer) -> None:
    airflow.script = [Step("running", [task("silver.gate", "running")])]
    words = line("run", "lakehouse", "--dag", "lakehouse_care_tables")
    with subprocess.Popen(words, env=environment(home), stderr=subprocess.PIPE, text=True) as following:
        assert following.stderr is not None
        while "silver.gate running" not in following.stderr.readline():
            assert following.poll() is None
        following.send_signal(signal.SIGINT)
        rest = following.stderr.read()
    assert (following.returncode, rest) == (
        130,
        "no longer followed; a run that was named above goes on in Airflow\n",
    )


def test_a_fresh_run_does_not_empty_tables_below_another(home: Path, airflow: AirflowServer) -> None:
    airflow.earlier = [dag_run("slow", "running", "2026-11-21")]
    done = quintet("run", "lakehouse", "--days", "2", "--fresh", home=home)
    assert done.returncode == 6
    assert "the run slow of lakehouse_" in done.stderr
    assert "emptying" not in done.stderr
    assert [path for method, path, _ in airflow.asked if (method, path[-7:]) == ("POST", "dagRuns")] == []


def test_a_run_without_airflow_is_a_service_that_is_down(tmp_path: Path) -> None:
    lab = lab_below(tmp_path / "lab", airflow_port=1, secrets={"airflow_admin": PASSWORD}, user=getpass.getuser())
    done = quintet("run", "lakehouse", "--days", "2", home=lab.path("home"))
    assert done.returncode == 6
    assert done.stderr.endswith("Run: quintet doctor\n")


# logs


def test_logs_shows_the_last_lines(lab: Lab, home: Path) -> None:
    (lab.path("logs") / "trino.log").write_text("".join(f"line {n}\n" for n in range(100)), encoding="utf-8")
    assert quintet("logs", "trino", "-n", "2", home=home).stdout == "line 98\nline 99\n"
    assert len(quintet("logs", "trino", home=home).stdout.splitlines()) == 50
    told = json.loads(quintet("logs", "trino", "--lines", "1", "--json", home=home).stdout)
    assert told == {"service": "trino", "log": str(lab.path("logs") / "trino.log"), "lines": ["line 99"]}


def test_logs_of_an_unknown_service_lists_the_known_ones(home: Path) -> None:
    done = quintet("logs", "kafka", home=home)
    assert (done.returncode, done.stderr) == (1, "quintet: there is no service 'kafka'. Services: postgres, trino\n")


def test_logs_of_a_service_that_never_ran_says_so(home: Path) -> None:
    done = quintet("logs", "trino", home=home)
    assert done.returncode == 1
    assert done.stderr.endswith("trino.log. Does it run? quintet status\n")


def test_logs_follows_a_log_that_grows(lab: Lab, home: Path) -> None:
    log = lab.path("logs") / "trino.log"
    log.write_text("before\n", encoding="utf-8")
    with subprocess.Popen(
        line("logs", "trino", "--follow"), env=environment(home), stdout=subprocess.PIPE, text=True
    ) as following:
        assert following.stdout is not None
        try:
            assert following.stdout.readline() == "before\n"
            with log.open("a", encoding="utf-8") as file:
                file.write("after\n")
            assert following.stdout.readline() == "after\n"
        finally:
            children = Path(f"/proc/{following.pid}/task/{following.pid}/children").read_text(encoding="ascii").split()
            for pid in [*children, following.pid]:
                os.kill(int(pid), 15)


# status, start, stop, secrets


def test_status_shows_state_and_memory_of_every_service(home: Path, supervisor: SupervisorServer) -> None:
    del supervisor.programs["trino"]
    rows = {row["name"]: row for row in json.loads(quintet("status", "--json", home=home).stdout)["services"]}
    assert (rows["postgres"]["state"], rows["postgres"]["uptime_s"]) == ("RUNNING", 60)
    assert rows["postgres"]["memory_mb"] > 5
    assert (rows["trino"]["state"], rows["trino"]["memory_mb"]) == ("ABSENT", 0)


def test_start_and_stop_change_only_what_must_change(home: Path, supervisor: SupervisorServer) -> None:
    done = quintet("start", home=home)
    assert (done.returncode, done.stderr) == (0, "postgres was started already\ntrino started\n")
    told: dict[str, Any] = json.loads(quintet("stop", "--json", home=home).stdout)
    assert told["services"] == [{"name": "trino", "changed": True}, {"name": "postgres", "changed": True}]
    assert quintet("stop", "trino", home=home).stderr == "trino was stopped already\n"
    assert supervisor.calls == [("start", "trino"), ("stop", "trino"), ("stop", "postgres")]


def test_a_service_that_supervisor_does_not_know_cannot_be_started(home: Path, supervisor: SupervisorServer) -> None:
    del supervisor.programs["trino"]
    done = quintet("start", "trino", home=home)
    assert done.returncode == 6
    assert "BAD_NAME: trino" in done.stderr


@pytest.mark.parametrize("verb", ["status", "start", "stop"])
def test_a_lab_that_is_not_running_says_how_to_start_it(home: Path, verb: str) -> None:
    done = quintet(verb, home=home)
    assert done.returncode == 6
    assert done.stderr.endswith("Run: make start\n")


def test_an_unknown_service_changes_nothing(home: Path, supervisor: SupervisorServer) -> None:
    done = quintet("stop", "postgres", "kafka", home=home)
    assert done.returncode == 1
    assert supervisor.calls == []


def test_secrets_shows_what_is_asked_for_and_lists_names_not_values(home: Path) -> None:
    assert json.loads(quintet("secrets", "show", "airflow", "--json", home=home).stdout) == {
        "airflow_admin": PASSWORD,
        "airflow_viewer": "look-only",
    }
    done = quintet("secrets", "show", "nothing", home=home)
    assert done.returncode == 3
    assert "it has: airflow_admin, airflow_viewer" in done.stderr
    assert PASSWORD not in done.stderr


def test_doctor_ends_with_1_and_lists_what_to_do(home: Path, supervisor: SupervisorServer) -> None:
    begun = time.monotonic()
    done = quintet("doctor", "--json", home=home)
    assert done.returncode == 1
    wrong = [check for check in json.loads(done.stdout)["checks"] if not check["ok"]]
    assert [check["name"] for check in wrong] == ["trino runs"]
    assert wrong[0]["remedy"] == "Read: quintet logs trino; then: quintet start trino"
    assert time.monotonic() - begun < 30


# publish


def test_publications_without_an_object_store_name_the_command_that_adds_it(home: Path) -> None:
    done = quintet("publish", "lakehouse", home=home)
    assert (done.returncode, done.stdout) == (6, "")
    assert done.stderr.endswith("the profiles objects. Run: make install PROFILES=core,lakehouse,objects\n")


@pytest.fixture
def publishing(lab: Lab) -> list[dict[str, Any]]:
    """A lab with the profile objects; what its program says is published."""
    content = yaml.safe_load(lab.file.read_text(encoding="utf-8"))
    content["profiles"].append("objects")
    lab.file.write_text(yaml.safe_dump(content), encoding="utf-8")
    entry = {"table": "gold_lakehouse.revenue_daily", "location": "s3://lake/gold_lakehouse/revenue_daily/"}
    figures = {"row_count": 305, "object_count": 13, "bytes": 9000}
    found = [{**entry, **figures, "contract_version": "1.0.0", "published_at": "2026-11-22T07:00:00+00:00"}]
    program = lab.environment("spark").python
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho 'RESULT {json.dumps(found)}'\n", encoding="utf-8")
    program.chmod(0o755)
    return found


def test_publish_follows_the_run_and_shows_what_is_published(
    home: Path, publishing: list[dict[str, Any]], airflow: AirflowServer
) -> None:
    told = quintet("publish", "lakehouse", "--json", home=home)
    assert json.loads(told.stdout) == publishing
    assert any(path.endswith("/dags/lakehouse_publish_gold/dagRuns") for path in airflow.paths("POST"))
    asked = len(airflow.asked)
    listed = quintet("publish", "lakehouse", "--list", home=home)
    assert "s3://lake/gold_lakehouse/revenue_daily/" in listed.stdout
    assert len(airflow.asked) == asked


@pytest.mark.usefixtures("publishing")
def test_a_publication_that_fails_shows_the_log_and_the_page(home: Path, airflow: AirflowServer) -> None:
    airflow.script = [Step("failed", [task("revenue_daily.publish", "failed")])]
    airflow.logs = {"revenue_daily.publish": ["no data product promises it"]}
    done = quintet("publish", "lakehouse", home=home)
    assert (done.returncode, done.stdout) == (6, "")
    assert "no data product promises it" in done.stderr
    assert "the run ended as failed: revenue_daily.publish. The whole log: http" in done.stderr
