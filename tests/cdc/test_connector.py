"""The connector's configuration holds no secret and leads to the catalogue's topics; causes are found in traces."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

pytest.importorskip("psycopg", reason="the streaming environment has it")
from labs import lab_below
from quintet.catalogue.shop import SHOP
from quintet.cdc.connect import State, root_cause
from quintet.cdc.connector import config_of, name_of, remedy_for
from quintet.settings import Lab, read_lab

PASSWORD = "not-to-be-seen"


@pytest.fixture
def streaming(tmp_path: Path) -> Lab:
    lab = lab_below(tmp_path / "lab", secrets={"postgres_debezium": PASSWORD, "postgres_shop": PASSWORD})
    content = yaml.safe_load(lab.file.read_text(encoding="utf-8"))
    content["endpoints"] |= {
        name: {"host": "127.0.0.1", "port": 1, "scheme": "http"} for name in ("postgres", "registry", "connect")
    }
    lab.file.write_text(yaml.safe_dump(content), encoding="utf-8")
    return read_lab(lab.file)


def test_the_password_is_named_and_not_written(streaming: Lab) -> None:
    config = config_of(streaming, SHOP)
    assert PASSWORD not in str(config)
    assert config["database.password"] == f"${{file:{streaming.file.with_name('secrets.yaml')}:postgres_debezium}}"


def test_debezium_names_become_the_topics_of_the_catalogue(streaming: Lab) -> None:
    config = config_of(streaming, SHOP)
    prefix = config["topic.prefix"]
    written = [
        *(f"{prefix}.{SHOP.database_schema}.{table.name}" for table in SHOP.tables),
        f"{prefix}.{config['topic.transaction']}",
        f"{config['topic.heartbeat.prefix']}.{prefix}",
        f"{prefix}.{config['signal.data.collection']}",
    ]
    routed = []
    for topic in written:
        for name in config["transforms"].split(","):
            pattern, target = (config[f"transforms.{name}.{part}"] for part in ("regex", "replacement"))
            if re.fullmatch(pattern, topic):
                topic = re.sub(pattern, target.replace("$1", r"\1"), topic)
        routed.append(topic)
    assert routed == [topic.name for topic in SHOP.topics]


def test_records_are_written_once_and_every_table_is_captured(streaming: Lab) -> None:
    config = config_of(streaming, SHOP)
    assert config["exactly.once.support"] == "required"
    assert config["table.include.list"].split(",") == [f"public.{table.name}" for table in SHOP.tables]
    assert config["publication.autocreate.mode"] == "disabled"
    assert name_of(SHOP) == "lakehouse-shop"


def test_the_last_cause_of_a_trace_is_found() -> None:
    trace = (
        "org.apache.kafka.connect.errors.ConnectException: Tolerance exceeded\n\tat a.B.c(B.java:1)\n"
        "Caused by: java.lang.IllegalStateException: half way\n\t... 5 more\n"
        "Caused by: org.postgresql.util.PSQLException: ERROR: replication slot is gone\n\tat d.E.f(E.java:2)\n"
    )
    assert root_cause(trace) == "org.postgresql.util.PSQLException: ERROR: replication slot is gone"
    assert root_cause("") == ""
    assert "quintet capture show" in remedy_for(root_cause(trace))
    assert remedy_for("something else") == "The whole trace: quintet logs connect"


@pytest.mark.parametrize(
    ("state", "runs", "failed"),
    [
        (State("RUNNING", ("RUNNING",)), True, False),
        (State("RUNNING", ()), False, False),
        (State("RUNNING", ("FAILED",)), False, True),
        (State("FAILED", ()), False, True),
        (State("STOPPED", ()), False, False),
    ],
)
def test_a_connector_runs_when_it_and_its_task_do(state: State, runs: bool, failed: bool) -> None:
    assert (state.is_running, state.has_failed) == (runs, failed)
