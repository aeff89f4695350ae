"""Bring a job of the cluster to the wanted version, one step at a time, from whatever is found.

The ledger says what was wanted last and the cluster what is there; both together say the next step. Nothing is kept in
between: a deployment that was killed goes on where it was, whoever calls it next, and one that finds everything as
wanted changes nothing.

    nothing known            start without state
    running, same version    done
    running, other version   compare states, stop with a savepoint, start the new version from it
        it does not start    start the old version from the same savepoint, tell the root exception
    gone or failed           start from the newest complete checkpoint
    stopped                  start from its savepoint
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from quintet.errors import QuintetError
from quintet.flink import retained, submit
from quintet.flink.definition import JobDefinition
from quintet.flink.errors import (
    FlinkError,
    IncompatibleStateError,
    RolledBackError,
    StatementError,
    StreamFailedError,
    UnknownJobError,
)
from quintet.flink.ledger import FAILED, RUNNING, STARTING, STOPPED, STOPPING, Generation, Ledger
from quintet.flink.rest import FlinkRest, JobState
from quintet.flink.topology import as_json, differences, from_json
from quintet.flink.waits import EARLY, FAILURES, Done, Wait, failures_of, is_over
from quintet.settings import Lab

__all__ = ["Deployer", "finish"]

#: Reasons of a generation.
FIRST, UPGRADE, RESTART, RESUME, ROLL_BACK, FRESH = "first", "upgrade", "restart", "resume", "roll back", "fresh"
#: Savepoints of a job that are kept, newest first.
SAVEPOINTS = 3
#: Seconds that a savepoint may take, and that a job may take to end when it is cancelled.
SAVEPOINT_SECONDS, CANCEL_SECONDS = 600, 60
#: Seconds between two looks of `finish`.
PAUSE = 1.0

_LOST = "the cluster does not know it any more: its JobManager was started anew"


class Deployer:
    """Deployments in one lab; `log` is told every step.

    Every method may raise ServiceDownError where Flink or PostgreSQL do not answer: call it again then.
    """

    def __init__(self, lab: Lab, *, rest: FlinkRest, ledger: Ledger, log: Callable[[str], None]) -> None:
        self._lab = lab
        self._rest = rest
        self._ledger = ledger
        self._log = log

    def deploy(
        self, definition: JobDefinition, *, attempt: str, fresh: bool = False, check_state: bool = True
    ) -> Done | Wait:
        """Go as far as it goes without waiting.

        Args:
            definition: the version that is wanted.
            attempt: name of this deployment, the same in every call of it.
            fresh: start without state; sources are read from where their tables say.
            check_state: compare the graphs before a version that runs is stopped.

        Raises:
            JobDefinitionError, StatementError: the job is wrong.
            IncompatibleStateError: the new version cannot take the state over; the old one runs on.
            RolledBackError: the new version did not start; the old one runs again.
            StreamFailedError: it did not start, and there is no version to go back to.

        """
        with self._ledger.locked(definition.full_name):
            step = _Steps(self, definition, attempt, fresh=fresh, check_state=check_state)
            while True:
                outcome = step.take(self._ledger.latest(definition.full_name))
                if outcome is not None:
                    return outcome

    def roll_back(self, job: str, *, attempt: str) -> Done | Wait:
        """Deploy the version that ran before the one that runs, with the state of the one that runs.

        Raises as `deploy`; FlinkError when there is no version before.
        """
        history = self._ledger.history(job)
        version = next((entry.version for entry in history if entry.attempt != attempt), None)
        before = next((entry for entry in history if entry.running_at and entry.version != version), None)
        if before is None:
            raise FlinkError(f"{job} has no version before this one", remedy="Deploy the version that you want")
        return self.deploy(JobDefinition.from_json(before.definition), attempt=attempt)

    def stop(self, job: str, *, attempt: str) -> Done | Wait:
        """Stop a job with a savepoint, from which a later deployment goes on.

        Raises:
            StreamFailedError: the savepoint failed, and there is no checkpoint either; the job runs on.

        """
        with self._ledger.locked(job):
            while True:
                found = self._ledger.latest(job)
                if found is None or found.phase in {STOPPED, FAILED}:
                    return self.done(found, attempt) if found else Done(job, "", 0, "", STOPPED, "", changed=False)
                if found.phase == STOPPING:
                    outcome = self.follow_savepoint(found)
                    if outcome is not None:
                        return outcome
                    continue
                state = self.state_of(found)
                if state is not None and state.is_alive:
                    return self.ask_to_stop(found, attempt)
                self.lose(found, state)

    def savepoint(self, job: str, *, attempt: str) -> Done | Wait:
        """Take a savepoint while the job runs on. Raises StreamFailedError when it fails."""
        found = self._ledger.latest(job)
        state = self.state_of(found) if found else None
        if found is None or state is None or state.state != "RUNNING":
            raise StreamFailedError(f"{job} does not run", remedy="Deploy it first")
        trigger = _trigger(found, attempt)
        try:
            taken = self._rest.savepoint_state(found.job_id, trigger)
        except UnknownJobError:
            self._rest.savepoint(found.job_id, folder=retained.savepoints_folder(self._lab, job), trigger_id=trigger)
            return _wait("savepoint", found, SAVEPOINT_SECONDS, trigger)
        if not taken.is_done:
            return _wait("savepoint", found, SAVEPOINT_SECONDS, trigger)
        if taken.error:
            raise StreamFailedError(
                f"the savepoint of {job} failed: {taken.error}", remedy="Is there room on the disk?"
            )
        return self.done(found, attempt, savepoint=taken.path)

    def state_of(self, generation: Generation) -> JobState | None:
        """What the cluster says of a generation; None where it does not know it."""
        try:
            return self._rest.job(generation.job_id)
        except UnknownJobError:
            return None

    def done(self, found: Generation, attempt: str, savepoint: str | None = None) -> Done:
        """Outcome that a generation is."""
        return Done(
            job=found.job,
            version=found.version,
            generation=found.number,
            job_id=found.job_id,
            phase=found.phase,
            reason=found.reason,
            changed=found.attempt == attempt,
            started_from=found.started_from,
            savepoint=savepoint or found.savepoint,
        )

    def lose(self, found: Generation, state: JobState | None) -> Generation:
        """Note that a generation that should run does not."""
        error = self.why(found) if state else _LOST
        self._log(f"{found.job}: generation {found.number} is {state.state if state else 'gone'}: {error}")
        return self._ledger.change(found, phase=FAILED, error=error, ended_at=datetime.now(UTC))

    def why(self, found: Generation) -> str:
        """Root exception of a generation that failed, with the task it came from."""
        failures = self._rest.failures(found.job_id, limit=1)
        if not failures:
            return f"it ended as {self._rest.job(found.job_id).state}"
        place = f" (in {failures[0].task})" if failures[0].task else ""
        return f"{failures[0].root}{place}"

    def ask_to_stop(self, found: Generation, attempt: str) -> Wait:
        """Ask for the savepoint that ends a generation."""
        trigger = _trigger(found, attempt)
        # Written down first: a second request of the same trigger is none.
        self._ledger.change(found, phase=STOPPING, trigger_id=trigger)
        folder = retained.savepoints_folder(self._lab, found.job)
        self._rest.stop(found.job_id, folder=folder, trigger_id=trigger)
        self._log(f"{found.job}: stops version {found.version} with a savepoint")
        return _wait("savepoint", found, SAVEPOINT_SECONDS, trigger)

    def follow_savepoint(self, found: Generation) -> Wait | None:
        """Look how the savepoint that ends a generation gets on; raises as `stop`."""
        trigger = str(found.trigger_id)
        try:
            taken = self._rest.savepoint_state(found.job_id, trigger)
        except UnknownJobError:
            state = self.state_of(found)
            if state is None:
                self.lose(found, None)
                return None
            self._rest.stop(found.job_id, folder=retained.savepoints_folder(self._lab, found.job), trigger_id=trigger)
            return _wait("savepoint", found, SAVEPOINT_SECONDS, trigger)
        if not taken.is_done:
            return _wait("savepoint", found, SAVEPOINT_SECONDS, trigger)
        path = taken.path or self._checkpoint_instead(found, taken.error)
        self._ledger.change(found, phase=STOPPED, savepoint=path, ended_at=datetime.now(UTC))
        self._log(f"{found.job}: stopped, its state is in {path}")
        return None

    def cancel(self, found: Generation) -> None:
        """End a generation without a savepoint. Raises FlinkError when it does not end."""
        self._rest.cancel(found.job_id)
        end = time.monotonic() + CANCEL_SECONDS
        while time.monotonic() < end:
            state = self.state_of(found)
            if state is None or not state.is_alive:
                return
            time.sleep(PAUSE)
        raise FlinkError(f"{found.job} does not end when it is cancelled", remedy="quintet logs flink-taskmanager")

    def _checkpoint_instead(self, found: Generation, error: str) -> str:
        """End a job whose savepoint failed, for it fails itself, perhaps: its newest checkpoint is as good.

        Sinks publish at checkpoints, so that nothing behind it was seen by anybody.
        """
        newest = retained.latest_checkpoint(self._lab, found.job_id) or found.started_from
        if newest is None:
            self._ledger.change(found, phase=RUNNING)
            raise StreamFailedError(
                f"{found.job} could not be stopped, its savepoint failed and it has no checkpoint: {error}",
                remedy="It runs on or is restarted by Flink. Mend the cause and deploy again",
            )
        self._log(f"{found.job}: no savepoint ({error}), its newest checkpoint is taken instead")
        state = self.state_of(found)
        if state is not None and state.is_alive:
            self.cancel(found)
        return retained.latest_checkpoint(self._lab, found.job_id) or newest


class _Steps:
    """Steps of one deployment of one definition; `take` returns None when there is another one at once."""

    def __init__(
        self, deployer: Deployer, definition: JobDefinition, attempt: str, *, fresh: bool, check_state: bool
    ) -> None:
        self._on = deployer
        self._wanted = definition
        self._attempt = attempt
        self._fresh = fresh
        self._check_state = check_state
        self._lab, self._rest, self._ledger, self._log = (
            deployer._lab,
            deployer._rest,
            deployer._ledger,
            deployer._log,
        )

    def take(self, found: Generation | None) -> Done | Wait | None:
        """Take the next step from the latest generation."""
        if found is None:
            self._begin(self._wanted, FIRST, None)
            return None
        if self._fresh and found.attempt != self._attempt:
            self._begin_fresh(found)
            return None
        if found.phase == STARTING:
            return self._from_starting(found)
        if found.phase == RUNNING:
            return self._from_running(found)
        if found.phase == STOPPING:
            return self._on.follow_savepoint(found)
        if found.phase == STOPPED:
            self._from_stopped(found)
        else:
            self._from_failed(found)
        return None

    def _from_starting(self, found: Generation) -> Done | Wait | None:
        state = self._on.state_of(found)
        if state is None and found.submitted_at is None:
            self._submit(found)
            return None
        if state is None:
            lost = self._on.lose(found, None)
            # The same once more: an upgrade that was under way stays one, with a version to go back to.
            self._begin(JobDefinition.from_json(lost.definition), lost.reason, self._recovery(lost))
            return None
        if found.submitted_at is None:  # a deployment was killed between the submission and its note
            found = self._ledger.change(found, submitted_at=state.started_at)
        assert found.submitted_at is not None  # noqa: S101  # set above
        limit = JobDefinition.from_json(found.definition).start_within_s
        until = found.submitted_at + timedelta(seconds=limit)
        if state.state in EARLY and datetime.now(UTC) < until:
            return _wait("checkpoint", found, limit, until=until)
        if state.state == "RUNNING" and self._rest.checkpoints(found.job_id).completed:
            self._settle(found)
            return None
        failures = failures_of(self._rest, found.job_id) if state.is_alive else 0
        if state.is_alive and failures < FAILURES and datetime.now(UTC) < until:
            return _wait("checkpoint", found, limit, until=until)
        self._give_up(found, state, failures, limit)
        return None

    def _from_running(self, found: Generation) -> Done | Wait | None:
        state = self._on.state_of(found)
        if state is None or not state.is_alive:
            lost = self._on.lose(found, state)
            self._compare(lost, self._recovery(lost))
            self._begin(self._wanted, RESTART, self._recovery(lost))
            return None
        if found.version == self._wanted.version:
            return self._on.done(found, self._attempt)
        if found.reason == ROLL_BACK and found.attempt == self._attempt:
            raise self._rolled_back(found)
        self._compare(found, "")
        return self._on.ask_to_stop(found, self._attempt)

    def _from_stopped(self, found: Generation) -> None:
        is_other = found.version != self._wanted.version
        if is_other:
            self._compare(found, found.savepoint)
        self._begin(self._wanted, UPGRADE if is_other else RESUME, found.savepoint)

    def _from_failed(self, found: Generation) -> None:
        if found.attempt == self._attempt:
            raise StreamFailedError(f"{found.job} failed: {found.error}", remedy="Mend the cause and deploy again")
        recovery = self._recovery(found)
        self._compare(found, recovery)
        self._begin(self._wanted, RESTART, recovery)

    def _begin_fresh(self, found: Generation) -> None:
        state = self._on.state_of(found)
        if state is not None and state.is_alive:
            self._on.cancel(found)
        if found.phase in {STARTING, RUNNING, STOPPING}:
            note = "ended for a start without state"
            self._ledger.change(found, phase=STOPPED, error=note, ended_at=datetime.now(UTC))
        self._begin(self._wanted, FRESH, None)

    def _begin(self, definition: JobDefinition, reason: str, started_from: str | None) -> Generation:
        begun = self._ledger.begin(
            definition.full_name,
            version=definition.version,
            definition=definition.as_json(),
            reason=reason,
            attempt=self._attempt,
            started_from=started_from,
        )
        source = f"from {started_from}" if started_from else "without state"
        self._log(f"{begun.job}: generation {begun.number} ({reason}), version {begun.version}, {source}")
        return begun

    def _submit(self, found: Generation) -> None:
        definition = JobDefinition.from_json(found.definition)
        labels = {"version": found.version, "generation": str(found.number)}
        try:
            operators = submit.submit(
                self._lab, definition, job_id=found.job_id, started_from=found.started_from, labels=labels
            )
        except (StatementError, FlinkError) as error:
            self._fail(found, error.message, error)
            return
        self._ledger.change(found, submitted_at=datetime.now(UTC), topology=as_json(operators))
        self._log(f"{found.job}: submitted as {found.job_id}")

    def _settle(self, found: Generation) -> None:
        """The job has a checkpoint of its own: what came before is needed no more."""
        self._ledger.change(found, phase=RUNNING, running_at=datetime.now(UTC))
        self._log(f"{found.job}: version {found.version} runs and has its first checkpoint")
        older = [entry for entry in self._ledger.history(found.job) if entry.number < found.number]
        for entry in older:
            retained.forget(self._lab, entry.job_id)
        folder = retained.savepoints_folder(self._lab, found.job)
        kept = [entry.savepoint for entry in older if entry.savepoint and entry.savepoint.startswith(folder)]
        for path in kept[SAVEPOINTS:]:
            self._rest.dispose(path)
        for entry in older:
            if entry.savepoint in kept[SAVEPOINTS:]:
                self._ledger.change(entry, savepoint=None)

    def _give_up(self, found: Generation, state: JobState, failures: int, limit: int) -> None:
        if self._rest.failures(found.job_id, limit=1) or not state.is_alive:
            root = self._on.why(found)
        else:
            told = self._rest.checkpoints(found.job_id).last_failure
            free, slots = self._rest.slots()
            root = f"no checkpoint within {limit} s" + (f": {told}" if told else "")
            root += f" ({free} of {slots} slots are free)"
        if state.is_alive:
            self._on.cancel(found)
        again = f" after {failures} failures" if failures > 1 else ""
        message = f"{found.job}, version {found.version}, does not start{again}: {root}"
        self._fail(found, message, StreamFailedError(message, remedy="Mend the cause and deploy again"))

    def _fail(self, found: Generation, message: str, error: QuintetError) -> None:
        """Note the failure; then go back to the version before, or raise where there is none."""
        self._ledger.change(found, phase=FAILED, error=message, ended_at=datetime.now(UTC))
        self._log(f"{found.job}: generation {found.number} failed: {message}")
        before = self._before(found)
        if found.reason != UPGRADE or before is None:
            raise error
        self._begin(JobDefinition.from_json(before.definition), ROLL_BACK, found.started_from)

    def _before(self, found: Generation) -> Generation | None:
        """The generation whose savepoint an upgrade began with."""
        older = self._ledger.history(found.job)
        return next((entry for entry in older if entry.number < found.number and entry.running_at), None)

    def _rolled_back(self, found: Generation) -> RolledBackError:
        history = self._ledger.history(found.job)
        failed = next(entry for entry in history if entry.number < found.number and entry.phase == FAILED)
        return RolledBackError(
            f"version {failed.version} of {found.job} did not start, version {found.version} runs again from the same "
            f"savepoint. {failed.error}",
            remedy="Mend the new version and deploy it again",
        )

    def _compare(self, found: Generation, recovery: str | None) -> None:
        """Raise IncompatibleStateError when what `found` has kept does not fit the wanted version.

        State that is older than `found` was made by another graph: only Flink can tell then.
        """
        is_older = recovery is not None and recovery == found.started_from
        if not self._check_state or recovery is None or is_older or found.version == self._wanted.version:
            return
        if found.topology is None:
            return
        told = differences(from_json(found.topology), submit.plan(self._lab, self._wanted))
        if told:
            shown = "\n- ".join(told[:12])
            raise IncompatibleStateError(
                f"version {self._wanted.version} of {found.job} cannot take over the state of version {found.version}:"
                f"\n- {shown}\nVersion {found.version} was left as it is",
                remedy="Deploy with `fresh` to read the sources from their start, or with `check_state` off to let "
                "Flink try: a restore that fails is rolled back",
            )

    def _recovery(self, found: Generation) -> str | None:
        return retained.latest_checkpoint(self._lab, found.job_id) or found.savepoint or found.started_from


def finish(rest: FlinkRest, call: Callable[[], Done | Wait]) -> Done:
    """Call until it is done, waiting in between; for programs that have nothing else to do."""
    while True:
        outcome = call()
        if isinstance(outcome, Done):
            return outcome
        while not is_over(rest, outcome.as_json()):
            time.sleep(PAUSE)


def _trigger(found: Generation, attempt: str) -> str:
    return hashlib.md5(f"{found.job_id} {attempt}".encode(), usedforsecurity=False).hexdigest()


def _wait(kind: str, found: Generation, seconds: float, trigger: str = "", *, until: datetime | None = None) -> Wait:
    end = until or datetime.now(UTC) + timedelta(seconds=seconds)
    is_savepoint = kind == "savepoint"
    return Wait("savepoint" if is_savepoint else "checkpoint", found.job, found.job_id, end.isoformat(), trigger)
