"""The running lab that a benchmark measures."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from measuring import skip, tidy_end

from quintet.catalogue import PROJECTS
from quintet.errors import QuintetError
from quintet.health.supervision import service_manager
from quintet.runs.run import require_quiet
from quintet.settings import Lab, lab_path, read_lab

T = TypeVar("T")


class NotThereError(Exception):
    """There is nothing to measure; the message says why and what to do."""


def running_lab() -> Lab:
    """The lab of this machine (QUINTET_HOME, QUINTET_LAB), when all its services run and no DAG of a project does.

    Raises:
        NotThereError: there is no lab, it is stopped or busy, or this user may not use it.

    """
    try:
        lab = read_lab(lab_path())
        lab.secret("airflow_admin")
        found = service_manager(lab).processes()
        stopped = [entry.name for entry in lab.services if entry.name not in found or not found[entry.name].is_running]
        if stopped:
            raise NotThereError(f"the lab does not run ({', '.join(stopped)}). Run: make start")
        for project in PROJECTS:
            require_quiet(lab, project)
    except QuintetError as error:
        raise NotThereError(f"no running lab to measure: {error.message}. {error.remedy}") from None
    return lab


def on_lab(find: Callable[[], T], measure: Callable[[T], int]) -> int:
    """Measure what is found; the exit code. What is not there is skipped, with the reason."""
    try:
        found = find()
    except NotThereError as error:
        return skip(str(error))
    with tidy_end():
        return measure(found)
