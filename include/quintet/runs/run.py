"""One run of a project: input, Airflow, progress, memory, results, record."""

from __future__ import annotations

import importlib
import os
import shutil
import stat
import time
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from quintet.catalogue import Project, Writer
from quintet.errors import InputError, LabError, QuintetError, ServiceDownError
from quintet.health.memory import tree_memory_mb
from quintet.health.supervision import service_manager
from quintet.runs import hold, record
from quintet.runs.airflow import AirflowClient, TaskState
from quintet.runs.elsewhere import GENERATORS, generate_elsewhere
from quintet.runs.programs import run_module
from quintet.settings import Lab

__all__ = [
    "FINISHED",
    "Follower",
    "Outcome",
    "Pace",
    "prepare_input",
    "require_quiet",
    "reset_project",
    "start_and_follow",
]

FINISHED = frozenset({"success", "failed"})
#: Seconds between two looks at a run.
INTERVAL = 2.0
#: A run that has not ended after this many seconds is left to Airflow.
LIMIT = 3 * 3600.0
#: Seconds without progress after which the reason is looked for, and again when it may have changed.
HOLD = 10.0
#: Airflow may be silent for so many seconds, because it is restarted or has no memory to spare.
PATIENCE = 60.0


class Follower(Protocol):
    """What is told about a run while it goes on."""

    def look(self, tasks: list[TaskState], memory_mb: int) -> None:
        """Called at each look with the tasks and the peak of memory in MB."""

    def tell(self, text: str) -> None:
        """Called with a sentence when something is worth knowing; no sentence twice in a row."""


@dataclass(frozen=True)
class Pace:
    """Times of following a run, in seconds."""

    interval: float = INTERVAL
    limit: float = LIMIT
    hold: float = HOLD
    patience: float = PATIENCE


@dataclass
class Outcome:
    """How a run ended; memory in MB is the peak over all services and what they started."""

    dag_id: str
    run_id: str
    url: str
    state: str = "queued"
    seconds: float = 0.0
    peak_memory_mb: int = 0
    tasks: list[TaskState] = field(default_factory=list)

    @property
    def failed(self) -> list[TaskState]:
        """Tasks that failed themselves, not because of another."""
        return [task for task in self.tasks if task.state == "failed"]


def require_quiet(lab: Lab, project: Project) -> None:
    """Refuse to go on while a run of the project writes its tables.

    Raises:
        LabError: a DAG of the project runs; the message names the run, the remedy its page.

    """
    with AirflowClient(lab) as airflow:
        for dag in project.dags:
            for run in airflow.unfinished(dag.dag_id):
                if run.state == "running":
                    raise LabError(
                        f"the run {run.run_id} of {dag.dag_id} may write the tables that would be emptied",
                        remedy=f"Wait for it, or mark it as failed: {airflow.url(dag.dag_id, run.run_id)}",
                    )


def prepare_input(lab: Lab, project: Project, folder: Path | None, *, days: int, seed: int) -> Path:
    """Return a folder that the lab's user can read: the one given, a copy of it, or a generated one.

    Raises:
        InputError: the folder given is absent.

    """
    if folder is None:
        return _generated(lab, project, days=days, seed=seed)
    folder = folder.resolve()
    if not folder.is_dir():
        raise InputError(f"the input folder {folder} does not exist", remedy="Name a folder with input files")
    if _readable_by_others(folder) or os.geteuid() != 0:
        return folder
    staged = lab.path("input") / f"staged-{folder.parent.name}-{folder.name}"
    shutil.copytree(folder, staged, dirs_exist_ok=True)
    record.hand_over(lab, staged)
    return staged


def _generated(lab: Lab, project: Project, *, days: int, seed: int) -> Path:
    folder = lab.path("input") / f"{project.slug}-{days}-days-seed-{seed}"
    if not (folder / "truth.json").exists():
        shutil.rmtree(folder, ignore_errors=True)
        if project.slug in GENERATORS:
            generate_elsewhere(project.slug, folder, days=days, seed=seed, poison_day=None)
        else:
            # The generator of a project is its module `generator`.
            importlib.import_module(f"quintet.{project.slug}.generator").generate(folder, days=days, seed=seed)
        record.hand_over(lab, folder)
    return folder


