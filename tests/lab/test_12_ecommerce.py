"""The shop in the lab: live figures, batch layer and gold equal to the truth, through kill -9 and a poisoned day."""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.lab.conftest import LabUnderTest, need, wait_until
from tests.lab.streams import Streams
from tests.lab.tables import fingerprint

from quintet import alerts
from quintet.catalogue import Layer, tables
from quintet.ecommerce.definitions import KINDS
from quintet.runs.airflow import AirflowClient
from quintet.runs.programs import run_module

pytestmark = pytest.mark.lab

DAYS, SEED, POISON_DAY = "1", "5", "1"
#: Bound of a wait, in seconds.
LONG = 1500
#: Where checks look that are not of the live figures.
BATCH_PLACES = ("delta.", "iceberg.gold_ecommerce.")
#: Tables that tell of runs, and not of the shop.
OF_RUNS = {"gate_results", "publications", "withdrawals"}


@pytest.fixture(scope="module")
def lab(installed: LabUnderTest) -> LabUnderTest:
    need(installed, "lakehouse", "streaming")
    return installed


@dataclass(frozen=True)
class Input:
    """A generated input and what its truth says."""

    folder: Path
    expect: dict[str, Any]


def generated(lab: LabUnderTest, name: str, *more: str) -> Input:
    folder = lab.lab.path("input") / name
    shutil.rmtree(folder, ignore_errors=True)
    done = lab.quintet("generate", "ecommerce", "--days", DAYS, "--seed", SEED, "--out", str(folder), "--json", *more)
    return Input(folder, json.loads(done.stdout))


@pytest.fixture(scope="module")
def events(lab: LabUnderTest) -> Input:
    return generated(lab, "test-events")


def run(lab: LabUnderTest, given: Input, *more: str, expect: int | None = 0) -> Any:
    return lab.quintet("run", "ecommerce", "--input", str(given.folder), *more, expect=expect)


def proof(lab: LabUnderTest, *, expect: int | None = 0) -> dict[str, tuple[str, str]]:
    """Checks by name, expected and actual."""
    done = lab.quintet("verify", "ecommerce", "--json", expect=expect)
    return {check["name"]: (check["expected"], check["actual"]) for check in json.loads(done.stdout)["checks"]}


def wrong_in_the_batch_layer(lab: LabUnderTest) -> list[dict[str, Any]]:
    """Checks of the batch layer and of gold that fail."""
    found = json.loads(lab.quintet("verify", "ecommerce", "--json", expect=None).stdout)["checks"]
    of_batch = [check for check in found if check.get("where", "").startswith(BATCH_PLACES)]
    assert len(of_batch) >= 30
    return [check for check in of_batch if not check["ok"]]


def published(lab: LabUnderTest) -> dict[str, str]:
    """Checksums of all tables of the batch layer and of gold that tell of the shop."""
    layers = {Layer.BRONZE, Layer.SILVER, Layer.GOLD}
    return fingerprint(
        lab,
        [
            table.full_name
            for table in tables("ecommerce")
            if table.layer in layers and table.name not in OF_RUNS and table.full_name.startswith(BATCH_PLACES)
        ],
    )


def built_models(lab: LabUnderTest) -> set[str]:
    """Names of what is in gold."""
    rows = lab.sql("select table_name from iceberg.information_schema.tables where table_schema = 'gold_ecommerce'")
    return {row["table_name"] for row in rows}


def run_dag(lab: LabUnderTest, dag_id: str, parameters: dict[str, Any]) -> str:
    """Start a run and wait for its end; its state."""
    with AirflowClient(lab.lab) as airflow:
        run_id = airflow.trigger(dag_id, parameters)
        wait_until(lambda: airflow.state(dag_id, run_id) in {"success", "failed"}, LONG, f"the end of {dag_id}")
        return airflow.state(dag_id, run_id)


def read_so_far(lab: LabUnderTest) -> int:
    return int(lab.value("select coalesce(sum(records), 0) as records from postgres.live_ecommerce.handled"))


