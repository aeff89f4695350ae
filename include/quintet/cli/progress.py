"""What a person sees of a run while it goes on: one live line on a terminal, a line for each change elsewhere."""

from __future__ import annotations

import os
import sys
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import typer

from quintet.cli.output import say
from quintet.errors import GateError, InputError, LabError

if TYPE_CHECKING:
    from quintet.runs.airflow import TaskState
    from quintet.runs.run import Outcome
    from quintet.settings import Lab

__all__ = ["LinesProgress", "LiveProgress", "failure", "follow", "progress"]

#: States in which a task is over.
OVER = frozenset({"success", "skipped", "failed", "upstream_failed", "removed"})
#: What no live line shows once it is past.
LASTING = frozenset({"failed", "up_for_retry"})
#: Changes that are told where there is no live line.
TOLD = LASTING | {"running", "success"}
#: States that say what a run waits for when no task runs, the most telling first.
HELD_UP = ("awaiting_input", "up_for_retry", "deferred", "up_for_reschedule", "queued", "scheduled")
#: Columns of the bar; what the numbers leave of the terminal's width names the tasks.
BAR = 20
#: The live line is drawn so many times a second: its clock goes on between two looks at the run.
RATE = 4


class LinesProgress:
    """Tells each change of a task's state once, and how far the run is."""

    def __init__(self, told: frozenset[str] = TOLD) -> None:
        self._is_told = told
        self._states: dict[tuple[str, int], str | None] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is left behind."""

    def tell(self, text: str) -> None:
        """Print a sentence."""
        say(text)

    def look(self, tasks: list[TaskState], memory_mb: int) -> None:
        """Print what has changed since the last look."""
        done = _done(tasks)
        for task in tasks:
            key = (task.task_id, task.map_index)
            if self._states.get(key) != task.state and task.state in self._is_told:
                seconds = f" {task.seconds:.0f} s" if task.seconds and task.state != "running" else ""
                self.tell(f"[{done:3}/{len(tasks)}, {memory_mb} MB] {task.task_id} {task.state}{seconds}")
            self._states[key] = task.state


class LiveProgress(LinesProgress):
    """One line at the bottom of the terminal: a bar, tasks that are over and known, time, memory, what runs now.

    Sentences, failures and new attempts stay above it; it is gone when the run is.
    """

    def __init__(self) -> None:
        super().__init__(LASTING)
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
        from rich.table import Column

        self._console = Console(stderr=True, highlight=False)
        self._display = Progress(
            BarColumn(BAR),
            TextColumn("{task.fields[count]}", markup=False, table_column=Column(no_wrap=True)),
            TimeElapsedColumn(Column(no_wrap=True)),
            TextColumn("{task.fields[memory_mb]} MB", markup=False, table_column=Column(no_wrap=True)),
            TextColumn(
                "{task.description}", markup=False, table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")
            ),
            console=self._console,
            refresh_per_second=RATE,
            transient=True,
            expand=True,
        )
        # Without a total the bar says that it is not known yet.
        self._run = self._display.add_task("queued", total=None, count="-/-", memory_mb=0)

    def __enter__(self) -> Self:
        self._display.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the line away, whatever ended the run."""
        self._display.stop()

    def tell(self, text: str) -> None:
        """Print a sentence above the line; the terminal breaks it, so that an address stays one."""
        self._console.print(text, soft_wrap=True, markup=False)

    def look(self, tasks: list[TaskState], memory_mb: int) -> None:
        """Draw the line anew."""
        super().look(tasks, memory_mb)
        if tasks:
            done = _done(tasks)
            count = f"{done}/{len(tasks)}"
            self._display.update(
                self._run, completed=done, total=len(tasks), count=count, memory_mb=memory_mb, description=_now(tasks)
            )


def progress() -> LinesProgress:
    """Give the form that suits where progress goes: the standard error."""
    is_terminal = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    return LiveProgress() if is_terminal else LinesProgress()


def follow(lab: Lab, dag_id: str, parameters: dict[str, Any] | None = None, *, approve: bool = False) -> Outcome:
    """Trigger a DAG and show its run until it is over; a person who stops looking (Ctrl-C) leaves it to Airflow.

    Raises:
        ServiceDownError: Airflow does not answer.

    """
    from quintet.runs.run import start_and_follow

    try:
        with progress() as shown:
            return start_and_follow(lab, dag_id, parameters or {}, shown, approve=approve)
    except KeyboardInterrupt:
        say("no longer followed; a run that was named above goes on in Airflow")
        raise typer.Exit(130) from None


def failure(lab: Lab, outcome: Outcome, gate_remedy: str = "") -> Exception:
    """The error of a run that did not end well; the ends of its tasks' logs are told."""
    from quintet.runs.airflow import AirflowClient
    from quintet.runs.run import FINISHED

    if outcome.state not in FINISHED:
        return LabError(
            f"the run {outcome.run_id} is still {outcome.state} after {outcome.seconds / 60:.0f} minutes",
            remedy=f"It goes on in Airflow: {outcome.url}",
        )
    with AirflowClient(lab) as airflow:
        for task in outcome.failed:
            say(f"--- {task.task_id}")
            for line in airflow.last_lines(outcome.dag_id, outcome.run_id, task):
                say(line)
    names = [task.task_id for task in outcome.failed]
    message, log = f"the run ended as {outcome.state}: {', '.join(names) or 'no task failed'}", outcome.url
    if any(name.endswith("gate") or name == "raise_held" for name in names):
        return GateError(message, remedy=gate_remedy or f"The whole log: {log}")
    if any(name.startswith("ingest.") or name.rpartition(".")[2] == "check_input" for name in names):
        return InputError(message, remedy="Correct the files named above and run again; what was good has landed")
    return LabError(message, remedy=f"The whole log: {log}")


def _done(tasks: list[TaskState]) -> int:
    return sum(task.state in OVER for task in tasks)


def _now(tasks: list[TaskState]) -> str:
    """Name the tasks that run, or the most telling of those that wait."""
    running = sorted({task.task_id for task in tasks if task.state == "running"})
    if running:
        return ", ".join(running)
    for state in HELD_UP:
        for task in tasks:
            if task.state == state:
                return f"{task.task_id} is {state}"
    return "ending" if _done(tasks) == len(tasks) else "waiting for the scheduler"