def _readable_by_others(folder: Path) -> bool:
    passable = all(parent.stat().st_mode & stat.S_IXOTH for parent in [folder, *folder.parents])
    files = [path for path in folder.rglob("*") if path.is_file()]
    return passable and all(path.stat().st_mode & stat.S_IROTH for path in files)


def reset_project(lab: Lab, project: Project) -> None:
    """Empty a project: gold is dropped through Trino, Delta tables are made anew; its module `reset` does the rest."""
    if any(table.writer is not Writer.FLINK for table in project.tables):
        run_module(lab, "spark", "quintet.lake.reset", project.slug)
    if find_spec(f"quintet.{project.slug}.reset") is not None:
        importlib.import_module(f"quintet.{project.slug}.reset").reset(lab)


def start_and_follow(
    lab: Lab, dag_id: str, parameters: dict[str, Any], follow: Follower, *, approve: bool, pace: Pace | None = None
) -> Outcome:
    """Trigger a DAG and look at it until its end, or until the limit: then the outcome's state is not a final one.

    Raises:
        ServiceDownError: Airflow does not answer, at the start or for longer than our patience.

    """
    with AirflowClient(lab) as airflow:
        return _Watch(lab, airflow, follow, approve=approve, pace=pace or Pace()).run(dag_id, parameters)


class _Watch:
    def __init__(self, lab: Lab, airflow: AirflowClient, follow: Follower, *, approve: bool, pace: Pace) -> None:
        self._lab, self._airflow, self._follow, self._approve, self._pace = lab, airflow, follow, approve, pace
        self._told = ""

    def run(self, dag_id: str, parameters: dict[str, Any]) -> Outcome:
        begun = answered = moved = time.monotonic()
        run_id = self._airflow.trigger(dag_id, parameters)
        outcome = Outcome(dag_id, run_id, self._airflow.url(dag_id, run_id))
        self._tell(f"run {run_id}: {outcome.url}")
        while outcome.state not in FINISHED and outcome.seconds <= self._pace.limit:
            before = (outcome.state, outcome.tasks)
            try:
                self._look(outcome)
                answered = time.monotonic()
                if before != (outcome.state, outcome.tasks):
                    moved = answered
                elif answered - moved >= self._pace.hold:
                    moved = answered  # the reason may change: look for it again after the same time
                    self._explain(outcome)
            except ServiceDownError as error:
                if time.monotonic() - answered > self._pace.patience:
                    raise
                self._tell(f"{error.message}; asking again for {self._pace.patience:.0f} s")
            outcome.seconds = time.monotonic() - begun
            if outcome.state not in FINISHED:
                time.sleep(self._pace.interval)
        return outcome

    def _look(self, outcome: Outcome) -> None:
        # The state first: the tasks of a run that has ended are then those of its end.
        state = self._airflow.state(outcome.dag_id, outcome.run_id)
        outcome.tasks = self._airflow.tasks(outcome.dag_id, outcome.run_id)
        outcome.state = state
        outcome.peak_memory_mb = max(outcome.peak_memory_mb, _memory(self._lab))
        self._follow.look(outcome.tasks, outcome.peak_memory_mb)
        if self._approve:
            for task in filter(hold.is_approval, outcome.tasks):
                self._airflow.approve(outcome.dag_id, outcome.run_id, task)

    def _explain(self, outcome: Outcome) -> None:
        text = hold.reason(self._airflow, outcome.dag_id, outcome.run_id, outcome.state, outcome.tasks)
        if text:
            self._tell(text)

    def _tell(self, text: str) -> None:
        if text != self._told:
            self._follow.tell(text)
        self._told = text


def _memory(lab: Lab) -> int:
    try:
        return tree_memory_mb(process.pid for process in service_manager(lab).processes().values() if process.pid)
    except QuintetError:
        return 0
