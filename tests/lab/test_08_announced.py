"""Folders announced in Kafka: each is taken in once, whatever dies meanwhile, and what cannot be taken is told."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.lab.conftest import LabUnderTest, need, wait_until
from tests.lab.streams import Streams, running

from quintet import alerts
from quintet.errors import LabError, ServiceDownError
from quintet.runs.airflow import AirflowClient

pytestmark = pytest.mark.lab

PIPELINE, RECEIVER = "lakehouse_run_pipeline", "lakehouse_receive_inputs"
TOPIC = "lakehouse.inputs.announced"
#: Bounds of waits, in seconds. A bell that nobody heard is made good by the run of the next quarter of an hour.
SERVICE, RUN, MISSED = 240, 900, 1200


@pytest.fixture(scope="module")
def streams(installed: LabUnderTest) -> Streams:
    need(installed, "lakehouse", "streaming")
    return Streams(installed)


@pytest.fixture(scope="module")
def folder(streams: Streams) -> Path:
    lab = streams.under_test
    folder = lab.lab.path("input") / "announced"
    shutil.rmtree(folder, ignore_errors=True)
    lab.quintet("generate", "lakehouse", "--days", "2", "--seed", "11", "--out", str(folder))
    return folder


def announce(lab: LabUnderTest, folder: Path, *options: str) -> str:
    """Announce it; the id of the run that is to come."""
    done = lab.quintet("announce", "lakehouse", "--input", str(folder), "--json", *options)
    return f"announced__{json.loads(done.stdout)['announcement_id']}"


def put(streams: Streams, text: str) -> None:
    """Send what the command would not: `text` puts a record with `producer` or `raw`."""
    streams.script(
        "from datetime import UTC, datetime\nfrom confluent_kafka import Producer\n"
        "from quintet.catalogue.inputs import INPUTS_ANNOUNCED as TOPIC\nfrom quintet.contracts import read_contracts\n"
        "from quintet.streams.clients import client_settings\nfrom quintet.streams.producer import ContractedProducer\n"
        "from quintet.streams.schemas import value_schema\n"
        "producer = ContractedProducer(lab, TOPIC, read_contracts()[TOPIC.name], value_schema(TOPIC))\n"
        "raw = Producer(client_settings(lab))\n"
        f"{text}\nproducer.flush()\nraw.flush(60)\nprint('RESULT {{}}')"
    )


def ended(lab: LabUnderTest, run_id: str) -> Callable[[], str]:
    """State of a run of the pipeline at its end; empty before, and while Airflow does not know it."""

    def look() -> str:
        try:
            with AirflowClient(lab.lab) as airflow:
                state = airflow.state(PIPELINE, run_id)
        except ServiceDownError:
            return ""
        except LabError as error:
            if "404" not in str(error):
                raise
            return ""
        return state if state in {"success", "failed"} else ""

    return look


def started(lab: LabUnderTest) -> list[str]:
    """Ids of all runs that announcements have started."""
    with AirflowClient(lab.lab) as airflow:
        rows = airflow._rows(f"/dags/{PIPELINE}/dagRuns", "dag_runs")
    return sorted(row["dag_run_id"] for row in rows if row["dag_run_id"].startswith("announced__"))


def is_quiet(lab: LabUnderTest) -> bool:
    """Whether no run of the receiver goes on or waits."""
    with AirflowClient(lab.lab) as airflow:
        return not airflow.unfinished(RECEIVER)


def open_sources(lab: LabUnderTest) -> set[str]:
    return {told.alert.source for told in alerts.read(lab.lab) if told.is_open}


def places(streams: Streams) -> dict[str, Any]:
    """The receiver's place in the topic and the topic's end."""
    found: dict[str, Any] = streams.script(
        "from confluent_kafka import Consumer, TopicPartition\nfrom quintet.streams.clients import client_settings\n"
        "consumer = Consumer({**client_settings(lab), 'group.id': 'lakehouse-receive-inputs'})\n"
        f"part = TopicPartition({TOPIC!r}, 0)\n(at,) = consumer.committed([part], timeout=30)\n"
        "end = consumer.get_watermark_offsets(part, timeout=30)[1]\nconsumer.close()\n"
        "print('RESULT ' + json.dumps({'at': at.offset, 'end': end}))"
    )
    return found


def test_an_announced_folder_is_taken_in_once(streams: Streams, folder: Path) -> None:
    lab = streams.under_test
    before = started(lab)
    run_id = announce(lab, folder, "--again")
    assert wait_until(ended(lab, run_id), RUN, "its run ends") == "success"
    assert sorted({*started(lab)} - {*before}) == [run_id]
    wait_until(lambda: places(streams)["at"] == places(streams)["end"], SERVICE, "the place has moved")


def test_an_announcement_that_comes_twice_starts_one_run(streams: Streams, folder: Path) -> None:
    lab = streams.under_test
    twice = (
        "record = {'announcement_id': 'drill-' + str(datetime.now(UTC).timestamp()), 'sender': 'drill', "
        f"'folder': {str(folder)!r}, 'announced_at': datetime.now(UTC)}}\nproducer.put(record)\nproducer.put(record)"
    )
    before = started(lab)
    put(streams, twice)
    (run_id,) = wait_until(lambda: sorted({*started(lab)} - {*before}), MISSED, "a run was started")
    assert wait_until(ended(lab, run_id), RUN, "its run ends") == "success"
    wait_until(lambda: places(streams)["at"] == places(streams)["end"], SERVICE, "the place has moved behind both")
    assert sorted({*started(lab)} - {*before}) == [run_id]


def test_a_triggerer_that_is_killed_loses_no_announcement(streams: Streams, folder: Path) -> None:
    lab = streams.under_test
    lab.kill_tree(lab.service_pid("airflow-triggerer"))
    run_id = announce(lab, folder, "--again")
    wait_until(running(lab, "airflow-triggerer"), SERVICE, "the triggerer is back")
    assert wait_until(ended(lab, run_id), MISSED, "its run ends") == "success"
    assert started(lab).count(run_id) == 1


def test_while_kafka_is_away_an_announcement_is_refused_and_later_ones_are_heard(
    streams: Streams, folder: Path
) -> None:
    lab = streams.under_test
    lab.supervisorctl("stop", "kafka")
    try:
        done = lab.quintet("announce", "lakehouse", "--input", str(folder), "--again", expect=6)
        assert "Kafka" in done.stderr
        assert "quintet doctor" in done.stderr
    finally:
        lab.supervisorctl("start", "kafka")
    wait_until(running(lab, "kafka"), SERVICE, "Kafka is back")
    run_id = announce(lab, folder, "--again")
    assert wait_until(ended(lab, run_id), MISSED, "its run ends") == "success"


def test_what_cannot_be_taken_is_told_until_it_can(streams: Streams, folder: Path) -> None:
    lab, later = streams.under_test, folder.with_name("announced-later")
    shutil.rmtree(later, ignore_errors=True)
    source = f"announced:{later}"
    put(
        streams,
        "producer.put({'announcement_id': 'early-' + str(datetime.now(UTC).timestamp()), 'sender': 'drill', "
        f"'folder': {str(later)!r}, 'announced_at': datetime.now(UTC)}})\n"
        "raw.produce(TOPIC.name, key=b'x', value=b'no record of ours')",
    )
    wait_until(lambda: {source, "dead-letters"} <= open_sources(lab), MISSED, "both are told")
    wait_until(lambda: is_quiet(lab), RUN, "the receiver has ended")
    shown = json.loads(lab.quintet("deadletters", "list", "lakehouse", "--json").stdout)["letters"]
    assert [letter["reason"] for letter in shown if letter["place"].startswith(TOPIC)] == ["malformed"]
    shutil.copytree(folder, later)
    run_id = announce(lab, later)
    assert wait_until(ended(lab, run_id), MISSED, "its run ends") == "success"
    assert source not in open_sources(lab)
    assert streams.operate("discard", TOPIC)["discarded"] == 1
