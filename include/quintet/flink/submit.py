"""Plan a version of a job, or submit it under an id that was chosen before."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping

from quintet.flink.definition import JobDefinition
from quintet.flink.errors import FlinkError
from quintet.flink.gateway import SqlSession
from quintet.flink.topology import Operator, from_plan
from quintet.settings import Lab

__all__ = ["JOB_ID", "plan", "submit"]

#: Option that gives a job its id; internal in name only: Flink's own application mode submits by it.
JOB_ID = "$internal.pipeline.job-id"

_EXECUTE = re.compile(r"^\s*EXECUTE\s+", re.IGNORECASE)
_BEGIN = re.compile(r"^\s*BEGIN\s+STATEMENT\s+SET\s*;", re.IGNORECASE)


def plan(lab: Lab, definition: JobDefinition) -> list[Operator]:
    """Graph of the job without starting it; its tables are made where they are missing.

    Raises:
        JobDefinitionError, StatementError: the job is wrong.
        ServiceDownError, FlinkError: the gateway cannot say.

    """
    *before, job = definition.rendered(lab)
    with SqlSession(lab, _properties(definition)) as session:
        for statement in before:
            session.run(statement)
        return _explain(session, job)


def submit(
    lab: Lab, definition: JobDefinition, *, job_id: str, started_from: str | None, labels: Mapping[str, str]
) -> list[Operator]:
    """Submit the job under this id, from a savepoint or checkpoint if one is given; its graph.

    Raises as `plan`, and FlinkError when the job could not be started: its root exception is the message.
    """
    *before, job = definition.rendered(lab)
    properties = _properties(definition) | {
        JOB_ID: job_id,
        "pipeline.global-job-parameters": ",".join(f"quintet.{name}:{value}" for name, value in labels.items()),
    }
    if started_from:
        # Not claimed: what a job was started from stays as it was, so that another start from it is possible.
        properties |= {
            "execution.state-recovery.path": started_from,
            "execution.state-recovery.claim-mode": "NO_CLAIM",
            "execution.state-recovery.ignore-unclaimed-state": "false",
        }
    with SqlSession(lab, properties) as session:
        for statement in before:
            session.run(statement)
        operators = _explain(session, job)
        started = session.run(job).job_id
    if started != job_id:
        raise FlinkError(
            f"job {definition.full_name} was started as {started}, not as {job_id}",
            remedy="Cancel it in Flink's page: the ledger does not know it",
        )
    return operators


def _properties(definition: JobDefinition) -> dict[str, str]:
    return {
        "pipeline.name": definition.full_name,
        "parallelism.default": str(definition.parallelism),
        "execution.checkpointing.interval": f"{definition.checkpoint_interval_s}s",
        "execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION",
        **definition.options,
    }


def _explained(job: str) -> str:
    """The statement as it is explained: a statement set then has no EXECUTE before it, nor a BEGIN in its place."""
    return _EXECUTE.sub("", _BEGIN.sub("STATEMENT SET BEGIN", job))


def _explain(session: SqlSession, job: str) -> list[Operator]:
    text = "\n".join(str(value) for (value,) in session.run(f"EXPLAIN JSON_EXECUTION_PLAN {_explained(job)}").rows)
    # The plan is the last part, behind those of the optimiser.
    with contextlib.suppress(ValueError):
        return from_plan(text[text.index("{", max(text.find("== Physical Execution Plan =="), 0)) :])
    raise FlinkError(f"Flink's plan cannot be read: {text[:200]}", remedy="Is this another version of Flink?")
