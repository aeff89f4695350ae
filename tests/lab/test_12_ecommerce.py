"""The shop's live figures in the lab: equal to the truth, through kill -9 and a poisoned batch, and again the same."""

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

from quintet import alerts

pytestmark = pytest.mark.lab

DAYS, SEED, POISON_DAY = "1", "5", "1"
#: Bound of a wait, in seconds.
LONG = 600


@pytest.fixture(scope="module")
def lab(widened: LabUnderTest) -> LabUnderTest:
    need(widened, "lakehouse", "streaming")
    return widened


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


def read_so_far(lab: LabUnderTest) -> int:
    return int(lab.value("select coalesce(sum(records), 0) as records from postgres.live_ecommerce.handled"))


def test_every_figure_is_the_one_of_the_truth_through_kill_9_of_the_taskmanager(
    lab: LabUnderTest, events: Input
) -> None:
    running = lab.start_quintet("run", "ecommerce", "--fresh", "--input", str(events.folder))
    try:
        half = events.expect["records"] // 3

        def is_under_way() -> bool:
            assert running.poll() is None, f"the run is over: {running.communicate()[0][-3000:]}"
            with contextlib.suppress(AssertionError):
                return read_so_far(lab) > half
            return False

        wait_until(is_under_way, LONG, "a third of the records is read")
        lab.kill_tree(lab.service_pid("flink-taskmanager"))
        told, _ = running.communicate(timeout=LONG)
    finally:
        if running.poll() is None:
            running.kill()
    assert running.returncode == 0, told[-5000:]
    assert "What became of the records" in told
    found = proof(lab)
    assert [name for name, (expected, actual) in found.items() if expected != actual] == []
    assert {"minutes", "sessions", "stock", "trending products", "quarantine"} <= set(found)


def test_a_second_run_sends_nothing_and_finds_the_same(lab: LabUnderTest, events: Input) -> None:
    before = proof(lab)
    run(lab, events)
    assert proof(lab) == before


def test_another_input_is_refused_until_the_project_is_emptied(lab: LabUnderTest, events: Input) -> None:
    other = Input(lab.lab.path("input") / "test-events-more", {})
    shutil.rmtree(other.folder, ignore_errors=True)
    shutil.copytree(events.folder, other.folder)
    shutil.copytree(next((other.folder / "by_day").iterdir()), other.folder / "by_day" / "2025-06-01")
    refused = run(lab, other, expect=4)
    assert "the topics hold another input" in refused.stderr + refused.stdout
    assert "--fresh" in refused.stderr + refused.stdout


def test_a_poisoned_batch_lies_in_quarantine_with_an_alert_and_its_repair_brings_the_truth(lab: LabUnderTest) -> None:
    given = generated(lab, "test-events-poisoned", "--poison-day", POISON_DAY)
    run(lab, given, "--fresh")
    poison = json.loads((given.folder / "truth.json").read_text(encoding="utf-8"))["poison"]
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
    told = [entry.alert for entry in alerts.read(lab.lab) if entry.is_open and entry.alert.source == "broken-records"]
    assert [alert.project for alert in told] == ["ecommerce"]
    wrong = {name for name, (expected, actual) in proof(lab, expect=None).items() if expected != actual}
    assert "quarantine" in wrong

    for file in (given.folder / "repaired").rglob("*.parquet"):
        shutil.copyfile(file, given.folder / "by_day" / file.parent.name / file.name)
    run(lab, given, "--fresh")
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
        from quintet.runs.airflow import AirflowClient

        with AirflowClient(lab.lab) as airflow:
            run_id = airflow.trigger("ecommerce_watch_streams", {})
            wait_until(lambda: airflow.state("ecommerce_watch_streams", run_id) in {"success", "failed"}, LONG, "watch")
            return airflow.state("ecommerce_watch_streams", run_id) == "success"

    wait_until(are_back, LONG, "the watch has started both")
    assert proof(lab) == before
