"""Project lakehouse over the real retail days, while its database, its scheduler and a driver of Spark are killed."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from typing import Any

import psutil
import pytest
from tests.lab.conftest import DAYS, LabUnderTest, task_runs, wait_until

from paths import retail_days

pytestmark = pytest.mark.lab

DAG = "lakehouse_run_pipeline"
#: Bounds of waits, in seconds: until a step begins, and for what is left of the run then.
STEP, REST = 900, 2400


@dataclass(frozen=True)
class Outlived:
    """How a run ended in which services were killed; `is_real`: over the real days, else over generated ones."""

    is_real: bool
    outcome: dict[str, Any]


def driver(lab: LabUnderTest, job: str) -> psutil.Process | None:
    """The Java process of a Spark job."""
    for process in lab.processes(job):
        for child in process.children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                if "java" in child.name():
                    return child
    return None


@pytest.fixture(scope="module")
def outlived(installed: LabUnderTest) -> Outlived:
    days = retail_days()
    folder = days or installed.lab.path("input") / "test-outlived"
    if not days:
        installed.quintet("generate", "lakehouse", "--days", DAYS, "--seed", "31", "--out", str(folder))
    run = installed.start_quintet("run", "lakehouse", "--fresh", "--input", str(folder), "--json")
    try:
        wait_until(task_runs(installed, DAG, "silver.gate"), STEP, "the gate runs")
        services = installed.service_pids()
        installed.kill_tree(services["postgres"])
        # With the gate, which it runs: Airflow misses its sign of life and tries it again.
        installed.kill_tree(services["airflow-scheduler"])
        spark = wait_until(lambda: driver(installed, "lakehouse/silver.py"), STEP, "silver's driver is there")
        spark.kill()
        output, told = run.communicate(timeout=REST)
    finally:
        run.kill()
    assert run.returncode == 0, output[-3000:] + told[-3000:]
    after = installed.service_pids()
    assert after["postgres"] != services["postgres"]
    assert after["airflow-scheduler"] != services["airflow-scheduler"]
    return Outlived(days is not None, json.loads(output))


def test_a_run_outlives_its_database_its_driver_and_its_scheduler(installed: LabUnderTest, outlived: Outlived) -> None:
    assert outlived.outcome["state"] == "success"
    report = json.loads(installed.quintet("verify", "lakehouse", "--json").stdout)
    assert report["checks"]
    assert [check for check in report["checks"] if not check["ok"]] == []


def test_the_real_days_come_out_with_the_known_facts(installed: LabUnderTest, outlived: Outlived) -> None:
    if not outlived.is_real:
        pytest.skip("the real days are not on this machine")
    assert outlived.outcome["peak_memory_mb"] < 8192
    checks = json.loads(installed.quintet("verify", "lakehouse", "--json").stdout)["checks"]
    found = {check["name"]: str(check["actual"]) for check in checks}
    assert {name: found[name] for name in ("bronze_lines", "exact_duplicates", "customers", "net_value_gbp")} == {
        "bronze_lines": "541909",
        "exact_duplicates": "5268",
        "customers": "4372",
        "net_value_gbp": "9747747.934",
    }
    errors = installed.sql(
        "select method, sum(customers * mean_absolute_error_gbp) as error "
        "from iceberg.gold_lakehouse.customer_value_backtest group by 1"
    )
    assert len(errors) == 3
    assert min(errors, key=lambda row: float(row["error"]))["method"] == "decayed spend"
