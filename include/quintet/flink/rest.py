"""Flink's REST door: jobs, their checkpoints, exceptions, savepoints and measures, as typed values.

Source: https://nightlies.apache.org/flink/flink-docs-release-2.1/docs/ops/rest_api/
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx

from quintet.flink.causes import root_cause
from quintet.flink.errors import FlinkError, UnknownJobError
from quintet.httpdoor import HttpDoor
from quintet.settings import Lab

__all__ = ["ALIVE", "Checkpoint", "Checkpoints", "Failure", "FlinkRest", "JobState", "SavepointState", "as_time"]

#: Seconds for one answer.
TIMEOUT = 20.0
#: States of a job that runs or will run again by itself.
ALIVE = frozenset({"INITIALIZING", "CREATED", "RUNNING", "FAILING", "RESTARTING", "RECONCILING", "CANCELLING"})


@dataclass(frozen=True)
class JobState:
    """One job as the cluster sees it."""

    job_id: str
    name: str
    state: str
    started_at: datetime
    ended_at: datetime | None = None

    @property
    def is_alive(self) -> bool:
        """Whether it runs or will run again by itself."""
        return self.state in ALIVE


@dataclass(frozen=True)
class Checkpoint:
    """One checkpoint that was completed; `path` is where it can be restored from."""

    number: int
    path: str
    completed_at: datetime
    milliseconds: int
    bytes: int


@dataclass(frozen=True)
class Checkpoints:
    """Checkpoints of a job since it was submitted, its restarts included."""

    completed: int
    failed: int
    latest: Checkpoint | None
    #: Those that failed since the last one that was completed, and what the last of them said.
    failed_in_row: int
    last_failure: str


@dataclass(frozen=True)
class Failure:
    """Why a job failed or was restarted: root exception, and the task it came from ("" where none is known)."""

    at: datetime
    root: str
    task: str
    trace: str


@dataclass(frozen=True)
class SavepointState:
    """A savepoint that was asked for: in progress, done with a path, or failed with an error."""

    is_done: bool
    path: str = ""
    error: str = ""


class FlinkRest(HttpDoor):
    """The JobManager of one lab.

    Every method raises ServiceDownError when it does not answer, UnknownJobError for a job that it does not know, and
    FlinkError when it refuses.
    """

    service = "Flink's JobManager"
    remedy = "Run: quintet doctor; then: quintet logs flink-jobmanager"

    def __init__(self, lab: Lab, *, timeout: float = TIMEOUT) -> None:
        super().__init__(lab.endpoint("flink").url, timeout=timeout)

    def slots(self) -> tuple[int, int]:
        """Slots that are free and all slots."""
        found = self._ask("GET", "/overview")
        return int(found["slots-available"]), int(found["slots-total"])

    def workers(self) -> list[str]:
        """Address of every TaskManager that is registered."""
        found = self._ask("GET", "/taskmanagers")["taskmanagers"]
        # pekko.tcp://flink@<address>:<port>/user/rpc/taskmanager_0
        return [str(entry["path"]).partition("@")[2].partition(":")[0] for entry in found]

    def jobs(self) -> list[JobState]:
        """Jobs that run and those that ended within the last hour, as long as the JobManager remembers them."""
        return [_job(entry) for entry in self._ask("GET", "/jobs/overview")["jobs"]]

    def job(self, job_id: str) -> JobState:
        """One job."""
        return _job(self._ask("GET", f"/jobs/{job_id}"))

    def parameters(self, job_id: str) -> Mapping[str, str]:
        """What the job was given as `pipeline.global-job-parameters`."""
        found = self._ask("GET", f"/jobs/{job_id}/config")
        given: Mapping[str, str] = found.get("execution-config", {}).get("user-config", {})
        return given

    def checkpoints(self, job_id: str) -> Checkpoints:
        """Counts, the latest one that was completed, and failures since."""
        found = self._ask("GET", f"/jobs/{job_id}/checkpoints")
        counts, latest = found["counts"], found["latest"]
        in_row = 0
        for entry in found["history"]:  # newest first
            if entry["status"] == "COMPLETED":
                break
            in_row += entry["status"] == "FAILED"
        failed = latest.get("failed") or {}
        return Checkpoints(
            completed=counts["completed"],
            failed=counts["failed"],
            latest=_checkpoint(latest.get("completed")),
            failed_in_row=in_row,
            last_failure=str(failed.get("failure_message") or "") if in_row else "",
        )

    def failures(self, job_id: str, *, limit: int = 10) -> list[Failure]:
        """What made the job fail or restart, newest first."""
        found = self._ask("GET", f"/jobs/{job_id}/exceptions", params={"maxExceptions": str(limit)})
        return [_failure(entry) for entry in found["exceptionHistory"]["entries"]]

    def restarts(self, job_id: str) -> int:
        """Restarts since the submission; what the cluster gathered behind the question before, ten seconds apart."""
        found = self._ask("GET", f"/jobs/{job_id}/metrics", params={"get": "numRestarts"})
        return int(float(found[0]["value"])) if found else 0

    def back_pressure(self, job_id: str) -> float:
        """Share of its time that the most held-up task waits for the one after it, 0 to 1."""
        name = "backPressuredTimeMsPerSecond"
        found = [
            row["max"] for vertex in self._vertices(job_id) for row in self._measures(job_id, vertex, [name], "max")
        ]
        return max(found, default=0.0) / 1000

    def pending_records(self, job_id: str) -> int | None:
        """Records that wait at the sources of the job; None where no source tells."""
        total, is_told = 0.0, False
        for vertex in self._vertices(job_id):
            names = [name for name in self._names(job_id, vertex) if name.endswith(".pendingRecords")]
            for row in self._measures(job_id, vertex, names, "sum") if names else []:
                total, is_told = total + row["sum"], True
        return int(total) if is_told else None

    def savepoint(self, job_id: str, *, folder: str, trigger_id: str) -> None:
        """Ask for a savepoint while the job runs on; a second request of the same trigger is none."""
        body = {"target-directory": folder, "cancel-job": False, "triggerId": trigger_id}
        self._ask("POST", f"/jobs/{job_id}/savepoints", json=body)

    def stop(self, job_id: str, *, folder: str, trigger_id: str) -> None:
        """Ask for a savepoint and the end of the job with it; a second request of the same trigger is none.

        Not drained: windows that are open stay open in the savepoint.
        """
        body = {"targetDirectory": folder, "drain": False, "triggerId": trigger_id}
        self._ask("POST", f"/jobs/{job_id}/stop", json=body)

    def savepoint_state(self, job_id: str, trigger_id: str) -> SavepointState:
        """How a savepoint is getting on."""
        found = self._ask("GET", f"/jobs/{job_id}/savepoints/{trigger_id}")
        if found["status"]["id"] != "COMPLETED":
            return SavepointState(is_done=False)
        cause = found["operation"].get("failure-cause")
        if cause:
            return SavepointState(is_done=True, error=root_cause(cause.get("stack-trace", "")) or cause["class"])
        return SavepointState(is_done=True, path=found["operation"]["location"])

    def dispose(self, path: str) -> None:
        """Ask for the removal of a savepoint's files."""
        self._ask("POST", "/savepoint-disposal", json={"savepoint-path": path})

    def cancel(self, job_id: str) -> None:
        """Ask for the end of a job, without a savepoint."""
        self._ask("PATCH", f"/jobs/{job_id}", params={"mode": "cancel"})

    def _vertices(self, job_id: str) -> list[str]:
        return [vertex["id"] for vertex in self._ask("GET", f"/jobs/{job_id}")["vertices"]]

    def _names(self, job_id: str, vertex: str) -> list[str]:
        return [row["id"] for row in self._ask("GET", f"/jobs/{job_id}/vertices/{vertex}/subtasks/metrics")]

    def _measures(self, job_id: str, vertex: str, names: Iterable[str], how: str) -> list[dict[str, Any]]:
        asked = {"get": ",".join(names), "agg": how}
        rows = self._ask("GET", f"/jobs/{job_id}/vertices/{vertex}/subtasks/metrics", params=asked)
        return [row for row in rows if row.get(how) is not None]

    def _ask(self, method: str, path: str, **options: Any) -> Any:
        answer = self._send(method, path, **options)
        if answer.is_error:
            raise self._refusal(method, path, answer)
        try:
            return answer.json() if answer.content else {}
        except ValueError as error:
            raise FlinkError(
                f"what answers at {self._url} is not Flink: {answer.text[:100]!r}", remedy="Run: quintet doctor"
            ) from error

    def _refusal(self, method: str, path: str, answer: httpx.Response) -> FlinkError:
        told = _told(answer)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return UnknownJobError(
                f"the cluster at {self._url} does not know {path}: {told}", remedy="Was it restarted?"
            )
        return FlinkError(f"Flink refused {method} {path}: {told}", remedy="Read: quintet logs flink-jobmanager")


