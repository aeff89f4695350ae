"""Streams in the lab: deployed and upgraded with their state, killed under load, rolled back, watched, cared for."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from stream_drill import KEYS, Drill
from stream_rounds import TABLE, read_after_rounds
from tests.lab.conftest import LabUnderTest, need, wait_until

from quintet import alerts
from quintet.errors import ServiceDownError
from quintet.flink.rest import FlinkRest
from quintet.runs.airflow import AirflowClient

pytestmark = pytest.mark.lab

JOBS = Path(__file__).with_name("flink_drill")
JOB = "lakehouse/drill"
DEPLOY = "lakehouse_deploy_shop_to_silver"
#: Bounds of waits, in seconds; checkpoints come every three.
CAUGHT_UP, SERVICE, RUN = 240, 180, 600


@pytest.fixture(scope="module")
def lab(installed: LabUnderTest) -> LabUnderTest:
    need(installed, "lakehouse", "streaming")
    return installed


@pytest.fixture(scope="module")
def drill(lab: LabUnderTest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drill]:
    """The drill's job as a first version, with topics of its own and nothing in them."""
    jobs = lab.lab.path("run") / "flink-drill"
    shutil.rmtree(jobs, ignore_errors=True)
    shutil.copytree(JOBS, jobs)
    drill = Drill(lab.lab, jobs)
    # A job that an earlier run left behind would write into the new topics, too.
    drill.flink("stop", JOB, expect=None)
    drill.topics("prepare")
    with contextlib.suppress(AssertionError):
        lab.quintet("sql", f"DROP TABLE IF EXISTS {TABLE}", expect=None)
    yield drill
    drill.flink("stop", JOB)
    drill.topics("remove")
    shutil.rmtree(jobs)


def change(drill: Drill, old: str, new: str) -> None:
    file = drill.jobs / "lakehouse" / "drill" / "statements.sql"
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def is_exact(lab: LabUnderTest, drill: Drill, produced: int) -> bool:
    """Whether every number came out once, and is in its total once."""
    copies = drill.topics("read")
    assert copies["copies"] == copies["distinct"], f"numbers came out twice: {copies}"
    (row,) = lab.sql(f"SELECT count(*) AS keys, sum(numbers) AS numbers, sum(total) AS total FROM {TABLE}")
    assert int(row["numbers"] or 0) <= produced, f"numbers were counted twice: {row}"
    total = sum(range(produced))
    return (
        copies == {"copies": produced, "distinct": produced, "total": total}
        and (int(row["keys"]), int(row["numbers"]), int(row["total"])) == (KEYS, produced, total)
    )  # fmt: skip


def is_alerted(lab: LabUnderTest, source: str) -> bool:
    return any(told.is_open and told.alert.source == source for told in alerts.read(lab.lab))


def kill(lab: LabUnderTest, name: str) -> None:
    lab.kill_tree(lab.service_pid(name))


def run_dag(lab: LabUnderTest, dag_id: str, **parameters: Any) -> tuple[str, str]:
    """State of a run at its end, and the last lines of its tasks' logs."""
    with AirflowClient(lab.lab) as airflow:
        run_id = airflow.trigger(dag_id, parameters)
        state = wait_until(
            lambda: (found := airflow.state(dag_id, run_id)) in {"success", "failed"} and found, RUN, f"{dag_id} ends"
        )
        lines = []
        for task in airflow.tasks(dag_id, run_id):
            if task.try_number:
                lines += airflow.last_lines(dag_id, run_id, task, 30)
    return state, "\n".join(lines)


def test_a_job_is_deployed_once_however_often_it_is_asked_for(lab: LabUnderTest, drill: Drill) -> None:
    drill.topics("produce", "5000", "0")
    first, _ = drill.deploy("--fresh")
    again, _ = drill.deploy()
    assert (first["phase"], first["changed"], again["changed"]) == ("running", True, False)
    assert again["job_id"] == first["job_id"]
    with FlinkRest(lab.lab) as rest:
        assert [job.job_id for job in rest.jobs() if job.name == JOB and job.is_alive] == [first["job_id"]]
        assert rest.parameters(first["job_id"])["quintet.version"] == first["version"]
    wait_until(lambda: is_exact(lab, drill, 5000), CAUGHT_UP, "all numbers are out")


def test_kill_9_of_the_taskmanager_under_load_loses_and_doubles_nothing(lab: LabUnderTest, drill: Drill) -> None:
    producing = drill.produce(20_000, rate=800)
    with contextlib.suppress(Exception):
        producing.wait(8)
    kill(lab, "flink-taskmanager")
    assert producing.wait(CAUGHT_UP) == 0
    wait_until(lambda: is_exact(lab, drill, 25_000), CAUGHT_UP, "all numbers are out, once")


def test_after_kill_9_of_the_jobmanager_the_watch_starts_the_job_from_its_newest_checkpoint(
    lab: LabUnderTest, drill: Drill
) -> None:
    (before,), _ = drill.flink("status", JOB)
    producing = drill.produce(20_000, rate=800)
    with contextlib.suppress(Exception):
        producing.wait(8)
    kill(lab, "flink-jobmanager")
    assert producing.wait(CAUGHT_UP) == 0

    def answers() -> bool:
        with contextlib.suppress(ServiceDownError), FlinkRest(lab.lab) as rest:
            return rest.slots()[1] > 0
        return False

    wait_until(answers, SERVICE, "the cluster is back")
    (seen,), _ = drill.flink("watch", "lakehouse")
    assert JOB in seen["started"]
    assert is_alerted(lab, "stream:drill:state")
    (after,), _ = drill.flink("status", JOB)
    assert after["generation"] == before["generation"] + 1
    wait_until(lambda: is_exact(lab, drill, 45_000), CAUGHT_UP, "all numbers are out, once")
    drill.flink("watch", "lakehouse")
    assert not is_alerted(lab, "stream:drill:state"), "it is over"


