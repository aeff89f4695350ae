"""What Airflow calls when a task fails, a run ends well, or a run is late: alerts are written and cleared.

The project is told from the DAG id, which starts with its slug.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from quintet import alerts
from quintet.alerts import Alert
from quintet.catalogue import PROJECTS
from quintet.errors import GateError, QuintetError
from quintet.settings import Lab, load_lab

__all__ = ["DEADLINE", "GATE", "alert_failure", "alert_late_run", "clear_alerts"]

#: Sources of alerts that are no task ids: the gate tells its own, with file, rule and rows.
GATE = "gate"
DEADLINE = "deadline"

_PLATFORM = "platform"
#: Characters of an error's text that an alert holds.
_DETAIL = 4000


def alert_failure(context: Mapping[str, Any]) -> None:
    """Failure of a task, after its last try: one alert, unless the gate of this run has told it already."""
    lab = load_lab()
    instance = context["ti"]
    error = context.get("exception")
    if isinstance(error, GateError) and _gate_told(lab, str(context["run_id"])):
        return
    alerts.write(
        lab,
        Alert(
            severity="critical",
            source=instance.task_id,
            project=project_of(instance.dag_id),
            run_id=str(context["run_id"]),
            dag_id=instance.dag_id,
            title=f"task {instance.task_id} of {instance.dag_id} failed",
            detail=_text(error),
            remedy=_remedy(error, instance.task_id),
            url=getattr(instance, "log_url", None),
        ),
    )


def clear_alerts(context: Mapping[str, Any]) -> None:
    """End of a successful run: what its tasks, its gate and its deadline had alerted is over."""
    dag = context["dag"]
    gates = {GATE for task_id in dag.task_ids if task_id.rpartition(".")[2] == GATE}
    alerts.clear(
        load_lab(),
        project=project_of(dag.dag_id),
        sources={*dag.task_ids, *gates, f"{DEADLINE}:{dag.dag_id}"},
        run_id=str(context.get("run_id", "")),
    )


async def alert_late_run(context: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
    """A run that is not over when its deadline has come."""
    run = (context or {}).get("dag_run") or {}
    dag_id, run_id = str(run.get("dag_id", kwargs.get("dag_id", ""))), str(run.get("dag_run_id", run.get("run_id", "")))
    alerts.write(
        load_lab(),
        Alert(
            severity="warning",
            source=f"{DEADLINE}:{dag_id}",
            project=project_of(dag_id),
            run_id=run_id,
            dag_id=dag_id,
            title=f"the run of {dag_id} is late",
            detail=f"It was to end within {kwargs.get('within', 'its deadline')} and has not",
            remedy="Look at it in Airflow: a task may wait for a slot, a service or a person (quintet doctor)",
        ),
    )


def project_of(dag_id: str) -> str:
    """Slug of the project that a DAG belongs to; DAG ids start with it."""
    return next((known.slug for known in PROJECTS if dag_id.startswith(f"{known.slug}_")), _PLATFORM)


def _gate_told(lab: Lab, run_id: str) -> bool:
    return any(told.alert.source == GATE and told.alert.run_id == run_id for told in alerts.read(lab))


def _text(error: object) -> str:
    if error is None:
        return "The task was lost: its process was killed, or its machine or the scheduler went away"
    return re.sub(r"\n{3,}", "\n\n", str(error) or type(error).__name__)[:_DETAIL]


def _remedy(error: object, task_id: str) -> str:
    if isinstance(error, QuintetError) and error.remedy:
        return error.remedy
    return f"Read the log of {task_id}; when the cause is mended, clear the task or start another run: nothing doubles"
