"""What a message in Kafka starts: the schedule of a lab with and without it, the connection, the trigger itself."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from airflow.sdk.exceptions import AirflowSkipException

import airflow_home
from kafka_server import kafka_server
from labs import lab_below
from paths import ROOT
from quintet.airflow import inputs
from quintet.airflow.defaults import NO_LAST_TIME
from quintet.airflow.secrets import KAFKA_BELL, LabSecretsBackend
from quintet.catalogue.inputs import INPUTS_ANNOUNCED
from quintet.settings import Lab

pytestmark = pytest.mark.airflow

KAFKA = {"security_protocol": "SASL_PLAINTEXT", "mechanism": "SCRAM-SHA-512", "user": "quintet", "admin": "admin"}
#: Bound of waits, in seconds.
SOON = 90
ENTRY = {
    "partition": 0,
    "offset": 7,
    "verdict": "start",
    "run_id": "announced__x",
    "folder": "/in",
    "sender": "ann",
    "announced_at": "2026-01-01T00:00:00+00:00",
    "fault": "",
}


@pytest.fixture
def streaming(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A lab with Kafka, which is the lab of this process."""
    found = lab_below(
        tmp_path / "lab",
        more_doors={"kafka": 19092},
        options={"kafka": KAFKA},
        secrets={"kafka_airflow": "only to hear", "kafka_quintet": "everything"},
    )
    monkeypatch.setenv("QUINTET_LAB", str(found.file))
    return found


def trigger_of(lab: Lab) -> Any:
    schedule = inputs.announcements(lab)
    assert schedule is not None
    (asset,) = schedule.asset_condition.objects
    (watcher,) = asset.watchers
    return watcher.trigger


def test_a_lab_without_kafka_has_nothing_to_listen_to() -> None:
    assert "kafka" not in airflow_home.LAB.options
    assert inputs.announcements() is None
    assert LabSecretsBackend().get_conn_value(KAFKA_BELL) is None


def test_a_lab_with_kafka_listens_and_looks_from_time_to_time(streaming: Lab) -> None:
    schedule = inputs.announcements(streaming)
    assert schedule is not None
    assert schedule.timetable.expression == inputs.MISSED
    assert schedule.timetable.run_immediately == NO_LAST_TIME
    path, arguments = trigger_of(streaming).serialize()
    assert path == "airflow.providers.apache.kafka.triggers.await_message.AwaitMessageTrigger"
    assert arguments["topics"] == [INPUTS_ANNOUNCED.name]
    assert arguments["kafka_config_id"] == KAFKA_BELL
    assert arguments["apply_function"] == "quintet.airflow.inputs.ring"
    assert arguments["commit_offset"] is True
    assert json.loads(json.dumps(arguments))["topics"] == arguments["topics"], "it is kept in a database"


def test_the_triggerer_is_a_user_that_may_do_nothing_else(streaming: Lab) -> None:
    connection = json.loads(LabSecretsBackend().get_conn_value(KAFKA_BELL) or "{}")
    settings = connection["extra"]
    assert (settings["sasl.username"], settings["sasl.password"]) == ("airflow", "only to hear")
    assert settings["enable.auto.commit"] is False
    role = yaml.safe_load((ROOT / "ansible/roles/kafka/defaults/main.yml").read_text(encoding="utf-8"))
    assert role["kafka_clients"][settings["sasl.username"]] == [
        {"resource": "topic", "name": INPUTS_ANNOUNCED.name, "operations": ["read", "describe"]},
        {"resource": "group", "name": settings["group.id"], "operations": ["read"]},
    ]


def test_only_good_announcements_start_a_run_and_only_unfit_ones_are_refused() -> None:
    assert inputs._as_run(ENTRY) == {"trigger_run_id": "announced__x", "conf": {"input": "/in"}}
    for verdict in ("unfit", "repeat", "unreadable"):
        with pytest.raises(AirflowSkipException, match=f"{verdict}: offset 7"):
            inputs._as_run({**ENTRY, "verdict": verdict})
    unfit = inputs._as_refusal({**ENTRY, "verdict": "unfit", "fault": "it is empty"})
    assert unfit == {"folder": "/in", "sender": "ann", "announced_at": ENTRY["announced_at"], "fault": "it is empty"}
    for verdict in ("start", "repeat", "unreadable"):
        with pytest.raises(AirflowSkipException):
            inputs._as_refusal({**ENTRY, "verdict": verdict})


def test_the_place_moves_after_the_runs_were_started_also_when_they_were_there_already() -> None:
    from datetime import UTC, datetime

    from airflow.sdk import DAG

    with DAG("drill", start_date=datetime(2026, 1, 1, tzinfo=UTC), schedule=None) as dag:
        inputs.receive()
    start, settle, refuse = (dag.get_task(name) for name in ("start", "settle", "refuse"))
    assert start.partial_kwargs["trigger_dag_id"] == "lakehouse_run_pipeline"
    assert start.partial_kwargs["skip_when_already_exists"] is True
    assert start.partial_kwargs["logical_date"] is None, "two runs of one instant would be one"
    assert settle.upstream_task_ids == {"read", "start"}
    assert settle.trigger_rule == "none_failed", "a run that was refused keeps the place"
    assert "settle" in refuse.upstream_task_ids
    assert refuse.trigger_rule == "none_failed"


@pytest.fixture
def broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with kafka_server(tmp_path) as servers:
        settings = {
            "bootstrap.servers": servers,
            "group.id": "bell",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
        }
        given = json.dumps({"conn_type": "kafka", "extra": settings})
        monkeypatch.setenv(f"AIRFLOW_CONN_{KAFKA_BELL.upper()}", given)
        yield servers


async def heard(trigger: Any) -> dict[str, Any]:
    try:
        async with asyncio.timeout(SOON):
            async for event in trigger.run():
                found: dict[str, Any] = event.payload
                return found
    finally:
        await trigger.cleanup()
    raise AssertionError("the trigger ended without an event")


def test_the_trigger_hears_each_record_once_whatever_it_holds(streaming: Lab, broker: str) -> None:
    from confluent_kafka import Producer
    from confluent_kafka.admin import AdminClient, NewTopic

    admin = AdminClient({"bootstrap.servers": broker})
    admin.create_topics([NewTopic(INPUTS_ANNOUNCED.name, 1)])[INPUTS_ANNOUNCED.name].result(30)
    producer = Producer({"bootstrap.servers": broker})
    for value in (b"\x00\xff no text", None):
        producer.produce(INPUTS_ANNOUNCED.name, key=b"k", value=value)
    assert producer.flush(30) == 0
    path, arguments = trigger_of(streaming).serialize()
    module, _, name = path.rpartition(".")
    kind = getattr(__import__(module, fromlist=[name]), name)
    offsets = [asyncio.run(heard(kind(**arguments)))["offset"] for _ in range(2)]
    assert offsets == [0, 1]


def test_bells_are_heard_by_their_place() -> None:
    @dataclasses.dataclass
    class Message:
        at: tuple[str, int, int] = ("t", 1, 5)

        def topic(self) -> str:
            return self.at[0]

        def partition(self) -> int:
            return self.at[1]

        def offset(self) -> int:
            return self.at[2]

    assert inputs.ring(Message()) == {"topic": "t", "partition": 1, "offset": 5}
