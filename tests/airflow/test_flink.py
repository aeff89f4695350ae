"""Operators of Flink jobs: what they wait for, what they say, how they go on; and the page's part about them."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest
import yaml
from airflow.sdk.exceptions import AirflowSkipException, TaskDeferred

from flink_server import REFUSED, RESTORE_FAILED, FlinkServer, Job
from quintet.airflow import flink
from quintet.airflow.flink import (
    FlinkHealthSensor,
    FlinkJobOperator,
    FlinkSavepointOperator,
    FlinkStopOperator,
    FlinkTrigger,
    WatchStreamsOperator,
)
from quintet.airflow.lab_page.streams import look_at_streams
from quintet.errors import LabError, ServiceDownError
from quintet.flink import checks
from quintet.flink.errors import RolledBackError, StatementError
from quintet.settings import Lab

pytestmark = pytest.mark.airflow

CONTEXT = {"run_id": "manual__1"}


class Site:
    """A lab whose deployed code has one job, of a project of its own for every test."""

    def __init__(self, lab: Lab, cluster: FlinkServer, slug: str) -> None:
        self.lab, self.cluster, self.slug = lab, cluster, slug
        self.folder = lab.path("app") / "flink_jobs" / slug / "numbers"
        self.folder.mkdir(parents=True)
        content = dict.fromkeys(("description", "owner", "compatibility"), "x") | {"name": "numbers"}
        (self.folder / "job.yaml").write_text(yaml.safe_dump(content | {"sources": ["a"], "sinks": ["b"]}))
        self.write("INSERT INTO b SELECT n FROM a")

    def write(self, statement: str) -> None:
        (self.folder / "statements.sql").write_text(f"{statement};")

    def task(self, kind: type[Any] = FlinkJobOperator, **options: Any) -> Any:
        return kind(task_id="t", slug=self.slug, job="numbers", **options)

    def finish(self, task: Any) -> Any:
        """Run a task to its end, its triggers included; its result."""
        try:
            return task.execute(CONTEXT)
        except TaskDeferred as deferred:
            waits = deferred
        while True:
            event = fire(waits.trigger)
            try:
                return getattr(task, waits.method_name)(CONTEXT, event, **(waits.kwargs or {}))
            except TaskDeferred as deferred:
                waits = deferred


def fire(trigger: Any) -> Any:
    """First event of a trigger that was sent to another process."""
    _, given = trigger.serialize()

    async def first() -> Any:
        async for event in FlinkTrigger(**{**given, "every": 0.01}).run():
            return event.payload

    return asyncio.run(first())


@pytest.fixture
def site(
    streaming_lab: Lab, cluster: FlinkServer, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Site:
    for module in (flink, checks):
        monkeypatch.setattr(module, "load_lab", lambda: streaming_lab)
    return Site(streaming_lab, cluster, request.node.name[-50:])


def test_a_deployment_waits_without_a_slot_and_goes_on_where_it_was(site: Site) -> None:
    site.cluster.on_submit = lambda given, _: Job(given["pipeline.name"], completed=0)
    task = site.task()
    with pytest.raises(TaskDeferred) as deferred:
        task.execute(CONTEXT)
    (job_id,) = site.cluster.jobs
    site.cluster.jobs[job_id].completed = 1
    assert fire(deferred.value.trigger) is True
    done = task.resume(CONTEXT, True, **deferred.value.kwargs)
    assert (done["job_id"], done["phase"], done["changed"]) == (job_id, "running", True)
    assert len(site.cluster.submitted) == 1


def test_the_same_version_again_is_done_at_once(site: Site) -> None:
    site.finish(site.task())
    assert site.task().execute(CONTEXT)["changed"] is False


def test_an_upgrade_a_savepoint_a_rollback_and_a_stop_each_run_to_their_end(site: Site) -> None:
    first = site.finish(site.task())
    site.write("INSERT INTO b SELECT n + 1 FROM a")
    second = site.finish(site.task())
    assert second["reason"] == "upgrade"
    assert site.finish(site.task(FlinkSavepointOperator))["savepoint"]
    assert site.finish(site.task(action="savepoint"))["savepoint"]
    assert site.finish(site.task(action="roll_back"))["version"] == first["version"]
    stopped = site.finish(site.task(FlinkStopOperator))
    assert stopped["phase"] == "stopped"
    assert site.finish(site.task(action="deploy", fresh="True"))["started_from"] is None


def test_a_wrong_statement_is_the_error_of_the_task_and_so_is_the_root_of_a_failed_restore(site: Site) -> None:
    site.cluster.on_submit = lambda given, statement: REFUSED
    with pytest.raises(StatementError, match="Column 'nothing' not found in any table"):
        site.finish(site.task())
    site.cluster.on_submit = lambda given, statement: (
        RESTORE_FAILED if "n + 1" in statement else Job(given["pipeline.name"])
    )
    site.finish(site.task())
    site.write("INSERT INTO b SELECT n + 1 FROM a")
    with pytest.raises(RolledBackError, match="Cannot map state of operator 7"):
        site.finish(site.task())


def test_what_a_person_must_mend_is_not_tried_again_and_a_cluster_that_is_away_is() -> None:
    from airflow.sdk import RetryAction

    from quintet.airflow.retries import RETRY_BY_CLASS
    from quintet.flink.errors import IncompatibleStateError, JobDefinitionError, StreamFailedError

    def action(error: Exception) -> Any:
        return RETRY_BY_CLASS.evaluate(error, try_number=1, max_tries=3).action

    for kind in (JobDefinitionError, StatementError, IncompatibleStateError, RolledBackError):
        assert action(kind("x")) == RetryAction.FAIL
    for other in (ServiceDownError, StreamFailedError):
        assert action(other("x")) == RetryAction.RETRY


def test_health_is_waited_for_and_then_told(site: Site) -> None:
    from datetime import timedelta

    site.finish(site.task())
    (job,) = site.cluster.jobs.values()
    job.checkpoint_age_s = 900.0
    task = site.task(FlinkHealthSensor, within=timedelta(seconds=0.1), unless="deploy")
    with pytest.raises(LabError, match="no checkpoint for 900 s"):
        site.finish(task)
    job.checkpoint_age_s = 1.0
    assert site.finish(task)["state"] == "RUNNING"
    with pytest.raises(AirflowSkipException):
        site.task(FlinkHealthSensor, within=timedelta(seconds=1), unless="stop").execute(CONTEXT)


def test_a_trigger_outlives_a_cluster_that_is_away_for_a_moment(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([ServiceDownError("away"), ServiceDownError("away"), False, True])

    def question(wait: object) -> bool:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(checks, "is_step_over", question)
    assert fire(FlinkTrigger("is_step_over", {"wait": {}}, 30)) is True
    assert next(answers, None) is None


def test_a_trigger_ends_when_its_time_is_over(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "is_step_over", lambda wait: False)
    assert fire(FlinkTrigger("is_step_over", {"wait": {}}, 0.05)) is False


def test_the_watch_starts_what_is_gone(site: Site) -> None:
    site.finish(site.task())
    site.cluster.restart()
    found = WatchStreamsOperator(task_id="t", slug=site.slug).execute(CONTEXT)
    assert found["started"] == [f"{site.slug}/numbers"]


def test_the_page_shows_every_job_of_the_code_running_or_not(site: Site, tmp_path: Path) -> None:
    (row,) = look_at_streams(site.lab, timeout=5)
    assert (row.state, row.dag_id, row.url) == (None, f"{site.slug}_deploy_numbers", "")
    done = site.finish(site.task())
    site.cluster.jobs["b" * 32] = Job("lakehouse/by_hand", state="RESTARTING", restarts=4)
    site.cluster.jobs["c" * 32] = Job("collect")
    rows = {row.name: row for row in look_at_streams(site.lab, timeout=5)}
    assert set(rows) == {f"{site.slug}/numbers", "lakehouse/by_hand"}
    mine, other = rows[f"{site.slug}/numbers"], rows["lakehouse/by_hand"]
    assert (mine.state, mine.checkpoint_age_s, mine.version) == ("RUNNING", 2, done["version"])
    assert mine.url.endswith(f"/#/job/running/{done['job_id']}/overview")
    assert (other.state, other.restarts, other.dag_id) == ("RESTARTING", 4, "")


def test_the_page_is_rendered_with_them(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    from quintet.airflow.lab_page.application import render
    from quintet.airflow.lab_page.state import look

    caplog.set_level(logging.ERROR)
    site.finish(site.task())
    page = render(look(site.lab, lambda ids: {}, dict))
    assert "Running jobs" in page
    assert f"{site.slug}/numbers" in page
    assert f"/dags/{site.slug}_deploy_numbers" in page
    site.cluster.down = True
    assert "Running jobs" not in render(look(site.lab, lambda ids: {}, dict)), "the page comes also without Flink"
