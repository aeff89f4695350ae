"""Operators of Flink jobs: deploy or upgrade, savepoint, stop, health; and the tasks of a deployment and of the watch.

A task that waits for the cluster gives its slot back: the triggerer asks meanwhile. What a task has to know afterwards
is in the ledger of `quintet.flink`, so that a task that is cleared, killed or tried again goes on where it was.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, BaseOperator, Param
from airflow.sdk.exceptions import AirflowSkipException
from airflow.triggers.base import BaseTrigger, TriggerEvent

from quintet.airflow.operators import CallOperator
from quintet.call import call
from quintet.errors import LabError, ServiceDownError
from quintet.settings import Lab, load_lab

if TYPE_CHECKING:
    from quintet.flink.definition import JobDefinition
    from quintet.flink.deploy import Deployer
    from quintet.flink.waits import Done, Wait

__all__ = [
    "ACTIONS",
    "FlinkHealthSensor",
    "FlinkJobOperator",
    "FlinkSavepointOperator",
    "FlinkStopOperator",
    "FlinkTrigger",
    "WatchStreamsOperator",
    "care_streams",
    "deploy_job",
    "deploy_params",
]

#: What a run of a deployment may be asked for.
ACTIONS = ("deploy", "roll_back", "stop", "savepoint")
#: Seconds between two questions of the triggerer, and for how long a cluster that is away is waited for.
EVERY, PATIENCE = 2.0, 60.0
#: A deployment that waits longer than this has lost its way; the waits themselves end much sooner.
LONGEST = timedelta(minutes=30)


class FlinkTrigger(BaseTrigger):
    """Ask a function of `quintet.flink.checks` until it says yes, or the time is over, or the cluster stays away."""

    def __init__(self, question: str, arguments: Mapping[str, Any], seconds: float, every: float = EVERY) -> None:
        super().__init__()
        self.question = question
        self.arguments = dict(arguments)
        self.seconds = seconds
        self.every = every

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """How another process makes the same one."""
        given = {name: getattr(self, name) for name in ("question", "arguments", "seconds", "every")}
        return f"{type(self).__module__}.{type(self).__qualname__}", given

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Ask; the event is true when the answer was yes. Whoever waits looks for itself in both cases."""
        end = time.monotonic() + self.seconds
        last_answer = time.monotonic()
        while time.monotonic() < end:
            try:
                answer = await asyncio.to_thread(call, f"quintet.flink.checks:{self.question}", self.arguments)
            except ServiceDownError:
                if time.monotonic() - last_answer > PATIENCE:
                    break  # the task asks once more, and fails with what is down
            else:
                last_answer = time.monotonic()
                if answer["is_healthy"] if isinstance(answer, dict) else answer:
                    yield TriggerEvent(True)
                    return
            await asyncio.sleep(self.every)
        yield TriggerEvent(False)


