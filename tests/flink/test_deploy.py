"""Deployments step by step: what they do from what they find, and that a second one changes nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from flink_server import FROM, JOB_ID, REFUSED, RESTORE_FAILED, FlinkServer, Job, node
from quintet.errors import ServiceDownError
from quintet.flink import retained
from quintet.flink.definition import JobDefinition
from quintet.flink.deploy import Deployer, finish
from quintet.flink.errors import (
    FlinkError,
    IncompatibleStateError,
    RolledBackError,
    StatementError,
    StreamFailedError,
)
from quintet.flink.ledger import Generation, Ledger
from quintet.flink.rest import FlinkRest
from quintet.flink.waits import Done, Wait
from quintet.settings import Lab


class Site:
    """One lab with a deployer; every deployment is an attempt of its own."""

    def __init__(self, lab: Lab, cluster: FlinkServer) -> None:
        self.lab, self.cluster = lab, cluster
        self.rest, self.ledger, self.told = FlinkRest(lab), Ledger(lab), list[str]()
        self.deployer = Deployer(lab, rest=self.rest, ledger=self.ledger, log=self.told.append)
        self.attempts = 0

    def close(self) -> None:
        self.rest.close()
        self.ledger.__exit__()

    def attempt(self) -> str:
        self.attempts += 1
        return f"attempt-{self.attempts}"

    def deploy(self, definition: JobDefinition, **options: bool) -> Done:
        attempt = self.attempt()
        return finish(self.rest, lambda: self.deployer.deploy(definition, attempt=attempt, **options))

    def history(self, definition: JobDefinition) -> list[Generation]:
        """Oldest first."""
        return self.ledger.history(definition.full_name)[::-1]

    def phases(self, definition: JobDefinition) -> list[tuple[str, str]]:
        return [(entry.reason, entry.phase) for entry in self.history(definition)]

    def checkpoint(self, generation: Generation, number: int, *, complete: bool = True) -> Path:
        folder = Path(urlsplit(retained.checkpoints_folder(self.lab)).path) / generation.job_id / f"chk-{number}"
        folder.mkdir(parents=True)
        (folder / ("_metadata" if complete else "part")).write_text("x")
        return folder


@pytest.fixture
def site(lab: Lab, cluster: FlinkServer) -> Iterator[Site]:
    site = Site(lab, cluster)
    yield site
    site.close()


def other(definition: JobDefinition, **changes: object) -> JobDefinition:
    return dataclasses.replace(definition, **({"parallelism": definition.parallelism + 1} | changes))  # type: ignore[arg-type]


def test_the_first_deployment_starts_without_state_and_is_written_down(site: Site, definition: JobDefinition) -> None:
    done = site.deploy(definition)
    assert (done.reason, done.phase, done.changed, done.started_from) == ("first", "running", True, None)
    (given,) = site.cluster.submitted
    assert given[JOB_ID] == done.job_id
    assert FROM not in given
    (entry,) = site.history(definition)
    assert entry.running_at is not None
    assert JobDefinition.from_json(entry.definition) == definition


def test_deploying_the_same_version_again_changes_nothing(site: Site, definition: JobDefinition) -> None:
    first = site.deploy(definition)
    second = site.deploy(dataclasses.replace(definition, description="Other words"))
    assert second == dataclasses.replace(first, changed=False)
    assert len(site.cluster.submitted) == 1


def test_a_deployment_that_was_killed_after_its_submission_submits_nothing_again(
    site: Site, definition: JobDefinition
) -> None:
    site.cluster.on_submit = lambda given, _: Job(given["pipeline.name"], completed=0)
    assert isinstance(site.deployer.deploy(definition, attempt="killed"), Wait)
    (entry,) = site.history(definition)
    with site.ledger._connection.cursor() as cursor:  # as if the note after the submission had not been written
        cursor.execute("update platform.flink_generations set submitted_at = null where job_id = %s", (entry.job_id,))
    site.cluster.jobs[entry.job_id].completed = 1
    assert site.deploy(definition).generation == 1
    assert len(site.cluster.submitted) == 1


def test_a_deployment_that_was_killed_before_its_submission_submits_under_the_same_id(
    site: Site, definition: JobDefinition
) -> None:
    begun = site.ledger.begin(
        definition.full_name,
        version=definition.version,
        definition=definition.as_json(),
        reason="first",
        attempt="killed",
        started_from=None,
    )
    assert site.deploy(definition).job_id == begun.job_id
    assert len(site.cluster.submitted) == 1


def test_it_waits_for_the_first_checkpoint_and_for_no_longer_than_it_is_told(
    site: Site, definition: JobDefinition
) -> None:
    site.cluster.on_submit = lambda given, _: Job(given["pipeline.name"], completed=0)
    waited = site.deployer.deploy(definition, attempt="a")
    assert isinstance(waited, Wait)
    assert waited.kind == "checkpoint"
    assert isinstance(site.deployer.deploy(definition, attempt="a"), Wait), "asked again, it waits on"
    hasty = other(definition, start_within_s=1, name=f"{definition.name}_hasty")
    with pytest.raises(StreamFailedError, match=r"no checkpoint within 1 s.*slots are free"):
        site.deploy(hasty)
    assert site.cluster.jobs[site.history(hasty)[0].job_id].state == "CANCELED", "nothing goes on behind the ledger"


def test_a_new_version_starts_from_the_savepoint_of_the_old_one(site: Site, definition: JobDefinition) -> None:
    first = site.deploy(definition)
    site.cluster.slow = 2
    second = site.deploy(other(definition))
    assert second.reason == "upgrade"
    assert second.started_from == site.history(definition)[0].savepoint
    assert second.started_from is not None
    assert second.started_from.endswith(f"savepoints/{definition.full_name}/savepoint-0")
    assert site.cluster.submitted[1][FROM] == second.started_from
    assert site.cluster.jobs[first.job_id].state == "FINISHED"
    assert len(site.cluster.running(definition.full_name)) == 1
    assert site.phases(definition) == [("first", "stopped"), ("upgrade", "running")]


def restores_fail(version: str) -> Callable[[Mapping[str, str], str], Job | str]:
    def submit(given: Mapping[str, str], _: str) -> Job | str:
        is_bad = f"quintet.version:{version}" in given["pipeline.global-job-parameters"]
        return RESTORE_FAILED if is_bad else Job(given["pipeline.name"])

    return submit


def test_a_version_that_is_refused_the_old_state_is_rolled_back(site: Site, definition: JobDefinition) -> None:
    site.deploy(definition)
    bad = other(definition)
    site.cluster.on_submit = restores_fail(bad.version)
    with pytest.raises(RolledBackError, match="Cannot map state of operator 7") as told:
        site.deploy(bad)
    assert f"version {definition.version} runs again from the same savepoint" in str(told.value)
    assert site.phases(definition) == [("first", "stopped"), ("upgrade", "failed"), ("roll back", "running")]
    first, failed, back = site.history(definition)
    assert first.savepoint == failed.started_from == back.started_from
    assert back.version == definition.version
    assert site.deploy(definition).changed is False


def test_a_version_that_restarts_for_ever_is_rolled_back_too(site: Site, definition: JobDefinition) -> None:
    site.deploy(definition)
    bad = other(definition)
    trace = "x.Wrapper: y\n\tat a.B.c(D.java)\nCaused by: java.lang.ArithmeticException: / by zero\n\tat a.B.c(D.java)"

    def submit(given: Mapping[str, str], _: str) -> Job:
        is_bad = f"quintet.version:{bad.version}" in given["pipeline.global-job-parameters"]
        bad_job = Job(given["pipeline.name"], state="RESTARTING", completed=0, failures=[trace] * 3)
        return bad_job if is_bad else Job(given["pipeline.name"])

    site.cluster.on_submit = submit
    with pytest.raises(RolledBackError, match=r"after 3 failures: ArithmeticException: / by zero \(in Source: numbers"):
        site.deploy(bad)
    assert site.cluster.jobs[site.history(definition)[1].job_id].state == "CANCELED"
    assert len(site.cluster.running(definition.full_name)) == 1


def test_a_rollback_goes_on_when_the_deployment_is_called_again_and_ends_with_the_same_error(
    site: Site, definition: JobDefinition
) -> None:
    site.deploy(definition)
    bad = other(definition)
    site.cluster.on_submit = lambda given, _: (
        RESTORE_FAILED
        if f"quintet.version:{bad.version}" in given["pipeline.global-job-parameters"]
        else Job(given["pipeline.name"], completed=0)
    )
    for _ in range(2):
        assert isinstance(site.deployer.deploy(bad, attempt="one"), Wait)
    site.cluster.jobs[site.history(definition)[-1].job_id].completed = 1
    with pytest.raises(RolledBackError):
        site.deployer.deploy(bad, attempt="one")
    assert len(site.history(definition)) == 3


def test_a_first_version_that_is_wrong_has_nothing_to_go_back_to(site: Site, definition: JobDefinition) -> None:
    site.cluster.on_submit = lambda given, statement: REFUSED
    with pytest.raises(StatementError, match="Column 'nothing' not found"):
        site.deploy(definition)
    assert site.phases(definition) == [("first", "failed")]


def test_state_that_does_not_fit_is_told_before_anything_is_stopped(site: Site, definition: JobDefinition) -> None:
    site.deploy(definition)
    changed = other(definition)
    site.cluster.plan = lambda statement: [
        node(1, "Source: numbers", "a"),
        node(2, "Join", "j", 1),
        node(3, "Sink", "b", 2),
    ]
    with pytest.raises(IncompatibleStateError, match="the operator j is new"):
        site.deploy(changed)
    assert site.phases(definition) == [("first", "running")]
    assert not site.cluster.savepoints
    assert site.deploy(changed, check_state=False).reason == "upgrade", "Flink is let to try"


def test_without_state_the_old_job_ends_and_the_new_one_starts_from_nothing(
    site: Site, definition: JobDefinition
) -> None:
    first = site.deploy(definition)
    done = site.deploy(definition, fresh=True)
    assert (done.reason, done.started_from, done.generation) == ("fresh", None, 2)
    assert site.cluster.jobs[first.job_id].state == "CANCELED"
    assert FROM not in site.cluster.submitted[1]


def test_a_job_that_went_with_its_jobmanager_starts_from_its_newest_complete_checkpoint(
    site: Site, definition: JobDefinition
) -> None:
    site.deploy(definition)
    (entry,) = site.history(definition)
    site.checkpoint(entry, 9)
    newest = site.checkpoint(entry, 10)
    site.checkpoint(entry, 11, complete=False)
    site.cluster.restart()
    done = site.deploy(definition)
    assert (done.reason, done.started_from) == ("restart", newest.as_uri())
    assert site.phases(definition) == [("first", "failed"), ("restart", "running")]
    assert "started anew" in str(site.history(definition)[0].error)
    assert not newest.parent.exists(), "the new job has a checkpoint of its own: the old ones are gone"


def test_a_job_that_failed_for_good_starts_again_and_the_ledger_keeps_why(
    site: Site, definition: JobDefinition
) -> None:
    done = site.deploy(definition)
    job = site.cluster.jobs[done.job_id]
    job.state, job.failures = "FAILED", ["java.io.IOException: disk\n\tat a.B.c(D.java)"]
    assert site.deploy(definition).reason == "restart"
    assert site.history(definition)[0].error == "IOException: disk (in Source: numbers (1/1))"


def test_an_upgrade_survives_the_loss_of_the_jobmanager_between_savepoint_and_start(
    site: Site, definition: JobDefinition
) -> None:
    site.deploy(definition)
    new = other(definition)
    waited = site.deployer.deploy(new, attempt="one")
    assert isinstance(waited, Wait)
    (entry,) = site.history(definition)
    newest = site.checkpoint(entry, 4)
    site.cluster.restart()
    done = finish(site.rest, lambda: site.deployer.deploy(new, attempt="one"))
    assert (done.version, done.started_from) == (new.version, newest.as_uri())


def test_a_job_that_cannot_take_a_savepoint_is_upgraded_from_its_newest_checkpoint(
    site: Site, definition: JobDefinition
) -> None:
    done = site.deploy(definition)
    site.cluster.jobs[done.job_id].savepoint_error = "java.io.IOException: No space left\n\tat a.B.c(D.java)"
    newest = site.checkpoint(site.history(definition)[0], 7)
    upgraded = site.deploy(other(definition))
    assert (upgraded.reason, upgraded.started_from) == ("upgrade", newest.as_uri())
    assert site.cluster.jobs[done.job_id].state == "CANCELED"
    assert any("No space left" in line for line in site.told)


def test_without_savepoint_and_checkpoint_the_job_stays_as_it_is(site: Site, definition: JobDefinition) -> None:
    done = site.deploy(definition)
    site.cluster.jobs[done.job_id].savepoint_error = "java.io.IOException: No space left\n\tat a.B.c(D.java)"
    with pytest.raises(StreamFailedError, match="No space left"):
        site.deploy(other(definition))
    assert site.phases(definition) == [("first", "running")]
    site.cluster.jobs[done.job_id].savepoint_error = ""
    assert site.deploy(other(definition)).reason == "upgrade", "the next attempt asks for another savepoint"


def test_stopped_it_goes_on_from_its_savepoint(site: Site, definition: JobDefinition) -> None:
    site.deploy(definition)
    stopped = finish(site.rest, lambda: site.deployer.stop(definition.full_name, attempt="s"))
    assert stopped.phase == "stopped"
    assert (
        finish(site.rest, lambda: site.deployer.stop(definition.full_name, attempt="t")).savepoint == stopped.savepoint
    )
    done = site.deploy(definition)
    assert (done.reason, done.started_from) == ("resume", stopped.savepoint)


def test_a_savepoint_is_taken_while_the_job_runs_on(site: Site, definition: JobDefinition) -> None:
    done = site.deploy(definition)
    taken = finish(site.rest, lambda: site.deployer.savepoint(definition.full_name, attempt="s"))
    assert taken.savepoint
    assert site.cluster.jobs[done.job_id].state == "RUNNING"


def test_rolled_back_by_a_person_the_version_before_takes_the_state_over(site: Site, definition: JobDefinition) -> None:
    site.deploy(definition)
    site.deploy(other(definition))
    back = finish(site.rest, lambda: site.deployer.roll_back(definition.full_name, attempt="b"))
    assert (back.version, back.reason) == (definition.version, "upgrade")
    assert back.started_from == site.history(definition)[1].savepoint
    with pytest.raises(FlinkError, match="has no version before"):
        site.deployer.roll_back("lakehouse/never", attempt="b")


def test_only_the_latest_savepoints_are_kept(site: Site, definition: JobDefinition) -> None:
    versions = [definition]
    for _ in range(5):
        site.deploy(versions[-1])
        versions.append(other(versions[-1]))
    removed = [body["savepoint-path"] for _, path, body in site.cluster.asked if path == "/savepoint-disposal"]
    assert len(removed) == 1
    assert removed[0].endswith("savepoint-0")
    assert [bool(entry.savepoint) for entry in site.history(definition)] == [False, True, True, True, False]


def test_a_cluster_that_is_away_is_an_error_and_the_next_call_goes_on(site: Site, definition: JobDefinition) -> None:
    site.cluster.down = True
    with pytest.raises(ServiceDownError):
        site.deployer.deploy(definition, attempt="one")
    site.cluster.down = False
    assert site.deploy(definition).generation == 1


def test_two_labs_and_two_jobs_never_have_the_same_id(site: Site, definition: JobDefinition) -> None:
    from quintet.flink.ledger import job_id_of

    ids = {job_id_of(job, number, lab) for job in ("a/b", "a/c") for number in (1, 2, 11) for lab in ("/x", "/y")}
    assert len(ids) == 12
    assert all(len(found) == 32 and int(found, 16) for found in ids)


def test_a_second_deployment_waits_for_the_step_of_the_first(
    site: Site, definition: JobDefinition, monkeypatch: pytest.MonkeyPatch
) -> None:
    from quintet.errors import LabError
    from quintet.flink import ledger

    monkeypatch.setattr(ledger, "LOCK_SECONDS", 1)
    with (
        Ledger(site.lab) as first,
        first.locked(definition.full_name),
        pytest.raises(LabError, match="another deployment"),
    ):
        site.deployer.deploy(definition, attempt="second")
    assert site.deploy(definition).changed
