"""The parts of Airflow's REST API that a run needs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx

from quintet.errors import LabError, ServiceDownError
from quintet.httpdoor import HttpDoor
from quintet.settings import Lab

__all__ = ["AirflowClient", "RunState", "TaskState"]

#: Seconds for one answer.
TIMEOUT = 30.0
#: Airflow gives no more rows at once, whatever is asked (its `maximum_page_limit`).
PAGE = 100


@dataclass(frozen=True)
class TaskState:
    """State of one task instance; `seconds` is None before its end."""

    task_id: str
    map_index: int
    state: str | None
    try_number: int
    seconds: float | None
    operator: str | None


@dataclass(frozen=True)
class RunState:
    """State of one run of a DAG; times are ISO 8601 in UTC, `started` is None while it is queued."""

    run_id: str
    state: str
    started: str | None


class AirflowClient(HttpDoor):
    """Airflow as its administrator; the password is read from the secrets file for each token.

    Every method raises ServiceDownError when Airflow does not answer, and LabError when it refuses.
    """

    service = "Airflow"

    def __init__(self, lab: Lab, *, timeout: float = TIMEOUT) -> None:
        self._lab = lab
        super().__init__(lab.endpoint("airflow").url, timeout=timeout)

    def _request(self, method: str, path: str, **options: Any) -> Any:
        answer = self._answer(method, path, **options)
        if answer.is_error:
            raise _refusal(method, path, answer)
        return self._content(answer)

    def _answer(self, method: str, path: str, **options: Any) -> httpx.Response:
        if "Authorization" not in self._client.headers:
            self._login()
        answer = self._send(method, f"/api/v2{path}", **options)
        if answer.status_code == httpx.codes.UNAUTHORIZED:  # the token ran out
            self._login()
            answer = self._send(method, f"/api/v2{path}", **options)
        return answer

    def _login(self) -> None:
        body = {"username": "admin", "password": self._lab.secret("airflow_admin")}
        answer = self._send("POST", "/auth/token", json=body)
        if answer.is_error:
            raise LabError(
                f"Airflow refused the administrator's password ({answer.status_code})", remedy="Run: make install"
            )
        self._client.headers["Authorization"] = f"Bearer {self._content(answer)['access_token']}"

    def _content(self, answer: httpx.Response) -> Any:
        try:
            return answer.json()
        except ValueError as error:
            raise LabError(
                f"what answers at {self._url} is not Airflow: {answer.text[:100]!r}",
                remedy="Does another program hold the port? Run: quintet doctor",
            ) from error

    def _rows(self, path: str, name: str, **parameters: Any) -> list[dict[str, Any]]:
        """All rows of a list, page by page."""
        rows: list[dict[str, Any]] = []
        while True:
            page = self._request("GET", path, params={**parameters, "limit": PAGE, "offset": len(rows)})
            rows += page[name]
            if not page[name] or len(rows) >= page["total_entries"]:
                return rows

    def url(self, dag_id: str, run_id: str) -> str:
        """Page of a run."""
        return f"{self._url}/dags/{dag_id}/runs/{quote(run_id, safe='')}"

    def trigger(self, dag_id: str, parameters: Mapping[str, Any]) -> str:
        """Start a run, switching the DAG on when it is paused; returns the run's id."""
        self._request("PATCH", f"/dags/{dag_id}", json={"is_paused": False})
        run = self._request("POST", f"/dags/{dag_id}/dagRuns", json={"logical_date": None, "conf": dict(parameters)})
        return str(run["dag_run_id"])

    def state(self, dag_id: str, run_id: str) -> str:
        """State of a run: queued, running, success or failed."""
        return str(self._request("GET", _run(dag_id, run_id))["state"])

    def unfinished(self, dag_id: str) -> list[RunState]:
        """Runs of a DAG that are running or queued, oldest first."""
        rows = self._rows(f"/dags/{dag_id}/dagRuns", "dag_runs", state=["running", "queued"], order_by="run_after")
        return [RunState(row["dag_run_id"], row["state"], row["start_date"]) for row in rows]

    def tasks(self, dag_id: str, run_id: str) -> list[TaskState]:
        """State of every task instance of a run."""
        rows = self._rows(f"{_run(dag_id, run_id)}/taskInstances", "task_instances", order_by="id")
        return [
            TaskState(
                task_id=row["task_id"],
                map_index=row["map_index"],
                state=row["state"],
                try_number=row["try_number"],
                seconds=row["duration"],
                operator=row.get("operator"),
            )
            for row in rows
        ]

    def last_lines(self, dag_id: str, run_id: str, task: TaskState, count: int = 12) -> list[str]:
        """Last lines of a task's log that carry a message."""
        answer = self._request(
            "GET",
            f"{_run(dag_id, run_id)}/taskInstances/{task.task_id}/logs/{max(task.try_number, 1)}",
            params={"map_index": task.map_index, "full_content": "true"},
            headers={"Accept": "application/json"},
        )
        content = answer.get("content", [])
        lines = content.splitlines() if isinstance(content, str) else [_line(entry) for entry in content]
        return [line for line in lines if line.strip() and not re.match(r"^::(end)?group", line)][-count:]

    def approve(self, dag_id: str, run_id: str, task: TaskState) -> bool:
        """Answer a waiting approval with yes; False when it does not wait (not yet, or somebody was faster)."""
        path = f"{_run(dag_id, run_id)}/taskInstances/{task.task_id}/{task.map_index}/hitlDetails"
        answer = self._answer("PATCH", path, json={"chosen_options": ["Approve"], "params_input": {}})
        if answer.status_code in {httpx.codes.NOT_FOUND, httpx.codes.CONFLICT}:
            return False
        if answer.is_error:
            raise _refusal("PATCH", path, answer)
        return True


def _run(dag_id: str, run_id: str) -> str:
    # The id of a run holds a time with a plus sign.
    return f"/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}"


def _refusal(method: str, path: str, answer: httpx.Response) -> LabError:
    try:
        detail = str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        detail = answer.text
    # Its database may be starting again.
    kind = ServiceDownError if answer.status_code == httpx.codes.INTERNAL_SERVER_ERROR else LabError
    return kind(
        f"Airflow refused {method} {path}: {answer.status_code} {detail[:500]}",
        remedy=_REMEDIES.get(answer.status_code, ""),
    )


_REMEDIES = {
    httpx.codes.NOT_FOUND: "Is the DAG deployed? Run: make deploy",
    httpx.codes.INTERNAL_SERVER_ERROR: "Read: quintet logs airflow-api-server",
}


def _line(entry: Any) -> str:
    if isinstance(entry, str):
        return entry
    details = "; ".join(
        f"{part.get('exc_type')}: {part.get('exc_value')}" for part in entry.get("error_detail") or [] if part
    )
    return " ".join(part for part in (str(entry.get("event", "")), details) if part)
