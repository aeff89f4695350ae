"""What Flink tells of its jobs through its REST interface.

Its own reporter for Prometheus can only be bound to every address of the machine.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from quintet.errors import QuintetError
from quintet.monitoring.figures import Figure
from quintet.settings import Lab
from quintet.urldoor import ask

__all__ = ["flink"]

#: Seconds for one answer.
PATIENCE = 4.0
#: Flink's name of a job's figure -> ours.
FIGURES = {
    "numRestarts": "quintet_flink_job_restarts_total",
    "numberOfFailedCheckpoints": "quintet_flink_job_failed_checkpoints_total",
    "numberOfCompletedCheckpoints": "quintet_flink_job_completed_checkpoints_total",
    "lastCheckpointDuration": "quintet_flink_job_last_checkpoint_milliseconds",
}
#: States of jobs that are over.
OVER = frozenset({"FINISHED", "CANCELED"})


def flink(lab: Lab) -> Iterator[Figure]:
    """Task managers, free slots, jobs by state, restarts and checkpoints of each job that is not over.

    Raises:
        QuintetError: Flink does not answer.

    """
    url = lab.endpoint("flink").url
    try:
        overview, jobs = _answer(f"{url}/overview"), _answer(f"{url}/jobs/overview")["jobs"]
        yield Figure("quintet_flink_task_managers", float(overview["taskmanagers"]))
        yield Figure("quintet_flink_slots_free", float(overview["slots-available"]))
        for job in jobs:
            if job["state"] not in OVER:
                yield from _job(url, job)
    except (OSError, ValueError, KeyError) as error:
        raise QuintetError(f"{url}: {error}", remedy="Read: quintet logs flink-jobmanager") from error


def _job(url: str, job: dict[str, Any]) -> Iterator[Figure]:
    labels = {"job_name": str(job["name"]), "job_id": str(job["jid"])}
    yield Figure("quintet_flink_job_running", float(job["state"] == "RUNNING"), {**labels, "state": str(job["state"])})
    for told in _answer(f"{url}/jobs/{job['jid']}/metrics?get={','.join(FIGURES)}"):
        # A job that has made no checkpoint has no duration of the last: Flink says -1.
        value = float(told["value"])
        if value >= 0:
            yield Figure(FIGURES[told["id"]], value, labels)


def _answer(url: str) -> Any:
    _, content = ask(url, timeout=PATIENCE)
    return json.loads(content)