def test_every_figure_is_the_one_of_the_truth_through_kill_9_of_the_taskmanager(
    lab: LabUnderTest, events: Input
) -> None:
    running = lab.start_quintet("run", "ecommerce", "--fresh", "--input", str(events.folder))
    try:
        half = events.expect["records"] // 3

        def is_under_way() -> bool:
            assert running.poll() is None, "the run is over: " + "".join(running.communicate())[-3000:]
            with contextlib.suppress(AssertionError):
                return read_so_far(lab) > half
            return False

        wait_until(is_under_way, LONG, "a third of the records is read")
        lab.kill_tree(lab.service_pid("flink-taskmanager"))
        told, progress = running.communicate(timeout=LONG)
    finally:
        if running.poll() is None:
            running.kill()
    assert running.returncode == 0, told[-3000:] + progress[-3000:]
    assert "What became of the records" in told
    found = proof(lab)
    assert [name for name, (expected, actual) in found.items() if expected != actual] == []
    assert {"minutes", "sessions", "stock", "trending products", "quarantine"} <= set(found)
    assert wrong_in_the_batch_layer(lab) == []
    assert not [e for e in alerts.read(lab.lab) if e.is_open and e.alert.source == "reconcile"], "difference 0"


def test_a_second_run_and_tasks_that_are_cleared_change_no_row(lab: LabUnderTest, events: Input) -> None:
    before, tables_before = proof(lab), published(lab)
    assert len(tables_before) > 20
    done = json.loads(run(lab, events, "--json").stdout)
    assert (proof(lab), published(lab)) == (before, tables_before)
    dag_id, run_id = done["dag_id"], done["run_id"]
    with AirflowClient(lab.lab) as airflow:
        wanted = {"dry_run": False, "dag_run_id": run_id, "task_ids": ["batch.land"], "include_downstream": True}
        airflow._request("POST", f"/dags/{dag_id}/clearTaskInstances", json={**wanted, "only_failed": False})
        wait_until(lambda: airflow.state(dag_id, run_id) in {"success", "failed"}, LONG, "the cleared tasks")
        assert airflow.state(dag_id, run_id) == "success"
        again = {task.task_id for task in airflow.tasks(dag_id, run_id) if task.try_number > 1}
    assert {"batch.land", "batch.figures", "reconcile"} <= again
    assert published(lab) == tables_before


def test_everything_computed_anew_is_the_same(lab: LabUnderTest, events: Input) -> None:
    before = published(lab)
    run(lab, events, "--full-refresh", "--yes")
    assert published(lab) == before
    assert wrong_in_the_batch_layer(lab) == []


def captured(lab: LabUnderTest) -> list[int]:
    """Records in the topic of the products' versions, and how many of them differ.

    Trino does not read this topic: the product is in key and value.
    """
    found: list[int] = Streams(lab).script(
        "from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition\n"
        "from quintet.streams.clients import client_settings\n"
        "name, records = 'ecommerce.products.changed', []\n"
        "reader = Consumer({**client_settings(lab), 'group.id': 'test-captured', 'enable.partition.eof': True,\n"
        "    'enable.auto.commit': False})\n"
        "parts = list(reader.list_topics(name, timeout=30).topics[name].partitions)\n"
        "reader.assign([TopicPartition(name, part, OFFSET_BEGINNING) for part in parts])\n"
        "while parts:\n"
        "    message = reader.poll(60)\n"
        "    if message.error():\n"
        "        parts.remove(message.partition())\n"
        "    else:\n"
        "        records.append((message.key(), message.value()))\n"
        "reader.close()\n"
        "print('RESULT', json.dumps([len(records), len(set(records))]))"
    )
    return found


def test_products_are_captured_once_and_a_capture_that_begins_anew_changes_no_figure(
    lab: LabUnderTest, events: Input
) -> None:
    def is_capturing() -> bool:
        """Whether connector and task run; a door that is closed says no."""
        done = lab.quintet("capture", "show", "ecommerce", "--json", expect=None)
        found = json.loads(done.stdout) if done.returncode == 0 else {"state": "", "tasks": []}
        return (found["state"], found["tasks"]) == ("RUNNING", ["RUNNING"]) and found["active"]

    assert is_capturing()
    listed = int(lab.value("select count(*) as rows from postgres.ecommerce.product_versions"))
    assert listed > 1000
    # The topic holds what was captured since it was emptied.
    assert captured(lab) == [listed, listed]
    before = proof(lab)
    lab.kill_tree(lab.service_pid("connect"))
    wait_until(is_capturing, LONG, "the worker is back, and captures")
    lab.quintet("capture", "recover", "ecommerce")
    run(lab, events)
    assert proof(lab) == before
    assert captured(lab) == [2 * listed, listed]


def test_another_input_is_refused_until_the_project_is_emptied(lab: LabUnderTest, events: Input) -> None:
    other = Input(lab.lab.path("input") / "test-events-more", {})
    shutil.rmtree(other.folder, ignore_errors=True)
    shutil.copytree(events.folder, other.folder)
    shutil.copytree(next((other.folder / "by_day").iterdir()), other.folder / "by_day" / "2025-06-01")
    refused = run(lab, other, expect=4)
    assert "the topics hold another input" in refused.stderr + refused.stdout
    assert "--fresh" in refused.stderr + refused.stdout


