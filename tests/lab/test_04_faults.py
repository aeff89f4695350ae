"""Faults while the project runs: nothing is lost, nothing is doubled, and a person reads what to do."""

from __future__ import annotations

import contextlib
import csv
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import psutil
import pytest
from tests.lab.conftest import LabUnderTest, Shop, wait_until
from tests.lab.tables import fingerprint

from quintet.errors import ServiceDownError
from quintet.runs.airflow import AirflowClient

pytestmark = pytest.mark.lab

DAG = "lakehouse_run_pipeline"
POISON = "2031-01-02.csv"
#: Bounds of waits, in seconds.
STEP, SERVICE = 240, 120


def running(lab: LabUnderTest, task_id: str) -> Callable[[], bool]:
    """Whether a task of the run that is under way is running now."""

    def look() -> bool:
        with contextlib.suppress(ServiceDownError), AirflowClient(lab.lab) as airflow:
            for run in airflow.unfinished(DAG):
                if any(task.task_id == task_id and task.state == "running" for task in airflow.tasks(DAG, run.run_id)):
                    return True
        return False

    return look


def driver(lab: LabUnderTest, job: str) -> psutil.Process | None:
    """The Java process of a Spark job."""
    for process in lab.processes(job):
        for child in process.children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                if "java" in child.name():
                    return child
    return None


def write_csv(path: Path, rows: Iterable[Sequence[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as target:
        csv.writer(target).writerows(rows)


@contextlib.contextmanager
def stopped(lab: LabUnderTest, service: str) -> Iterator[None]:
    """A service that is down and stays down."""
    lab.supervisorctl("stop", service)
    try:
        yield
    finally:
        lab.supervisorctl("start", service)


def test_a_run_outlives_its_database_its_driver_and_its_scheduler(installed: LabUnderTest, shop: Shop) -> None:
    before = fingerprint(installed)
    run = installed.start_quintet("run", "lakehouse", "--input", str(shop.folder), "--full-refresh", "--yes")
    try:
        wait_until(running(installed, "silver.gate"), STEP, "the gate runs")
        services = installed.service_pids()
        installed.kill_tree(services["postgres"])
        # With the gate, which it runs: Airflow misses its sign of life and tries it again.
        installed.kill_tree(services["airflow-scheduler"])
        spark = wait_until(lambda: driver(installed, "lakehouse/silver.py"), STEP * 3, "silver's driver is there")
        spark.kill()
        output, _ = run.communicate(timeout=STEP * 3)
    finally:
        run.kill()
    assert run.returncode == 0, output[-6000:]
    assert fingerprint(installed) == before
    installed.quintet("verify", "lakehouse")


@pytest.mark.long
def test_gold_outlives_the_scheduler_that_builds_it(installed: LabUnderTest, shop: Shop) -> None:
    """Each model is then built by a dbt of its own, which takes a quarter of an hour."""
    before = fingerprint(installed)
    run = installed.start_quintet("run", "lakehouse", "--input", str(shop.folder), "--full-refresh", "--yes")
    try:
        wait_until(running(installed, "gold.models.dbt_producer_watcher"), STEP * 3, "gold is being built")
        installed.kill_tree(installed.service_pid("airflow-scheduler"))
        output, _ = run.communicate(timeout=STEP * 5)
    finally:
        run.kill()
    assert run.returncode == 0, output[-6000:]
    assert fingerprint(installed) == before
    installed.quintet("verify", "lakehouse")


def test_a_poison_day_stops_the_run_and_nothing_is_published(installed: LabUnderTest, shop: Shop) -> None:
    before = fingerprint(installed)
    alerts = len(installed.alerts())
    day = sorted((shop.folder / "by_day").glob("*.csv"))[-1]
    with day.open(encoding="utf-8", newline="") as source:
        header, *lines = csv.reader(source)
    for line in lines[::3]:
        line[header.index("Quantity")] = "many"
    write_csv(day.with_name(POISON), [header, *lines])

    failed = shop.run(installed, expect=5)
    told = failed.stdout + failed.stderr
    assert POISON in told
    assert "quantity" in told
    assert "send" in told.lower(), "it says what to do"
    assert fingerprint(installed) == before
    assert any(POISON in json.dumps(alert) for alert in installed.alerts()[alerts:])
    listed = json.loads(installed.quintet("quarantine", "list", "lakehouse", "--json").stdout)["rows"]
    assert sum(row["rows"] for row in listed if row["file"] == POISON) >= len(lines[::3])
    assert (installed.lab.path("docs") / "data_docs" / "index.html").is_file()


def test_the_repaired_day_is_published_once_trino_is_back(installed: LabUnderTest, shop: Shop) -> None:
    before = fingerprint(installed)
    day = sorted(path for path in (shop.folder / "by_day").glob("*.csv") if path.name != POISON)[-1]
    with day.open(encoding="utf-8", newline="") as source:
        header, *lines = csv.reader(source)
    _, product, name, quantity, moment, price, *rest = next(line for line in lines if line[6] and line[3] == "1")
    write_csv(shop.folder / "by_day" / POISON, [header, ["900001", product, name, quantity, moment, price, *rest]])

    with stopped(installed, "trino"):
        failed = shop.run(installed, expect=None)
        assert failed.returncode != 0
        assert "Trino does not answer" in failed.stdout + failed.stderr
    wait_until(lambda: installed.quintet("sql", "select 1", expect=None).returncode == 0, SERVICE, "Trino answers")
    shop.run(installed)
    after = fingerprint(installed)
    assert after["invoice_lines"] != before["invoice_lines"]
    added = installed.sql("select quantity from iceberg.gold_lakehouse.fct_sales where invoice_id = '900001'")
    assert added == [{"quantity": 1}]
    assert (
        installed.value(
            "select count(*) from delta.silver_lakehouse.invoice_lines__quarantine "
            f"where _source_file = '{POISON}' and _status = 'open'"
        )
        == 0
    )
