"""The running jobs of the page: every job of the deployed code, as Flink sees it now.

Flink alone is asked, not the ledger of deployments: nothing of the page reads a secret.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from quintet.flink.definition import job_folders
from quintet.flink.errors import FlinkError
from quintet.flink.rest import FlinkRest, JobState
from quintet.settings import Lab

__all__ = ["StreamRow", "look_at_streams"]

#: Name of a job's parameter with its version.
_VERSION = "quintet.version"


@dataclass(frozen=True)
class StreamRow:
    """One job; `state` is None where Flink knows no job of that name, `dag_id` where no DAG deploys it."""

    name: str
    state: str | None = None
    version: str = ""
    running_s: int | None = None
    checkpoint_age_s: int | None = None
    checkpoints_failed: int = 0
    restarts: int = 0
    url: str = ""
    dag_id: str = ""


def look_at_streams(lab: Lab, *, timeout: float) -> list[StreamRow]:
    """Ask Flink for every job of the deployed code, and for those that run besides; [] in a lab without Flink.

    Raises:
        ServiceDownError: Flink does not answer.

    """
    if "flink" not in lab.endpoints:
        return []
    deployed = {f"{folder.parent.name}/{folder.name}" for folder in job_folders(lab.path("app"))}
    with FlinkRest(lab, timeout=timeout) as rest:
        found: dict[str, JobState] = {}
        for job in sorted(rest.jobs(), key=lambda job: (job.is_alive, job.started_at)):
            if "/" in job.name and (job.is_alive or job.name in deployed):
                found[job.name] = job  # one that runs before one that ended, the newest of several
        return [_row(lab, rest, name, found.get(name), name in deployed) for name in sorted(deployed | set(found))]


def _row(lab: Lab, rest: FlinkRest, name: str, job: JobState | None, is_deployed: bool) -> StreamRow:
    slug, _, short = name.partition("/")
    dag_id = f"{slug}_deploy_{short}" if is_deployed else ""
    if job is None:
        return StreamRow(name, dag_id=dag_id)
    url = f"{lab.endpoint('flink').url}/#/job/{'running' if job.is_alive else 'completed'}/{job.job_id}/overview"
    now = datetime.now(UTC)
    try:
        taken = rest.checkpoints(job.job_id)
        return StreamRow(
            name=name,
            state=job.state,
            version=rest.parameters(job.job_id).get(_VERSION, ""),
            running_s=round((now - job.started_at).total_seconds()) if job.is_alive else None,
            checkpoint_age_s=round((now - taken.latest.completed_at).total_seconds()) if taken.latest else None,
            checkpoints_failed=taken.failed_in_row,
            restarts=rest.restarts(job.job_id) if job.is_alive else 0,
            url=url,
            dag_id=dag_id,
        )
    except FlinkError:  # it begins, or has just ended
        return StreamRow(name, state=job.state, url=url, dag_id=dag_id)
