"""DAG files that are in the running lab for the time of a benchmark, and what Airflow tells of their runs.

They are put beside the deployed DAGs and taken away with all that Airflow keeps of them: runs, task instances, code,
logs. Only Airflow's audit log still says that there was somebody.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
from measuring import progress

from quintet.errors import LabError
from quintet.runs.airflow import AirflowClient
from quintet.runs.record import hand_over
from quintet.runs.run import FINISHED
from quintet.settings import Lab

#: Seconds: Airflow looks for new files every quarter of a minute, and parses them on a busy machine.
DEPLOYED_WITHIN = 120.0
REMOVED_WITHIN = 60.0


class Airflow(AirflowClient):
    """What a benchmark asks beside what a run needs."""

    def dag(self, dag_id: str) -> dict[str, Any] | None:
        """Airflow's row of a DAG; None: it knows none."""
        answer = self._answer("GET", f"/dags/{dag_id}")
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def unpause(self, dag_id: str) -> None:
        self._request("PATCH", f"/dags/{dag_id}", json={"is_paused": False})

    def start(self, dag_id: str) -> str:
        """Start a run of a DAG that is switched on."""
        run = self._request("POST", f"/dags/{dag_id}/dagRuns", json={"logical_date": None})
        return str(run["dag_run_id"])

    def instances(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Airflow's rows of the task instances of a run."""
        return self._rows(f"{_run(dag_id, run_id)}/taskInstances", "task_instances", order_by="id")

    def returned(self, dag_id: str, run_id: str, task_id: str) -> Any:
        """What a task returned."""
        path = f"{_run(dag_id, run_id)}/taskInstances/{task_id}/xcomEntries/return_value"
        return self._request("GET", path)["value"]

    def end_runs(self, dag_id: str) -> None:
        """Mark what still runs as failed; Airflow then ends the tasks."""
        for run in self.unfinished(dag_id):
            self._request("PATCH", _run(dag_id, run.run_id), json={"state": "failed"})

    def delete(self, dag_id: str) -> bool:
        """Delete a DAG with everything of it; False: a task of it still runs."""
        answer = self._answer("DELETE", f"/dags/{dag_id}")
        if answer.status_code not in {httpx.codes.NO_CONTENT, httpx.codes.OK, httpx.codes.NOT_FOUND}:
            if answer.status_code == httpx.codes.CONFLICT:
                return False
            answer.raise_for_status()
        return True

    def wait_for_end(self, dag_id: str, run_id: str, *, every: float, within: float) -> None:
        """Wait until a run has succeeded. Raises LabError when it fails or does not end."""
        if not until(lambda: self.state(dag_id, run_id) in FINISHED, every=every, within=within):
            raise LabError(f"a run of {dag_id} has not ended within {within:.0f} s", remedy="Run: quintet doctor")
        state = self.state(dag_id, run_id)
        if state != "success":
            raise LabError(f"a run of {dag_id} ended as {state}", remedy="Run: quintet doctor")


def until(condition: Callable[[], bool], *, every: float, within: float) -> bool:
    """Ask again and again; False: it did not come true in time (seconds)."""
    end = time.monotonic() + within
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(every)
    return True


def moment(text: str) -> float:
    """Seconds since the epoch of a time of Airflow's."""
    return datetime.fromisoformat(text).timestamp()


@contextmanager
def deployed(lab: Lab, airflow: Airflow, files: Sequence[Path]) -> Iterator[float]:
    """Put DAG files in the lab and wait until Airflow has them; gives the seconds that took."""
    folder = (lab.path("app") / "dags").resolve()
    remove(lab, airflow, folder, files)  # of an earlier benchmark that was killed
    start = time.perf_counter()
    try:
        for file in files:
            target = folder / file.name
            shutil.copyfile(file, target)
            target.chmod(0o644)
            hand_over(lab, target)
        if not until(lambda: all(_is_live(airflow, file.stem) for file in files), every=1, within=DEPLOYED_WITHIN):
            raise LabError(
                f"Airflow has not found the benchmark's DAGs within {DEPLOYED_WITHIN:.0f} s",
                remedy="Read: quintet logs airflow-dag-processor",
            )
        took = time.perf_counter() - start
        for file in files:
            airflow.unpause(file.stem)
        yield took
    finally:
        progress("taking the benchmark's DAGs away")
        remove(lab, airflow, folder, files)


def remove(lab: Lab, airflow: Airflow, folder: Path, files: Sequence[Path]) -> None:
    """Take away files, rows and logs. Raises LabError when Airflow keeps a DAG."""
    for file in files:
        (folder / file.name).unlink(missing_ok=True)
        for compiled in (folder / "__pycache__").glob(f"{file.stem}.*"):
            compiled.unlink()
    known = [file.stem for file in files if airflow.dag(file.stem)]
    for dag_id in known:
        airflow.end_runs(dag_id)
    # Deleted before the DAG processor has missed the file, a DAG may come back.
    until(lambda: not any(_is_live(airflow, dag_id) for dag_id in known), every=1, within=REMOVED_WITHIN)
    for dag_id in known:
        if not until(lambda dag_id=dag_id: airflow.delete(dag_id), every=2, within=REMOVED_WITHIN):  # type: ignore[misc]
            raise LabError(f"Airflow keeps the DAG {dag_id}", remedy="Delete it on its page in Airflow")
    for file in files:
        logs = lab.path("logs") / "airflow"
        shutil.rmtree(logs / f"dag_id={file.stem}", ignore_errors=True)
        for log in (logs / "dag_processor").rglob(f"*{file.name}*"):
            log.unlink(missing_ok=True)


def _run(dag_id: str, run_id: str) -> str:
    # The id of a run holds a time with a plus sign.
    return f"/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}"


def _is_live(airflow: Airflow, dag_id: str) -> bool:
    found = airflow.dag(dag_id)
    return found is not None and not found["is_stale"]
