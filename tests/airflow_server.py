"""A small server that speaks the part of Airflow 3.3's REST API that the command uses, for tests of its client.

A run moves through a script: each look at its state goes one step further, the last step stays. The paths and the
fields of the answers are compared with Airflow's own description in tests/airflow/test_rest_interface.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from serving import JsonHandler, serving

PASSWORD = "correct-horse"
RUN_ID = "manual__2026-11-21T07:00:00.000001+00:00"
#: Airflow's own ceiling of rows in one answer.
PAGE = 100

HEALTHY = {
    "metadatabase": {"status": "healthy"},
    "scheduler": {"status": "healthy", "latest_scheduler_heartbeat": "2026-11-21T07:00:00Z"},
    "triggerer": {"status": "healthy", "latest_triggerer_heartbeat": "2026-11-21T07:00:00Z"},
    "dag_processor": {"status": "healthy", "latest_dag_processor_heartbeat": "2026-11-21T07:00:00Z"},
}


def task(task_id: str, state: str | None, **more: Any) -> dict[str, Any]:
    """A task instance as Airflow gives it, as far as it is read."""
    row = {"task_id": task_id, "map_index": -1, "state": state, "try_number": 1, "duration": None, "operator": None}
    return {**row, **more}


def dag_run(run_id: str, state: str, started: str | None = None) -> dict[str, Any]:
    """A run of a DAG as Airflow gives it, as far as it is read."""
    return {"dag_run_id": run_id, "state": state, "start_date": started}


@dataclass(frozen=True)
class Step:
    """The run at one look; a `status` other than 200 is answered instead of the run.

    A step that waits stays until an approval is answered.
    """

    state: str
    tasks: Sequence[Mapping[str, Any]] = ()
    status: int = 200
    waits: bool = False


@dataclass
class AirflowServer:
    """What the server answers, and what it was asked: (method, path, body)."""

    port: int
    script: list[Step] = field(default_factory=lambda: [Step("success")])
    earlier: list[dict[str, Any]] = field(default_factory=list)
    earlier_tasks: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    logs: dict[str, list[Any]] = field(default_factory=dict)
    health: Any = field(default_factory=lambda: dict(HEALTHY))
    #: What the last look showed; its tasks are answered.
    shown: Step | None = None
    #: The answer to an approval; 200 moves the script on.
    approval: int = 200
    tokens: int = 0
    #: Tokens with a number up to this are refused, as if they had run out.
    expired: int = 0
    asked: list[tuple[str, str, Any]] = field(default_factory=list)

    def paths(self, method: str) -> list[str]:
        return [path for verb, path, _ in self.asked if verb == method]

    @property
    def step(self) -> Step:
        return self.shown or self.script[0]

    def answer(self, method: str, path: str, query: Mapping[str, list[str]], body: Any) -> tuple[int, Any]:
        for verb, pattern, reply in ROUTES:
            match = re.fullmatch(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", pattern), path)
            if verb == method and match:
                parts = {name: unquote(value) for name, value in match.groupdict().items()}
                status, content = reply(self, parts, query, body)
                return status, content
        return 404, {"detail": f"no such path: {path}"}

    def token(self, _parts: Any, _query: Any, body: Any) -> tuple[int, Any]:
        if body != {"username": "admin", "password": PASSWORD}:
            return 401, {"detail": "Invalid credentials"}
        self.tokens += 1
        return 201, {"access_token": f"token-{self.tokens}"}

    def dag(self, parts: Mapping[str, str], _query: Any, body: Any) -> tuple[int, Any]:
        if parts["dag_id"] == "absent":
            return 404, {"detail": "The DAG with ID: `absent` was not found"}
        return 200, {"dag_id": parts["dag_id"], "is_paused": body["is_paused"]}

    def begin(self, _parts: Any, _query: Any, _body: Any) -> tuple[int, Any]:
        return 200, dag_run(RUN_ID, "queued")

    def runs(self, _parts: Any, query: Mapping[str, list[str]], _body: Any) -> tuple[int, Any]:
        rows = [row for row in [*self.earlier, dag_run(RUN_ID, self.step.state)] if row["state"] in query["state"]]
        return 200, _page(rows, "dag_runs", query)

    def run(self, parts: Mapping[str, str], _query: Any, _body: Any) -> tuple[int, Any]:
        if parts["dag_run_id"] != RUN_ID:
            return 404, {"detail": f"The DagRun with run_id: `{parts['dag_run_id']}` was not found"}
        self.shown = seen = self.script[0]
        if len(self.script) > 1 and not seen.waits:
            self.script.pop(0)
        return (200, dag_run(RUN_ID, seen.state)) if seen.status == 200 else (seen.status, {"detail": "out of order"})

    def tasks(self, parts: Mapping[str, str], query: Mapping[str, list[str]], _body: Any) -> tuple[int, Any]:
        rows = self.earlier_tasks.get(parts["dag_run_id"], list(self.step.tasks))
        return 200, _page(rows, "task_instances", query)

    def log(self, parts: Mapping[str, str], _query: Any, _body: Any) -> tuple[int, Any]:
        return 200, {"content": self.logs.get(parts["task_id"], []), "continuation_token": None}

    def approve(self, _parts: Any, _query: Any, body: Any) -> tuple[int, Any]:
        if self.approval != 200:
            return self.approval, {"detail": "has already been updated"}
        self.script.pop(0)
        return 200, {"responded_by": None, "responded_at": "2026-11-21T07:00:00Z", **body}

    def monitor(self, _parts: Any, _query: Any, _body: Any) -> tuple[int, Any]:
        return 200, self.health


_DAG = "/api/v2/dags/{dag_id}"
_RUN = _DAG + "/dagRuns/{dag_run_id}"
_TASK = _RUN + "/taskInstances/{task_id}"
ROUTES = (
    ("POST", "/auth/token", AirflowServer.token),
    ("GET", "/api/v2/monitor/health", AirflowServer.monitor),
    ("PATCH", _DAG, AirflowServer.dag),
    ("POST", _DAG + "/dagRuns", AirflowServer.begin),
    ("GET", _DAG + "/dagRuns", AirflowServer.runs),
    ("GET", _RUN, AirflowServer.run),
    ("GET", _RUN + "/taskInstances", AirflowServer.tasks),
    ("GET", _TASK + "/logs/{try_number}", AirflowServer.log),
    ("PATCH", _TASK + "/{map_index}/hitlDetails", AirflowServer.approve),
)
#: Asked without a token.
OPEN = {"/auth/token", "/api/v2/monitor/health"}


@contextmanager
def airflow_server() -> Iterator[AirflowServer]:
    """Serve on a free port of the loopback address until the block is left."""
    state = AirflowServer(port=0)

    class Handler(JsonHandler):
        def _serve(self) -> None:
            url = urlsplit(self.path)
            text = self.given()
            body = json.loads(text) if text else None
            state.asked.append((self.command, unquote(url.path), body))
            token = int((self.headers.get("Authorization") or "-0").rpartition("-")[2])
            if url.path not in OPEN and token <= state.expired:
                status, content = 401, {"detail": "Not authenticated"}
            else:
                status, content = state.answer(self.command, url.path, parse_qs(url.query), body)
            self.say(status, content)

        do_GET = do_POST = do_PATCH = _serve

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.port = server.server_address[1]
    with serving(server):
        yield state


def _page(rows: Sequence[Mapping[str, Any]], name: str, query: Mapping[str, list[str]]) -> dict[str, Any]:
    limit, offset = int(query.get("limit", ["50"])[0]), int(query.get("offset", ["0"])[0])
    return {name: rows[offset : offset + min(limit, PAGE)], "total_entries": len(rows)}