def test_an_upgrade_goes_on_with_the_state_of_the_version_before(lab: LabUnderTest, drill: Drill) -> None:
    change(drill, "SELECT LOWER(k), n FROM numbers;", "SELECT UPPER(k), n FROM numbers;")
    done, told = drill.deploy()
    assert (done["reason"], done["phase"]) == ("upgrade", "running")
    assert "savepoint" in done["started_from"]
    drill.topics("produce", "5000", "0")
    wait_until(lambda: is_exact(lab, drill, 50_000), CAUGHT_UP, "totals go on, and no number came twice")
    assert "stops version" in told


def test_a_version_whose_state_does_not_fit_is_refused_before_anything_stops(lab: LabUnderTest, drill: Drill) -> None:
    file = drill.jobs / "lakehouse" / "drill" / "statements.sql"
    good = file.read_text(encoding="utf-8")
    change(drill, "ABS(SUM(n))", "CAST(ABS(SUM(CAST(n AS DOUBLE))) AS BIGINT)")
    _, told = drill.deploy(expect=5)
    assert "GroupAggregate keeps another state" in told
    (row,), _ = drill.flink("status", JOB)
    assert (row["state"], row["phase"]) == ("RUNNING", "running")
    _, told = drill.deploy("--no-check", expect=5)
    assert "runs again from the same savepoint" in told, "Flink itself refuses it, and it is rolled back"
    file.write_text(good, encoding="utf-8")
    assert drill.deploy()[0]["changed"] is False
    drill.topics("produce", "5000", "0")
    wait_until(lambda: is_exact(lab, drill, 55_000), CAUGHT_UP, "the version before goes on")


def test_a_version_that_fails_while_it_runs_is_rolled_back_with_its_root_exception(
    lab: LabUnderTest, drill: Drill
) -> None:
    file = drill.jobs / "lakehouse" / "drill" / "statements.sql"
    good = file.read_text(encoding="utf-8")
    change(drill, "SELECT UPPER(k), n FROM numbers;", "SELECT UPPER(k), n / (n - n) FROM numbers;")
    drill.topics("produce", "1000", "0")
    producing = drill.produce(3000, rate=50)
    _, told = drill.deploy(expect=5)
    assert "ArithmeticException: / by zero" in told
    assert "runs again from the same savepoint" in told
    assert producing.wait(CAUGHT_UP) == 0
    file.write_text(good, encoding="utf-8")
    wait_until(lambda: is_exact(lab, drill, 59_000), CAUGHT_UP, "the version before goes on")


def test_stopped_a_job_goes_on_from_its_savepoint(lab: LabUnderTest, drill: Drill) -> None:
    (stopped,), _ = drill.flink("stop", JOB)
    drill.topics("produce", "1000", "0")
    done, _ = drill.deploy()
    assert (done["reason"], done["started_from"]) == ("resume", stopped["savepoint"])
    wait_until(lambda: is_exact(lab, drill, 60_000), CAUGHT_UP, "it goes on")


def test_no_password_is_in_logs_pages_and_savepoints(lab: LabUnderTest, drill: Drill) -> None:
    drill.flink("savepoint", JOB)
    secrets = [lab.lab.secret(name) for name in ("kafka_quintet", "postgres_lake", "postgres_shop")]
    (row,), _ = drill.flink("status", JOB)
    with FlinkRest(lab.lab) as rest:
        pages = [f"/jobs/{row['job_id']}{part}" for part in ("", "/config", "/plan", "/exceptions")]
        shown = json.dumps([rest._ask("GET", page) for page in pages])
    files = [*lab.lab.path("logs").glob("flink-*.log*"), *(lab.lab.path("lake") / "flink").rglob("_metadata")]
    assert len(files) >= 4
    for secret in secrets:
        assert secret not in shown
        assert [file.name for file in files if secret.encode() in file.read_bytes()] == []


def test_ten_rounds_of_changes_with_care_do_not_slow_reading_down(lab: LabUnderTest, drill: Drill) -> None:
    drill.deploy()
    fresh, cared, left = read_after_rounds(drill, 10)
    print(fresh, cared, left, sep="\n")  # noqa: T201
    assert cared.seconds <= 2 * fresh.seconds, f"{cared}, {fresh}"


def test_the_dag_deploys_and_a_second_run_changes_nothing(lab: LabUnderTest) -> None:
    Drill(lab.lab, JOBS).capture()
    state, told = run_dag(lab, DEPLOY)
    assert state == "success", told
    (before,), _ = Drill(lab.lab, JOBS).flink("status", "lakehouse/shop_to_silver")
    state, told = run_dag(lab, DEPLOY)
    assert state == "success", told
    (after,), _ = Drill(lab.lab, JOBS).flink("status", "lakehouse/shop_to_silver")
    assert after["generation"] == before["generation"]
    assert "is well" in told


def test_a_job_that_fails_shows_its_root_exception_in_the_log_of_its_task(lab: LabUnderTest) -> None:
    folder = lab.lab.path("app") / "flink_jobs" / "lakehouse" / "shop_to_silver"
    file = folder.resolve() / "20_insert.sql"
    good = file.read_text(encoding="utf-8")
    try:
        file.write_text(good.replace("  email,", "  no_such_column,"), encoding="utf-8")
        state, told = run_dag(lab, DEPLOY)
    finally:
        file.write_text(good, encoding="utf-8")
    assert state == "failed"
    assert "Column 'no_such_column' not found in any table" in told
    (row,), _ = Drill(lab.lab, JOBS).flink("status", "lakehouse/shop_to_silver")
    assert row["phase"] == "running", "a version that cannot be planned stops nothing"
