"""Why a run does not go on, in words for a person: another run goes first, or somebody must approve."""

from __future__ import annotations

from quintet.runs.airflow import AirflowClient, RunState, TaskState

__all__ = ["is_approval", "reason"]

#: States of a task that needs no help to go on.
BUSY = frozenset({"running", "restarting"})
#: States of a task that waits for an answer.
WAITING = frozenset({"deferred", "awaiting_input"})
#: States of a task that explain why its run is not over, the most telling first.
TELLING = ("awaiting_input", "up_for_retry", "deferred", "up_for_reschedule", "running", "queued", "scheduled")


def is_approval(task: TaskState) -> bool:
    """Whether a task waits for a person's yes."""
    return task.state in WAITING and "approve" in task.task_id


def reason(airflow: AirflowClient, dag_id: str, run_id: str, state: str, tasks: list[TaskState]) -> str | None:
    """Why a run does not go on and what to do about it; None while it does or nothing is known."""
    if state == "queued":
        return _queued(airflow, dag_id, run_id)
    waiting = [task.task_id for task in tasks if is_approval(task)]
    if waiting and not any(task.state in BUSY for task in tasks):
        return (
            f"{', '.join(waiting)} waits for an approval. Answer it at {airflow.url(dag_id, run_id)} "
            "or start such a run with --yes"
        )
    return None


def _queued(airflow: AirflowClient, dag_id: str, run_id: str) -> str:
    earlier: list[RunState] = []
    for run in airflow.unfinished(dag_id):
        if run.run_id == run_id:
            break
        earlier.append(run)
    ahead = [run for run in earlier if run.state == "running"] or earlier
    if not ahead:
        return "no other run is ahead, but the scheduler has not begun this one. Run: quintet doctor"
    first = ahead[0]
    more = f" and {len(earlier) - 1} more" if len(earlier) > 1 else ""
    return (
        f"queued behind run {first.run_id}{more}, which is {first.state}{_where(airflow.tasks(dag_id, first.run_id))}. "
        f"One run of {dag_id} goes at a time: wait for it, or mark it as failed at {airflow.url(dag_id, first.run_id)}"
    )


def _where(tasks: list[TaskState]) -> str:
    for state in TELLING:
        for task in tasks:
            if task.state == state:
                return f" ({task.task_id} is {state}, attempt {task.try_number})"
    return ""
