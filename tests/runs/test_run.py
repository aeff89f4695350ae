"""Following a run: progress, its end, what holds it up, silence of Airflow, and the input it is given."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from airflow_server import RUN_ID, AirflowServer, Step, dag_run, task
from labs import lab_below
from quintet.catalogue import project
from quintet.errors import InputError, LabError, ServiceDownError
from quintet.runs.airflow import TaskState
from quintet.runs.run import Outcome, Pace, prepare_input, require_quiet, start_and_follow
from quintet.settings import Lab

# No supervisor listens here; the sockets that asked for it are left to the collector.

DAG = "shop_run_pipeline"
#: Looks without delay; nothing is held up, and Airflow may be silent for a moment.
QUICK = Pace(interval=0.0, limit=20.0, hold=20.0, patience=20.0)
WAITING = [task("silver.approve_full_refresh", "awaiting_input"), task("silver.gate", None)]


@dataclass
class Listener:
    """Remembers what it was told."""

    looks: list[list[TaskState]] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def look(self, tasks: list[TaskState], memory_mb: int) -> None:
        self.looks.append(tasks)
        assert memory_mb >= 0

    def tell(self, text: str) -> None:
        self.told.append(text)


def followed(lab: Lab, pace: Pace = QUICK, *, approve: bool = False) -> tuple[Outcome, Listener]:
    listener = Listener()
    return start_and_follow(lab, DAG, {}, listener, approve=approve, pace=pace), listener


def test_a_run_that_succeeds_is_followed_to_its_end(lab: Lab, server: AirflowServer) -> None:
    server.script = [
        Step("queued"),
        Step("running", [task("ingest.land", "running")]),
        Step("success", [task("ingest.land", "success", duration=1.5)]),
    ]
    outcome, listener = followed(lab)
    assert (outcome.state, outcome.run_id, outcome.failed) == ("success", RUN_ID, [])
    assert [[found.state for found in look] for look in listener.looks] == [[], ["running"], ["success"]]
    assert outcome.tasks[0].seconds == 1.5
    assert listener.told == [f"run {RUN_ID}: {outcome.url}"]


def test_a_run_that_fails_names_the_tasks_that_failed_themselves(lab: Lab, server: AirflowServer) -> None:
    server.script = [
        Step("failed", [task("silver.gate", "failed"), task("silver.silver", "upstream_failed")]),
    ]
    outcome, _ = followed(lab)
    assert outcome.state == "failed"
    assert [found.task_id for found in outcome.failed] == ["silver.gate"]


def test_an_approval_is_answered_when_it_was_asked_for(lab: Lab, server: AirflowServer) -> None:
    server.script = [Step("running", WAITING, waits=True), Step("success")]
    outcome, _ = followed(lab, approve=True)
    assert outcome.state == "success"
    assert [path for path in server.paths("PATCH") if path.endswith("hitlDetails")] == [
        f"/api/v2/dags/{DAG}/dagRuns/{RUN_ID}/taskInstances/silver.approve_full_refresh/-1/hitlDetails"
    ]


def test_an_approval_that_nobody_gives_is_explained_and_not_given(lab: Lab, server: AirflowServer) -> None:
    server.script = [Step("running", WAITING, waits=True), Step("success")]
    outcome, listener = followed(lab, Pace(interval=0.01, limit=0.5, hold=0.0))
    assert outcome.state == "running"
    assert [text for text in listener.told if "approval" in text] == [
        f"silver.approve_full_refresh waits for an approval. Answer it at {outcome.url} or start such a run with --yes"
    ]
    assert not [path for path in server.paths("PATCH") if path.endswith("hitlDetails")]


def test_following_ends_at_the_limit_and_leaves_the_run_to_airflow(lab: Lab, server: AirflowServer) -> None:
    server.script = [Step("running", [task("silver.gate", "running")])]
    begun = time.monotonic()
    outcome, _ = followed(lab, Pace(interval=0.01, limit=0.3))
    assert outcome.state == "running"
    assert 0.3 < outcome.seconds <= time.monotonic() - begun < 10


def test_a_run_behind_another_says_which_why_and_what_to_do(lab: Lab, server: AirflowServer) -> None:
    server.script = [Step("queued")]
    server.earlier = [dag_run("slow+1", "running", "2026-11-21T06:00:00Z"), dag_run("next", "queued")]
    server.earlier_tasks["slow+1"] = [
        task("ingest.land", "success"),
        task("gold.models", "queued"),
        task("silver.gate", "up_for_retry", try_number=3),
    ]
    _, listener = followed(lab, Pace(interval=0.01, limit=0.5, hold=0.0))
    (text,) = listener.told[1:]
    assert text.startswith(
        "queued behind run slow+1 and 1 more, which is running (silver.gate is up_for_retry, attempt 3)"
    )
    assert text.endswith(f"mark it as failed at {lab.endpoint('airflow').url}/dags/{DAG}/runs/slow%2B1")


def test_a_run_that_nothing_blocks_points_to_the_scheduler(lab: Lab, server: AirflowServer) -> None:
    server.script = [Step("queued")]
    server.earlier = [dag_run("old", "success", "2026-11-20")]
    _, listener = followed(lab, Pace(interval=0.01, limit=0.3, hold=0.0))
    assert listener.told[1:] == ["no other run is ahead, but the scheduler has not begun this one. Run: quintet doctor"]


def test_nothing_is_explained_before_the_run_has_held_for_a_while(lab: Lab, server: AirflowServer) -> None:
    server.script = [Step("queued")]
    _, listener = followed(lab, Pace(interval=0.01, limit=0.3, hold=10.0))
    assert len(listener.told) == 1
    assert f"/api/v2/dags/{DAG}/dagRuns" not in server.paths("GET")


def test_a_moment_of_silence_ends_no_run(lab: Lab, server: AirflowServer) -> None:
    server.script = [Step("running", status=503), Step("running", status=503), Step("success")]
    outcome, listener = followed(lab)
    assert outcome.state == "success"
    assert ["asking again for 20 s" in text for text in listener.told] == [False, True]


def test_silence_beyond_our_patience_is_an_error(lab: Lab, server: AirflowServer) -> None:
    server.script = [Step("running", status=503)]
    with pytest.raises(ServiceDownError, match="does not answer"):
        followed(lab, Pace(interval=0.01, limit=20.0, patience=0.1))


def test_a_closed_port_is_refused_before_anything_is_told(tmp_path: Path) -> None:
    lab = lab_below(tmp_path / "lab", airflow_port=1, secrets={"airflow_admin": "x"})
    listener = Listener()
    with pytest.raises(ServiceDownError):
        start_and_follow(lab, DAG, {}, listener, approve=False, pace=QUICK)
    assert (listener.told, listener.looks) == ([], [])


def test_a_project_whose_profiles_are_absent_names_the_command(lab: Lab) -> None:
    lakehouse = project("lakehouse")
    lab.require("project lakehouse", *lakehouse.profiles)
    bare = Lab(**{**vars(lab), "profiles": ("core",)})
    with pytest.raises(LabError, match=r"make install PROFILES=core,lakehouse"):
        bare.require("project lakehouse", *lakehouse.profiles)


def test_tables_are_not_emptied_below_a_run_that_writes_them(lab: Lab, server: AirflowServer) -> None:
    server.script = [Step("queued")]
    require_quiet(lab, project("lakehouse"))
    server.earlier = [dag_run("slow", "running", "2026-11-21")]
    with pytest.raises(LabError, match=r"the run slow of lakehouse_\w+ may write .* http://\S+/runs/slow$"):
        require_quiet(lab, project("lakehouse"))


def test_an_input_folder_that_is_not_there_is_refused(lab: Lab, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent does not exist\. Name a folder with input files"):
        prepare_input(lab, project("lakehouse"), tmp_path / "absent", days=1, seed=1)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts runs as another user")
def test_a_folder_that_others_may_not_read_is_copied(lab: Lab, tmp_path: Path) -> None:
    private = tmp_path / "mine" / "shop"
    private.mkdir(parents=True)
    (private / "2026-11-20.csv").write_text("a\n", encoding="utf-8")
    private.parent.chmod(0o700)
    staged = prepare_input(lab, project("lakehouse"), private, days=1, seed=1)
    assert staged == lab.path("input") / "staged-mine-shop"
    assert (staged / "2026-11-20.csv").read_text(encoding="utf-8") == "a\n"


def test_generated_input_is_made_once(lab: Lab) -> None:
    folder = prepare_input(lab, project("lakehouse"), None, days=2, seed=5)
    made = (folder / "truth.json").stat().st_mtime_ns
    assert prepare_input(lab, project("lakehouse"), None, days=2, seed=5) == folder
    assert (folder / "truth.json").stat().st_mtime_ns == made
    assert prepare_input(lab, project("lakehouse"), None, days=2, seed=6) != folder
