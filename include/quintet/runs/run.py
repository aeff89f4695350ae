"""One run of a project: input, Airflow, progress, memory, results, record."""

from __future__ import annotations

import os
import shutil
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from quintet.catalogue import Project
from quintet.errors import InputError, LabError, QuintetError
from quintet.health.memory import tree_memory_mb
from quintet.health.supervision import Supervisor
from quintet.runs import record
from quintet.runs.airflow import AirflowClient, TaskState
from quintet.runs.programs import run_module
from quintet.settings import Lab

__all__ = ["FINISHED", "Follower", "Outcome", "prepare_input", "require_profiles", "reset_project", "start_and_follow"]

FINISHED = frozenset({"success", "failed"})
#: Seconds between two looks at a run.
INTERVAL = 2.0
#: A run that has not ended after this many seconds is left to Airflow.
LIMIT = 3 * 3600

Follower = Callable[[list[TaskState], int], None]


@dataclass
class Outcome:
    """How a run ended; memory in MB is the peak over all services and what they started."""

    dag_id: str
    run_id: str
    state: str
    seconds: float
    peak_memory_mb: int
    tasks: list[TaskState] = field(default_factory=list)

    @property
    def failed(self) -> list[TaskState]:
        """Tasks that failed themselves, not because of another."""
        return [task for task in self.tasks if task.state == "failed"]


def require_profiles(lab: Lab, project: Project) -> None:
    """Refuse a project whose profiles are not installed, with the command that installs them."""
    missing = [name for name in project.profiles if name not in lab.profiles]
    if missing:
        raise LabError(
            f"project {project.slug} needs the profiles {', '.join(missing)}",
            remedy=f"Run: make install PROFILES={','.join((*lab.profiles, *missing))}",
        )


def prepare_input(lab: Lab, project: Project, folder: Path | None, *, days: int, seed: int) -> Path:
    """Return a folder that the lab's user can read: the one given, a copy of it, or a generated one.

    Raises:
        InputError: the folder given is absent or holds no CSV file.

    """
    if folder is None:
        return _generated(lab, project, days=days, seed=seed)
    folder = folder.resolve()
    if not folder.is_dir():
        raise InputError(f"the input folder {folder} does not exist", remedy="Name a folder with CSV files")
    if _readable_by_others(folder) or os.geteuid() != 0:
        return folder
    staged = lab.path("input") / f"staged-{folder.parent.name}-{folder.name}"
    shutil.copytree(folder, staged, dirs_exist_ok=True)
    record.hand_over(lab, staged)
    return staged


def _generated(lab: Lab, project: Project, *, days: int, seed: int) -> Path:
    # The generator of a project is its module `generator`; there is one project so far.
    from quintet.lakehouse.generator import generate

    folder = lab.path("input") / f"{project.slug}-{days}-days-seed-{seed}"
    if not (folder / "truth.json").exists():
        shutil.rmtree(folder, ignore_errors=True)
        generate(folder, days=days, seed=seed)
        record.hand_over(lab, folder)
    return folder


def _readable_by_others(folder: Path) -> bool:
    passable = all(parent.stat().st_mode & stat.S_IXOTH for parent in [folder, *folder.parents])
    files = [path for path in folder.rglob("*") if path.is_file()]
    return passable and all(path.stat().st_mode & stat.S_IROTH for path in files)


def reset_project(lab: Lab, project: Project) -> None:
    """Empty every table of a project: gold is dropped through Trino, Delta tables are made anew."""
    run_module(lab, "spark", "quintet.lake.reset", project.slug)


def start_and_follow(lab: Lab, dag_id: str, parameters: dict[str, Any], follow: Follower, *, approve: bool) -> Outcome:
    """Trigger a DAG and look at it until its end, telling `follow` the tasks and the memory in MB at each look."""
    airflow = AirflowClient(lab)
    begun = time.monotonic()
    run_id = airflow.trigger(dag_id, parameters)
    peak = 0
    approved: set[str] = set()
    while True:
        state = airflow.state(dag_id, run_id)
        tasks = airflow.tasks(dag_id, run_id)
        peak = max(peak, _memory(lab))
        follow(tasks, peak)
        for task in tasks:
            if (
                approve
                and task.state in {"deferred", "awaiting_input"}
                and "approve" in task.task_id
                and task.task_id not in approved
            ):
                airflow.approve(dag_id, run_id, task)
                approved.add(task.task_id)
        seconds = time.monotonic() - begun
        if state in FINISHED or seconds > LIMIT:
            return Outcome(dag_id, run_id, state, seconds, peak, tasks)
        time.sleep(INTERVAL)


def _memory(lab: Lab) -> int:
    try:
        return tree_memory_mb(process.pid for process in Supervisor(lab).processes().values() if process.pid)
    except QuintetError:
        return 0