def as_time(milliseconds: int) -> datetime:
    """Time of milliseconds since the epoch."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _told(answer: httpx.Response) -> str:
    try:
        errors = answer.json()["errors"]
    except (ValueError, KeyError, TypeError):
        return f"status {answer.status_code} {answer.text[:200]}"
    return root_cause(str(errors[-1])) if errors else f"status {answer.status_code}"


def _job(entry: Mapping[str, Any]) -> JobState:
    ended = entry.get("end-time", -1)
    return JobState(
        job_id=entry["jid"],
        name=entry["name"],
        state=entry["state"],
        started_at=as_time(entry["start-time"]),
        ended_at=as_time(ended) if ended > 0 else None,
    )


def _checkpoint(entry: Mapping[str, Any] | None) -> Checkpoint | None:
    if not entry:
        return None
    return Checkpoint(
        number=entry["id"],
        path=entry.get("external_path") or "",
        completed_at=as_time(entry["latest_ack_timestamp"]),
        milliseconds=entry["end_to_end_duration"],
        bytes=entry["state_size"],
    )


def _failure(entry: Mapping[str, Any]) -> Failure:
    trace = str(entry.get("stacktrace") or "")
    root = root_cause(trace) or str(entry.get("exceptionName") or "unknown")
    # Failures that no single task caused have no name of one.
    return Failure(at=as_time(entry["timestamp"]), root=root, task=str(entry.get("taskName") or ""), trace=trace)
