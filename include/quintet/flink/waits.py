"""What a deployment waits for, as a value: it can be kept while nobody waits, and asked about by anybody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from quintet.flink.errors import UnknownJobError
from quintet.flink.rest import FlinkRest

__all__ = ["EARLY", "FAILURES", "Done", "Wait", "failures_of", "is_over"]

#: States in which the cluster cannot tell of checkpoints yet.
EARLY = frozenset({"INITIALIZING", "CREATED"})
#: Failures before the first checkpoint after which a start has failed.
FAILURES = 3
#: What a job says while the TaskManager is away: it is started again by the service manager, and no fault of the job.
_WITHOUT_SLOTS = "NoResourceAvailableException"


@dataclass(frozen=True)
class Wait:
    """Something of the cluster that takes its time: the first checkpoint of a job, or a savepoint."""

    kind: Literal["checkpoint", "savepoint"]
    job: str
    job_id: str
    #: ISO 8601; for a first checkpoint: when the start has failed.
    until: str
    trigger_id: str = ""

    def __str__(self) -> str:
        """For logs."""
        what = "the first checkpoint" if self.kind == "checkpoint" else "the savepoint"
        return f"waits for {what} of {self.job} ({self.job_id}), until {self.until} at most"

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


@dataclass(frozen=True)
class Done:
    """Outcome of a deployment; `changed` is false where everything was as wanted already."""

    job: str
    version: str
    generation: int
    job_id: str
    phase: str
    reason: str
    changed: bool
    started_from: str | None = None
    savepoint: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def failures_of(rest: FlinkRest, job_id: str) -> int:
    """Failures of a job since it was submitted, but for those that only say that there is no TaskManager."""
    told = rest.failures(job_id, limit=4 * FAILURES)
    return sum(1 for failure in told if not failure.root.startswith(_WITHOUT_SLOTS))


def is_over(rest: FlinkRest, wait: Mapping[str, Any]) -> bool:
    """Whether the deployment has something to do again, be it for a failure. Raises ServiceDownError."""
    waited = Wait(**wait)
    if datetime.now(UTC) > datetime.fromisoformat(waited.until):
        return True
    try:
        if waited.kind == "savepoint":
            return rest.savepoint_state(waited.job_id, waited.trigger_id).is_done
        job = rest.job(waited.job_id)
        if job.state in EARLY:
            return False
        if not job.is_alive or failures_of(rest, waited.job_id) >= FAILURES:
            return True
        return job.state == "RUNNING" and rest.checkpoints(waited.job_id).completed > 0
    except UnknownJobError:
        return True