@pytest.fixture(scope="module")
def poisoned(lab: LabUnderTest) -> Input:
    return generated(lab, "test-events-poisoned", "--poison-day", POISON_DAY)


def test_a_poisoned_day_is_told_and_nothing_of_it_is_published(lab: LabUnderTest, poisoned: Input) -> None:
    run(lab, poisoned, "--fresh", expect=5)
    poison = json.loads((poisoned.folder / "truth.json").read_text(encoding="utf-8"))["poison"]
    rows = lab.sql(
        "select kind, reason, count(*) as records from iceberg.silver_ecommerce.live_events__quarantine group by 1, 2"
    )
    counts = {(row["kind"], row["reason"]): int(row["records"]) for row in rows}
    # What was broken anyway may have been poisoned, too.
    assert counts["page_view", "page_not_a_path"] >= poison["broken"]["page_view.parquet"] * 0.98
    assert counts["add_to_cart", "quantity_not_positive"] >= poison["broken"]["add_to_cart.parquet"] * 0.98
    (kept,) = lab.sql(
        "select count(*) as rows from iceberg.silver_ecommerce.live_events where kind = 'page_view' "
        "and event_id like '%|none'"
    )
    assert int(kept["rows"]) == 0, "nothing of it is in a table that people read"
    told = {e.alert.source: e.alert for e in alerts.read(lab.lab) if e.is_open and e.alert.project == "ecommerce"}
    assert {"broken-records", "gate"} <= set(told)
    assert told["gate"].severity == "critical"
    for kind in ("page_view", "add_to_cart"):
        assert f"{kind} of {poison['day']}" in told["gate"].detail
    assert "ecommerce_withdraw_events" in told["gate"].remedy
    assert int(lab.value("select count(*) from delta.silver_ecommerce.events")) == 0
    assert built_models(lab) == set(), "gold is not built"
    wrong = {name for name, (expected, actual) in proof(lab, expect=None).items() if expected != actual}
    assert {"quarantine", "revenue by day"} <= wrong


def test_what_was_taken_back_and_sent_whole_lets_gold_through(lab: LabUnderTest, poisoned: Input) -> None:
    poison = json.loads((poisoned.folder / "truth.json").read_text(encoding="utf-8"))["poison"]
    for name in poison["files"]:
        withdrawn = {"kind": name.removesuffix(".parquet"), "day": poison["day"], "reason": "a release went wrong"}
        assert withdrawn["kind"] in KINDS
        assert run_dag(lab, "ecommerce_withdraw_events", withdrawn) == "success"
    again = lab.lab.path("input") / "test-events-again"
    shutil.rmtree(again, ignore_errors=True)
    shutil.copytree(poisoned.folder / "repaired", again / "by_day")
    run_module(lab.lab, "streaming", "quintet.ecommerce.live", "--input", str(again))
    # The same input: nothing is sent again but what was just sent.
    run(lab, poisoned)
    assert wrong_in_the_batch_layer(lab) == []
    told = [e.alert for e in alerts.read(lab.lab) if e.is_open and e.alert.project == "ecommerce"]
    assert "gate" not in {alert.source for alert in told}
    assert "reconcile" in {alert.source for alert in told}, "the live figures had not seen the whole records"


def test_a_repaired_input_sent_to_an_emptied_project_brings_the_whole_truth(lab: LabUnderTest, poisoned: Input) -> None:
    for file in (poisoned.folder / "repaired").rglob("*.parquet"):
        shutil.copyfile(file, poisoned.folder / "by_day" / file.parent.name / file.name)
    run(lab, poisoned, "--fresh")
    assert [name for name, (expected, actual) in proof(lab).items() if expected != actual] == []
    assert not [e for e in alerts.read(lab.lab) if e.is_open and e.alert.source == "broken-records"]


def test_dead_letters_are_told_for_as_long_as_they_wait(lab: LabUnderTest) -> None:
    told = [entry.alert for entry in alerts.read(lab.lab) if entry.is_open and entry.alert.project == "ecommerce"]
    assert "dead-letters" in {alert.source for alert in told}


def test_after_kill_9_of_the_jobmanager_the_watch_starts_both_streams_again(lab: LabUnderTest) -> None:
    before = proof(lab)
    lab.kill_tree(lab.service_pid("flink-jobmanager"))
    time.sleep(5)

    def are_back() -> bool:
        return run_dag(lab, "ecommerce_watch_streams", {}) == "success"

    wait_until(are_back, LONG, "the watch has started both")
    assert proof(lab) == before
