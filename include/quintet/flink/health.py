"""What a deployed job is doing, measured at one moment, and what of it is not as it should be.

`observe` asks the cluster, `judge` compares with the thresholds of the job's definition and knows no cluster.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

from quintet.flink.definition import JobDefinition, Thresholds
from quintet.flink.errors import UnknownJobError
from quintet.flink.ledger import FAILED, RUNNING, Generation
from quintet.flink.rest import FlinkRest
from quintet.flink.waits import EARLY

__all__ = ["GONE", "Finding", "Health", "judge", "observe"]

#: State of a job that the cluster does not know.
GONE = "GONE"


@dataclass(frozen=True)
class Health:
    """One job at one moment; what cannot be told is None. `restarts` count from the submission."""

    job: str
    job_id: str
    version: str
    generation: int
    phase: str
    state: str
    checkpoints: int = 0
    checkpoint_age_s: float | None = None
    checkpoint_ms: int | None = None
    checkpoint_bytes: int | None = None
    checkpoint_failures: int = 0
    checkpoint_error: str = ""
    restarts: int = 0
    back_pressure: float | None = None
    consumer_lag: int | None = None
    failure: str = ""

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


@dataclass(frozen=True)
class Finding:
    """Something that is not as it should be; `kind` names it for as long as it lasts."""

    kind: Literal["state", "checkpoint_age", "checkpoint_failures", "restarts", "consumer_lag", "back_pressure"]
    severity: Literal["critical", "warning"]
    title: str
    detail: str
    remedy: str


def observe(rest: FlinkRest, found: Generation) -> Health:
    """Measure one job. Raises ServiceDownError."""
    known = Health(found.job, found.job_id, found.version, found.number, found.phase, GONE, failure=found.error or "")
    try:
        job = rest.job(found.job_id)
        failures = rest.failures(found.job_id, limit=1)
        known = replace(known, state=job.state, failure=failures[0].root if failures else "")
        if not job.is_alive or job.state in EARLY:
            return known
        taken = rest.checkpoints(found.job_id)
        since = taken.latest.completed_at if taken.latest else job.started_at
        return replace(
            known,
            checkpoints=taken.completed,
            checkpoint_age_s=round((datetime.now(UTC) - since).total_seconds(), 1),
            checkpoint_ms=taken.latest.milliseconds if taken.latest else None,
            checkpoint_bytes=taken.latest.bytes if taken.latest else None,
            checkpoint_failures=taken.failed_in_row,
            checkpoint_error=taken.last_failure,
            restarts=rest.restarts(found.job_id),
            back_pressure=round(rest.back_pressure(found.job_id), 3),
            consumer_lag=rest.pending_records(found.job_id),
        )
    except UnknownJobError:
        return known


def judge(health: Health, definition: JobDefinition, *, restarts_before: int = 0) -> list[Finding]:
    """What is beyond the thresholds; `restarts_before`: those that the last look saw of the same submission."""
    if health.phase == FAILED:
        return [_not_running(health)]
    if health.phase != RUNNING:
        return []  # a deployment is under way, or it was stopped by a person
    limits = definition.alerts
    if health.state not in {"RUNNING", "RESTARTING", "CREATED", "INITIALIZING"}:
        return [_not_running(health)]
    return [
        finding
        for finding in (
            _checkpoint_age(health, limits),
            _checkpoint_failures(health, limits),
            _restarts(health, limits, restarts_before),
            _consumer_lag(health, limits),
            _back_pressure(health, limits),
        )
        if finding
    ]


def _not_running(health: Health) -> Finding:
    why = health.failure
    if not why and health.state == GONE:
        why = "the cluster does not know it: its JobManager was started anew"
    return Finding(
        "state",
        "critical",
        f"{health.job} does not run ({health.state})",
        why or f"it ended as {health.state}",
        f"It is started again from its newest checkpoint; if that fails, run {_dag(health)}",
    )


def _checkpoint_age(health: Health, limits: Thresholds) -> Finding | None:
    if health.checkpoint_age_s is None or health.checkpoint_age_s <= limits.checkpoint_age_s:
        return None
    last = f"Last failure: {health.failure}" if health.failure else "Flink tells of no failure"
    return Finding(
        "checkpoint_age",
        "critical",
        f"{health.job}: no checkpoint for {health.checkpoint_age_s:.0f} s",
        f"At most {limits.checkpoint_age_s} s are allowed; sinks publish nothing meanwhile. "
        f"The job is {health.state}. {last}",
        "Look at the job's page in Flink: which task does not acknowledge? Then: quintet logs flink-taskmanager",
    )


def _checkpoint_failures(health: Health, limits: Thresholds) -> Finding | None:
    if health.checkpoint_failures < limits.checkpoint_failures:
        return None
    return Finding(
        "checkpoint_failures",
        "critical",
        f"{health.job}: {health.checkpoint_failures} checkpoints failed in a row",
        health.checkpoint_error or "Flink tells no reason",
        "Is there room on the disk of the lake, and does its service answer? quintet doctor",
    )


def _restarts(health: Health, limits: Thresholds, before: int) -> Finding | None:
    count = health.restarts - before
    if count < limits.restarts:
        return None
    return Finding(
        "restarts",
        "critical",
        f"{health.job} was restarted {count} times since the last look",
        f"Last failure: {health.failure or 'unknown'}",
        f"Mend the cause; a record that cannot be read stops it at the same place each time. Then run {_dag(health)}",
    )


def _consumer_lag(health: Health, limits: Thresholds) -> Finding | None:
    if health.consumer_lag is None or health.consumer_lag <= limits.consumer_lag:
        return None
    return Finding(
        "consumer_lag",
        "warning",
        f"{health.job} is {health.consumer_lag} records behind",
        f"At most {limits.consumer_lag} records are to wait in its topics",
        "It may be catching up: look again. Else give it more parallelism in job.yaml and deploy it",
    )


def _back_pressure(health: Health, limits: Thresholds) -> Finding | None:
    if health.back_pressure is None or health.back_pressure <= limits.back_pressure:
        return None
    return Finding(
        "back_pressure",
        "warning",
        f"{health.job} is held up {health.back_pressure:.0%} of the time",
        f"At most {limits.back_pressure:.0%} are allowed; a task waits for the one after it",
        "Look at the job's page in Flink for the busy task: its sink or state is the bottleneck",
    )


def _dag(health: Health) -> str:
    slug, _, name = health.job.partition("/")
    return f"{slug}_deploy_{name}"