class _Deployment(BaseOperator):
    """Base of the operators that take the steps of a deployment: `step` until it is done, deferred in between."""

    template_fields: Sequence[str] = ()
    ui_color = "#f3d3dd"

    def __init__(self, *, slug: str, job: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.slug = slug
        self.job = job

    @property
    def full_name(self) -> str:
        """Name of the job in Flink and in the ledger."""
        return f"{self.slug}/{self.job}"

    def step(self, deployer: Deployer, lab: Lab, attempt: str) -> Done | Wait:
        """Go as far as it goes without waiting."""
        raise NotImplementedError

    def execute(self, context: Mapping[str, Any]) -> dict[str, Any]:
        """Begin. Raises the errors of `quintet.flink`, each with the root exception that Flink told."""
        return self._go(f"{context['run_id']} {self.task_id} {uuid.uuid4().hex[:8]}")

    def resume(self, context: Mapping[str, Any], event: Any, attempt: str) -> dict[str, Any]:
        """Go on after a wait."""
        return self._go(attempt)

    def _go(self, attempt: str) -> dict[str, Any]:
        from quintet.flink.deploy import Deployer
        from quintet.flink.ledger import Ledger
        from quintet.flink.rest import FlinkRest
        from quintet.flink.waits import Done

        lab = load_lab()
        with FlinkRest(lab) as rest, Ledger(lab) as ledger:
            outcome = self.step(Deployer(lab, rest=rest, ledger=ledger, log=self.log.info), lab, attempt)
        if isinstance(outcome, Done):
            self.log.info("Flink's page: %s/#/job/running/%s/overview", lab.endpoint("flink").url, outcome.job_id)
            return outcome.as_json()
        self.log.info("%s", outcome)
        self.defer(
            trigger=FlinkTrigger("is_step_over", {"wait": outcome.as_json()}, LONGEST.total_seconds()),
            method_name="resume",
            kwargs={"attempt": attempt},
            timeout=LONGEST,
        )
        raise AssertionError("a deferred task does not come here")


class FlinkJobOperator(_Deployment):
    """Deploy the version of `flink_jobs/<slug>/<job>` in the deployed code, or what else `action` says.

    The same version again changes nothing; another one is an upgrade with a savepoint, and rolled back when it does not
    start.
    """

    template_fields = ("action", "fresh", "check_state")

    def __init__(
        self, *, action: str = "deploy", fresh: str | bool = False, check_state: str | bool = True, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.action = action
        self.fresh = fresh
        self.check_state = check_state

    def step(self, deployer: Deployer, lab: Lab, attempt: str) -> Done | Wait:
        """Take the next steps of the action."""
        if self.action == "deploy":
            return deployer.deploy(
                _definition(lab, self.slug, self.job),
                attempt=attempt,
                fresh=_is_true(self.fresh),
                check_state=_is_true(self.check_state),
            )
        if self.action == "roll_back":
            return deployer.roll_back(self.full_name, attempt=attempt)
        if self.action == "stop":
            return deployer.stop(self.full_name, attempt=attempt)
        return deployer.savepoint(self.full_name, attempt=attempt)


class FlinkSavepointOperator(_Deployment):
    """Take a savepoint while the job runs on; its path is `savepoint` of the result."""

    def step(self, deployer: Deployer, lab: Lab, attempt: str) -> Done | Wait:
        """Ask for it, or look how it gets on."""
        return deployer.savepoint(self.full_name, attempt=attempt)


class FlinkStopOperator(_Deployment):
    """Stop the job with a savepoint; the next deployment goes on from it."""

    def step(self, deployer: Deployer, lab: Lab, attempt: str) -> Done | Wait:
        """Ask for it, or look how it gets on."""
        return deployer.stop(self.full_name, attempt=attempt)


class FlinkHealthSensor(BaseOperator):
    """Wait until the job runs within the thresholds of its definition; fails with what is beyond them.

    Skipped when `unless` is one of the actions after which no job has to run.
    """

    template_fields = ("unless",)
    ui_color = "#f3d3dd"

    def __init__(self, *, slug: str, job: str, within: timedelta, unless: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.full_name = f"{slug}/{job}"
        self.within = within
        self.unless = unless

    def execute(self, context: Mapping[str, Any]) -> dict[str, Any]:
        """Look, and wait while it is not well."""
        if self.unless in {"stop", "savepoint"}:
            raise AirflowSkipException(f"the run was to {self.unless}")
        found = self._look()
        if found["is_healthy"]:
            return self._healthy(found)
        self.log.info("Not yet: %s", "; ".join(found["findings"]))
        self.defer(
            trigger=FlinkTrigger("what_ails", {"job": self.full_name}, self.within.total_seconds()),
            method_name="resume",
            timeout=self.within + LONGEST,
        )
        raise AssertionError("a deferred task does not come here")

    def resume(self, context: Mapping[str, Any], event: Any) -> dict[str, Any]:
        """Look for the last time. Raises LabError with every finding."""
        found = self._look()
        if found["is_healthy"]:
            return self._healthy(found)
        raise LabError(
            f"{self.full_name} is not well after {self.within}: " + "; ".join(found["findings"]),
            remedy=f"Look at its page in Flink, {load_lab().endpoint('flink').url}",
        )

    def _look(self) -> dict[str, Any]:
        from quintet.flink.checks import what_ails

        return what_ails(self.full_name)

    def _healthy(self, found: Mapping[str, Any]) -> dict[str, Any]:
        health: dict[str, Any] = found["health"]
        self.log.info("%s is well: %s", self.full_name, health)
        return health


class WatchStreamsOperator(BaseOperator):
    """Look after every deployed job of a project: alerts, and a new start of what is gone."""

    ui_color = "#f3d3dd"

    def __init__(self, *, slug: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.slug = slug

    def execute(self, context: Mapping[str, Any]) -> dict[str, Any]:
        """Look once. Raises the error of a job that could not be started again."""
        from quintet.flink.watch import watch

        return watch(load_lab(), self.slug, run_id=str(context["run_id"]), log=self.log.info)


def deploy_params() -> dict[str, Param]:
    """Parameters of a deployment."""
    return {
        "action": Param(
            "deploy",
            type="string",
            enum=list(ACTIONS),
            title="Action",
            description="deploy the code's version, roll_back to the one before, stop with a savepoint, or take one",
        ),
        "fresh": Param(
            False,
            type="boolean",
            title="Without state",
            description="Start without the old state: the topics are read from their start; only where sinks upsert",
        ),
        "check_state": Param(
            True,
            type="boolean",
            title="Compare states",
            description="Refuse a version whose graph does not fit the state; off: let Flink try, and roll back",
        ),
    }


def deploy_job(slug: str, job: str, *, outlets: Sequence[Asset], within: timedelta) -> FlinkJobOperator:
    """Tasks of a deployment: deploy or upgrade, then health; the last one tells the asset. The first one."""
    deploy = FlinkJobOperator(
        task_id="deploy",
        slug=slug,
        job=job,
        action="{{ params.action }}",
        fresh="{{ params.fresh }}",
        check_state="{{ params.check_state }}",
    )
    health = FlinkHealthSensor(
        task_id="check_health",
        slug=slug,
        job=job,
        within=within,
        unless="{{ params.action }}",
        outlets=list(outlets),
    )
    # Order that must not change: the asset says that the job runs.
    deploy >> health
    return deploy


def care_streams(slug: str) -> None:
    """Task that keeps the tables of the project's streams in shape."""
    CallOperator(task_id="care", function="quintet.lake.streamcare:care_streams", arguments={"project": slug})


def _definition(lab: Lab, slug: str, job: str) -> JobDefinition:
    from quintet.flink.definition import FOLDER, read_job

    return read_job(lab.path("app") / FOLDER / slug / job)


def _is_true(value: str | bool) -> bool:
    """A parameter that came through a template is a text."""
    return value is True or value == "True"
