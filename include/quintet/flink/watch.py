"""Look after the deployed jobs of a project: measure, alert, start again what is gone.

Which jobs should run, the ledger knows. An alert is written once and stays open until what it tells of is over.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Any

from quintet import alerts
from quintet.alerts import Alert
from quintet.errors import QuintetError
from quintet.flink.definition import JobDefinition
from quintet.flink.deploy import Deployer, finish
from quintet.flink.health import GONE, Finding, Health, judge, observe
from quintet.flink.ledger import FAILED, RUNNING, Generation, Ledger
from quintet.flink.rest import FlinkRest
from quintet.runs import record
from quintet.settings import Lab

__all__ = ["RECORD", "source_of", "watch"]

#: Record of a project's last look.
RECORD = "streams"
#: Longest pause before a job that does not start is started once more.
LONGEST_PAUSE = timedelta(hours=1)
_KINDS = ("state", "checkpoint_age", "checkpoint_failures", "restarts", "consumer_lag", "back_pressure")
#: States out of which nothing but a new start leads. A job that a person cancels in Flink's page is started again, too:
#: to stop one, stop its deployment.
_OVER = frozenset({GONE, "FAILED", "CANCELED", "SUSPENDED"})


def source_of(job: str, kind: str) -> str:
    """Source of the alerts about one thing of one job."""
    return f"stream:{job.partition('/')[2]}:{kind}"


def watch(lab: Lab, slug: str, *, run_id: str, log: Callable[[str], None]) -> dict[str, Any]:
    """Look once; {"jobs": what was measured, "alerts": titles that are open, "started": jobs that were started again}.

    Raises:
        ServiceDownError: Flink or PostgreSQL do not answer.
        QuintetError: a job could not be started again; the others were looked after.

    """
    seen = {entry["job"]: entry for entry in (record.read(lab, slug, RECORD) or {}).get("jobs", [])}
    measured: list[Health] = []
    open_titles: list[str] = []
    started: list[str] = []
    errors: list[QuintetError] = []
    with FlinkRest(lab) as rest, Ledger(lab) as ledger:
        for found in ledger.current(slug):
            health = observe(rest, found)
            definition = JobDefinition.from_json(found.definition)
            before = seen.get(found.job, {})
            restarts = before.get("restarts", 0) if before.get("job_id") == found.job_id else 0
            findings = judge(health, definition, restarts_before=restarts)
            open_titles += tell(lab, slug, found.job, findings, run_id=run_id)
            measured.append(health)
            if health.state in _OVER and _may_start(ledger, found):
                try:
                    _start_again(lab, rest, ledger, definition, run_id=run_id, log=log)
                    started.append(found.job)
                except QuintetError as error:
                    log(f"{found.job} could not be started again: {error}")
                    errors.append(error)
    result = {"jobs": [health.as_json() for health in measured], "alerts": open_titles, "started": started}
    record.write(lab, slug, RECORD, result)
    if errors:
        raise errors[0]
    return result


def tell(lab: Lab, slug: str, job: str, findings: list[Finding], *, run_id: str) -> list[str]:
    """Write an alert for what is new, clear what is over; titles of what is open."""
    found = {source_of(job, finding.kind): finding for finding in findings}
    told = {entry.alert.source for entry in alerts.read(lab) if entry.is_open and entry.alert.project == slug}
    for source, finding in found.items():
        if source not in told:
            alerts.write(
                lab,
                Alert(
                    severity=finding.severity,
                    source=source,
                    project=slug,
                    run_id=run_id,
                    title=finding.title,
                    detail=finding.detail,
                    remedy=finding.remedy,
                    url=lab.endpoint("flink").url,
                ),
            )
    over = {source_of(job, kind) for kind in _KINDS} - set(found)
    alerts.clear(lab, project=slug, sources=over, run_id=run_id)
    return [finding.title for finding in findings]


def _may_start(ledger: Ledger, found: Generation) -> bool:
    """Whether a job that is gone is started now: at once when it ran, with growing pauses when that failed.

    A version that has never run is left to whoever deployed it.
    """
    if found.phase == RUNNING:
        return True
    if found.phase != FAILED or found.ended_at is None:
        return False
    history = ledger.history(found.job)
    if not any(entry.running_at and entry.version == found.version for entry in history):
        return False
    in_row = sum(1 for _ in takewhile(lambda entry: entry.phase == FAILED and not entry.running_at, history))
    pause = min(timedelta(minutes=2**in_row), LONGEST_PAUSE)
    return datetime.now(UTC) - found.ended_at > pause


def _start_again(
    lab: Lab, rest: FlinkRest, ledger: Ledger, definition: JobDefinition, *, run_id: str, log: Callable[[str], None]
) -> None:
    """Start the version that ran, not the one that is deployed as files: that is the deployment's to decide."""
    deployer = Deployer(lab, rest=rest, ledger=ledger, log=log)
    attempt = f"watch {run_id} {definition.name}"
    finish(rest, lambda: deployer.deploy(definition, attempt=attempt))
