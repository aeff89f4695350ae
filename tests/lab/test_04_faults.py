"""Faults while the project runs: nothing is lost, nothing is doubled, and a person reads what to do."""

from __future__ import annotations

import contextlib
import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pytest
from tests.lab.conftest import LabUnderTest, Shop, task_runs, wait_until
from tests.lab.tables import fingerprint

pytestmark = pytest.mark.lab

DAG = "lakehouse_run_pipeline"
POISON = "2031-01-02.csv"
#: Bounds of waits, in seconds.
STEP, SERVICE = 240, 120


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


@pytest.mark.long
def test_gold_outlives_the_scheduler_that_builds_it(installed: LabUnderTest, shop: Shop) -> None:
    """Each model is then built by a dbt of its own, which takes a quarter of an hour."""
    before = fingerprint(installed)
    run = installed.start_quintet("run", "lakehouse", "--input", str(shop.folder), "--full-refresh", "--yes")
    try:
        wait_until(task_runs(installed, DAG, "gold.models.dbt_producer_watcher"), STEP * 3, "gold is being built")
        installed.kill_tree(installed.service_pid("airflow-scheduler"))
        output, told = run.communicate(timeout=STEP * 5)
    finally:
        run.kill()
    assert run.returncode == 0, output[-3000:] + told[-3000:]
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


def repair(shop: Shop) -> None:
    """Put a good day in the place of the poison one."""
    day = sorted(path for path in (shop.folder / "by_day").glob("*.csv") if path.name != POISON)[-1]
    with day.open(encoding="utf-8", newline="") as source:
        header, *lines = csv.reader(source)
    _, product, name, quantity, moment, price, *rest = next(line for line in lines if line[6] and line[3] == "1")
    write_csv(shop.folder / "by_day" / POISON, [header, ["900001", product, name, quantity, moment, price, *rest]])


@pytest.mark.long
def test_without_trino_a_run_says_so_after_all_its_tries(installed: LabUnderTest, shop: Shop) -> None:
    repair(shop)
    with stopped(installed, "trino"):
        failed = shop.run(installed, expect=None)
        assert failed.returncode != 0
        assert "Trino does not answer" in failed.stdout + failed.stderr
    wait_until(lambda: installed.quintet("sql", "select 1", expect=None).returncode == 0, SERVICE, "Trino answers")


@pytest.mark.long
def test_the_repaired_day_is_published(installed: LabUnderTest, shop: Shop) -> None:
    repair(shop)
    shop.run(installed)
    added = installed.sql("select quantity from iceberg.gold_lakehouse.fct_sales where invoice_id = '900001'")
    assert added == [{"quantity": 1}]
    assert (
        installed.value(
            "select count(*) from delta.silver_lakehouse.invoice_lines__quarantine "
            f"where _source_file = '{POISON}' and _status = 'open'"
        )
        == 0
    )
