"""Questions about the lab's jobs that can be asked again and again, by name: `module:function` with plain values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quintet.errors import LabError
from quintet.flink.definition import JobDefinition
from quintet.flink.health import judge, observe
from quintet.flink.ledger import RUNNING, Ledger
from quintet.flink.rest import FlinkRest
from quintet.flink.waits import is_over
from quintet.settings import load_lab

__all__ = ["is_step_over", "what_ails"]


def is_step_over(wait: Mapping[str, Any]) -> bool:
    """Whether a deployment that waits has something to do again. Raises ServiceDownError."""
    with FlinkRest(load_lab()) as rest:
        return is_over(rest, wait)


def what_ails(job: str) -> dict[str, Any]:
    """Health of a job: {"is_healthy", "findings": sentences, "health": what was measured}.

    Raises:
        ServiceDownError: Flink or PostgreSQL do not answer.
        LabError: the job was never deployed.

    """
    lab = load_lab()
    with FlinkRest(lab) as rest, Ledger(lab) as ledger:
        found = ledger.latest(job)
        if found is None:
            raise LabError(f"{job} was never deployed", remedy="Run its deployment")
        health = observe(rest, found)
    findings = [
        f"{finding.title}: {finding.detail}"
        for finding in judge(health, JobDefinition.from_json(found.definition), restarts_before=health.restarts)
    ]
    if health.phase != RUNNING:
        findings.append(f"{job} is {health.phase}, not running")
    elif health.state != "RUNNING":
        findings.append(f"{job} is {health.state}" + (f": {health.failure}" if health.failure else ""))
    return {"is_healthy": not findings, "findings": findings, "health": health.as_json()}
