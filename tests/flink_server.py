"""A small server that speaks the parts of Flink's REST door and of its SQL gateway that deployments use.

Jobs are as the test says: what becomes of a submission, which checkpoints it has, how a savepoint ends. Paths, fields
and error texts are those that Flink 2.1.3 gave; the lab's tests run the same programs against Flink itself.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from serving import JsonHandler, serving

JOB_ID = "$internal.pipeline.job-id"
FROM = "execution.state-recovery.path"
RESTORE_FAILED = (
    "<Exception on server side:\norg.apache.flink.table.gateway.service.SqlExecutionException: Failed to execute\n"
    "\tat org.apache.flink.table.gateway.service.OperationManager.run(OperationManager.java:1)\n"
    "Caused by: org.apache.flink.runtime.client.JobInitializationException: Could not start the JobManager.\n"
    "\tat java.base/java.lang.Thread.run(Unknown Source)\n"
    "Caused by: java.lang.IllegalStateException: Failed to rollback to checkpoint/savepoint. Cannot map state of "
    "operator 7 to the new program\n\tat org.apache.flink.runtime.checkpoint.Checkpoints.load(Checkpoints.java:2)\n"
    "\t... 3 more\nEnd of exception on server side>"
)
REFUSED = (
    "org.apache.flink.table.gateway.api.utils.SqlGatewayException: Failed to fetchResults.\n\tat a.B.c(B.java:1)\n"
    "Caused by: org.apache.flink.table.api.ValidationException: SQL validation failed.\n\tat a.B.d(B.java:2)\n"
    "Caused by: org.apache.calcite.sql.validate.SqlValidatorException: Column 'nothing' not found in any table\n"
    "\tat a.B.e(B.java:3)\n"
)


@dataclass
class Job:
    """One job of the cluster."""

    name: str
    state: str = "RUNNING"
    completed: int = 1
    restarts: int = 0
    failures: list[str] = field(default_factory=list)
    #: Newest first: COMPLETED, FAILED, IN_PROGRESS.
    history: list[str] = field(default_factory=lambda: ["COMPLETED"])
    checkpoint_age_s: float = 2.0
    back_pressure: float = 0.0
    pending: float | None = 0.0
    properties: Mapping[str, str] = field(default_factory=dict)
    #: What the next savepoint says instead of its path.
    savepoint_error: str = ""


@dataclass
class FlinkServer:
    """What the cluster has, and what it was asked."""

    port: int
    #: Gives the job that a submission becomes, or the error text of one that is refused.
    on_submit: Callable[[Mapping[str, str], str], Job | str] = lambda properties, statement: Job(
        properties["pipeline.name"], properties=properties
    )
    #: Gives the nodes of the plan of a statement.
    plan: Callable[[str], list[dict[str, Any]]] = lambda statement: [
        node(1, "Source: numbers", "a"),
        node(2, "Sink", "b", 1),
    ]
    jobs: dict[str, Job] = field(default_factory=dict)
    submitted: list[Mapping[str, str]] = field(default_factory=list)
    statements: list[str] = field(default_factory=list)
    asked: list[tuple[str, str, Any]] = field(default_factory=list)
    savepoints: dict[str, tuple[str, str]] = field(default_factory=dict)
    sessions: dict[str, Mapping[str, str]] = field(default_factory=dict)
    closed: int = 0
    down: bool = False
    #: Savepoints stay in progress for so many questions.
    slow: int = 0
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)

    def restart(self) -> None:
        """A JobManager that was killed knows nothing any more."""
        self.jobs.clear()
        self.savepoints.clear()

    def running(self, name: str) -> list[Job]:
        return [job for job in self.jobs.values() if job.name == name and job.state == "RUNNING"]

    def answer(self, method: str, target: str, body: Any) -> tuple[int, Any]:
        self.asked.append((method, target, body))
        if self.down:
            return 503, {"errors": ["Service temporarily unavailable due to an ongoing leader election"]}
        parts = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        for verb, pattern, reply in ROUTES:
            match = re.fullmatch(pattern, parts.path)
            if verb == method and match:
                answer: tuple[int, Any] = reply(self, *match.groups(), query=query, body=body)
                return answer
        return 404, {"errors": [f"Not found: {parts.path}"]}

    def overview(self, *, query: Any, body: Any) -> tuple[int, Any]:
        return 200, {"taskmanagers": 1, "slots-total": 8, "slots-available": 8 - len(self.jobs)}

    def list_jobs(self, *, query: Any, body: Any) -> tuple[int, Any]:
        return 200, {"jobs": [_state(job_id, job) for job_id, job in self.jobs.items()]}

    def job(self, job_id: str, *, query: Any, body: Any) -> tuple[int, Any]:
        job = self.jobs.get(job_id)
        if job is None:
            return 404, {
                "errors": [f"org.apache.flink.runtime.messages.FlinkJobNotFoundException: ({job_id})\n\tat x.Y"]
            }
        return 200, {**_state(job_id, job), "vertices": [{"id": "v1"}]}

    def cancel(self, job_id: str, *, query: Any, body: Any) -> tuple[int, Any]:
        self.jobs[job_id].state = "CANCELED"
        return 202, {}

    def checkpoints(self, job_id: str, *, query: Any, body: Any) -> tuple[int, Any]:
        job = self.jobs[job_id]
        at = int((time.time() - job.checkpoint_age_s) * 1000)
        done = {
            "id": 5, "latest_ack_timestamp": at, "end_to_end_duration": 40, "state_size": 900,
            "external_path": f"file:/checkpoints/{job_id}/chk-5",
        }  # fmt: skip
        failed = {"failure_message": "Checkpoint expired before completing."}
        counts = {"completed": job.completed, "failed": job.history.count("FAILED")}
        latest = {"completed": done if job.completed else None, "failed": failed if counts["failed"] else None}
        return 200, {"counts": counts, "latest": latest, "history": [{"status": name} for name in job.history]}

    def config(self, job_id: str, *, query: Any, body: Any) -> tuple[int, Any]:
        given = self.jobs[job_id].properties.get("pipeline.global-job-parameters", "")
        labels = dict(entry.split(":") for entry in given.split(",") if entry)
        return 200, {"jid": job_id, "execution-config": {"user-config": labels}}

    def exceptions(self, job_id: str, *, query: Any, body: Any) -> tuple[int, Any]:
        entries = [
            {"timestamp": int(time.time() * 1000), "exceptionName": text.split(":")[0], "stacktrace": text}
            | ({"taskName": "Source: numbers (1/1)"} if number == 0 else {})
            for number, text in enumerate(self.jobs[job_id].failures)
        ]
        return 200, {"exceptionHistory": {"entries": entries, "truncated": False}}

    def metrics(self, job_id: str, *, query: Any, body: Any) -> tuple[int, Any]:
        return 200, [{"id": "numRestarts", "value": str(self.jobs[job_id].restarts)}]

    def vertex(self, job_id: str, _vertex: str, *, query: Any, body: Any) -> tuple[int, Any]:
        job = self.jobs[job_id]
        name = "Source__numbers[1].pendingRecords"
        if not query:
            return 200, [{"id": "busyTimeMsPerSecond"}] + ([{"id": name}] if job.pending is not None else [])
        if query["agg"] == "max":
            return 200, [{"id": "backPressuredTimeMsPerSecond", "max": job.back_pressure * 1000}]
        return 200, [{"id": name, "sum": job.pending}]

    def stop(self, job_id: str, *, query: Any, body: Any) -> tuple[int, Any]:
        job = self.jobs[job_id]
        if body["triggerId"] not in self.savepoints:
            self.savepoints[body["triggerId"]] = (
                f"{body['targetDirectory']}/savepoint-{len(self.savepoints)}",
                job.savepoint_error,
            )
            job.state = job.state if job.savepoint_error else "FINISHED"
        return 202, {"request-id": body["triggerId"]}

    def savepoint(self, job_id: str, *, query: Any, body: Any) -> tuple[int, Any]:
        self.savepoints.setdefault(
            body["triggerId"],
            (f"{body['target-directory']}/savepoint-{len(self.savepoints)}", self.jobs[job_id].savepoint_error),
        )
        return 202, {"request-id": body["triggerId"]}

    def savepoint_state(self, _job_id: str, trigger: str, *, query: Any, body: Any) -> tuple[int, Any]:
        if trigger not in self.savepoints:
            return 404, {"errors": [f"org.apache.flink...UnknownOperationKeyException: {trigger}\n\tat x.Y"]}
        if self.slow:
            self.slow -= 1
            return 200, {"status": {"id": "IN_PROGRESS"}, "operation": None}
        path, error = self.savepoints[trigger]
        if error:
            cause = {"class": "java.util.concurrent.CompletionException", "stack-trace": error}
            return 200, {"status": {"id": "COMPLETED"}, "operation": {"failure-cause": cause}}
        return 200, {"status": {"id": "COMPLETED"}, "operation": {"location": path}}

    def dispose(self, *, query: Any, body: Any) -> tuple[int, Any]:
        return 202, {"request-id": "0"}

    def open(self, *, query: Any, body: Any) -> tuple[int, Any]:
        name = f"session-{len(self.sessions)}"
        self.sessions[name] = body["properties"]
        return 200, {"sessionHandle": name}

    def close(self, _session: str, *, query: Any, body: Any) -> tuple[int, Any]:
        self.closed += 1
        return 200, {"status": "CLOSED"}

    def run(self, session: str, *, query: Any, body: Any) -> tuple[int, Any]:
        statement = body["statement"]
        self.statements.append(statement)
        handle = f"operation-{len(self.statements)}"
        properties = self.sessions[session]
        if statement.startswith("EXPLAIN"):
            text = "== Physical Execution Plan ==\n" + json.dumps({"nodes": self.plan(statement)})
            self.answers[handle] = {"rows": [[text]]}
        elif re.match(r"INSERT|EXECUTE STATEMENT SET", statement):
            became = self.on_submit(properties, statement)
            if isinstance(became, str):
                self.answers[handle] = {"error": became}
            else:
                assert properties[JOB_ID] not in self.jobs, "Flink takes each id once"
                self.jobs[properties[JOB_ID]] = became
                self.submitted.append(properties)
                self.answers[handle] = {"rows": [[properties[JOB_ID]]], "job": properties[JOB_ID]}
        elif "nothing" in statement:
            self.answers[handle] = {"error": REFUSED}
        else:
            self.answers[handle] = {"rows": [["OK"]]}
        return 200, {"operationHandle": handle}

    def result(self, session: str, operation: str, token: str, *, query: Any, body: Any) -> tuple[int, Any]:
        answer = self.answers[operation]
        if "error" in answer:
            return 500, {"errors": ["Internal server error.", answer["error"]]}
        following = f"/v1/sessions/{session}/operations/{operation}/result/{int(token) + 1}?rowFormat=JSON"
        if token == "0":
            return 200, {"resultType": "NOT_READY", "nextResultUri": following}
        if token == "1":
            data = [{"kind": "INSERT", "fields": row} for row in answer["rows"]]
            page = {"resultType": "PAYLOAD", "results": {"data": data}, "nextResultUri": following}
            return 200, page | ({"jobID": answer["job"]} if "job" in answer else {})
        return 200, {"resultType": "EOS", "results": {"data": []}}


ROUTES: list[tuple[str, str, Any]] = [
    ("GET", "/overview", FlinkServer.overview),
    ("GET", "/jobs/overview", FlinkServer.list_jobs),
    ("GET", r"/jobs/(\w+)", FlinkServer.job),
    ("PATCH", r"/jobs/(\w+)", FlinkServer.cancel),
    ("GET", r"/jobs/(\w+)/checkpoints", FlinkServer.checkpoints),
    ("GET", r"/jobs/(\w+)/config", FlinkServer.config),
    ("GET", r"/jobs/(\w+)/exceptions", FlinkServer.exceptions),
    ("GET", r"/jobs/(\w+)/metrics", FlinkServer.metrics),
    ("GET", r"/jobs/(\w+)/vertices/(\w+)/subtasks/metrics", FlinkServer.vertex),
    ("POST", r"/jobs/(\w+)/stop", FlinkServer.stop),
    ("POST", r"/jobs/(\w+)/savepoints", FlinkServer.savepoint),
    ("GET", r"/jobs/(\w+)/savepoints/(\w+)", FlinkServer.savepoint_state),
    ("POST", "/savepoint-disposal", FlinkServer.dispose),
    ("POST", "/v1/sessions", FlinkServer.open),
    ("DELETE", r"/v1/sessions/([\w-]+)", FlinkServer.close),
    ("POST", r"/v1/sessions/([\w-]+)/statements", FlinkServer.run),
    ("GET", r"/v1/sessions/([\w-]+)/operations/([\w-]+)/result/(\d+)", FlinkServer.result),
]


def node(number: int, kind: str, contents: str, *inputs: int) -> dict[str, Any]:
    """One node of a plan, as Flink writes it: with numbers that are others at every planning."""
    before = [{"id": place, "ship_strategy": "FORWARD", "side": "second"} for place in inputs]
    count = int(time.monotonic() * 1000) + number
    found = {"id": number, "type": f"{kind}[{count}]", "contents": f"[{count}]:{contents}", "parallelism": 1}
    return found | ({"predecessors": before} if before else {})


def _state(job_id: str, job: Job) -> dict[str, Any]:
    return {"jid": job_id, "name": job.name, "state": job.state, "start-time": 1_763_000_000_000, "end-time": -1}


@contextmanager
def flink_server() -> Iterator[FlinkServer]:
    """A cluster without jobs, until the block is left."""

    class Handler(JsonHandler):
        protocol_version = "HTTP/1.1"
        # Head and body in one packet: the second would wait 40 ms for the first to be acknowledged.
        wbufsize = -1

        def _reply(self) -> None:
            text = self.given()
            self.say(*found.answer(self.command, self.path, json.loads(text) if text else None))

        do_GET = do_POST = do_PATCH = do_DELETE = _reply

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = FlinkServer(server.server_address[1])
    with serving(server):
        yield found
