"""The parts of Airflow's REST API that a run needs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from quintet.errors import LabError, ServiceDownError
from quintet.settings import Lab

__all__ = ["AirflowClient", "TaskState"]

TIMEOUT = 30.0


@dataclass(frozen=True)
class TaskState:
    """State of one task instance; `seconds` is None before its end."""

    task_id: str
    map_index: int
    state: str | None
    try_number: int
    seconds: float | None
    operator: str | None


class AirflowClient:
    """Airflow as its administrator; the password is read from the secrets file for each token."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._base = lab.endpoint("airflow").url
        self._client = httpx.Client(base_url=self._base, timeout=TIMEOUT, trust_env=False)

    def _request(self, method: str, path: str, **options: Any) -> Any:
        if "Authorization" not in self._client.headers:
            self._login()
        try:
            answer = self._client.request(method, f"/api/v2{path}", **options)
            if answer.status_code == httpx.codes.UNAUTHORIZED:  # the token ran out
                self._login()
                answer = self._client.request(method, f"/api/v2{path}", **options)
        except httpx.HTTPError as error:
            raise self._down(error) from error
        if answer.is_error:
            raise LabError(f"Airflow refused {method} {path}: {answer.status_code} {answer.text[:500]}")
        return answer.json() if answer.content else None

    def _login(self) -> None:
        body = {"username": "admin", "password": self._lab.secret("airflow_admin")}
        try:
            answer = self._client.post("/auth/token", json=body)
        except httpx.HTTPError as error:
            raise self._down(error) from error
        if answer.is_error:
            raise LabError(
                f"Airflow refused the administrator's password ({answer.status_code})", remedy="Run: make install"
            )
        self._client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def _down(self, error: Exception) -> ServiceDownError:
        return ServiceDownError(f"Airflow does not answer at {self._base} ({error})", remedy="Run: quintet doctor")

    def trigger(self, dag_id: str, parameters: Mapping[str, Any]) -> str:
        """Start a run, switching the DAG on when it is paused; returns the run's id."""
        self._request("PATCH", f"/dags/{dag_id}", json={"is_paused": False})
        run = self._request("POST", f"/dags/{dag_id}/dagRuns", json={"logical_date": None, "conf": dict(parameters)})
        return str(run["dag_run_id"])

    def state(self, dag_id: str, run_id: str) -> str:
        """State of a run: queued, running, success or failed."""
        return str(self._request("GET", f"/dags/{dag_id}/dagRuns/{run_id}")["state"])

    def tasks(self, dag_id: str, run_id: str) -> list[TaskState]:
        """State of every task instance of a run."""
        rows = self._request("GET", f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances", params={"limit": 1000})
        return [
            TaskState(
                task_id=row["task_id"],
                map_index=row["map_index"],
                state=row["state"],
                try_number=row["try_number"],
                seconds=row["duration"],
                operator=row.get("operator"),
            )
            for row in rows["task_instances"]
        ]

    def last_lines(self, dag_id: str, run_id: str, task: TaskState, count: int = 12) -> list[str]:
        """Last lines of a task's log that carry a message."""
        answer = self._request(
            "GET",
            f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task.task_id}/logs/{max(task.try_number, 1)}",
            params={"map_index": task.map_index, "full_content": "true"},
            headers={"Accept": "application/json"},
        )
        content = answer.get("content", [])
        lines = content.splitlines() if isinstance(content, str) else [_line(entry) for entry in content]
        return [line for line in lines if line.strip() and not re.match(r"^::(end)?group", line)][-count:]

    def approve(self, dag_id: str, run_id: str, task: TaskState) -> None:
        """Answer a waiting approval with yes."""
        self._request(
            "PATCH",
            f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task.task_id}/{task.map_index}/hitlDetails",
            json={"chosen_options": ["Approve"], "params_input": {}},
        )


def _line(entry: Any) -> str:
    if isinstance(entry, str):
        return entry
    details = "; ".join(
        f"{part.get('exc_type')}: {part.get('exc_value')}" for part in entry.get("error_detail") or [] if part
    )
    return " ".join(part for part in (str(entry.get("event", "")), details) if part)
