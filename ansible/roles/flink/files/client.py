"""Exit 0 when Flink answers as it should; else say why on stderr.

Usage: client.py jobmanager|gateway <host:port>
       client.py taskmanager <host:port of the JobManager> <address>
       client.py check <host:port of the JobManager> <host:port of the SQL gateway> <folder of checkpoints>

`taskmanager` asks the JobManager whether one has registered from that address. `check` reads an answer through the
gateway, then has a job with keyed state run to its end and looks at its checkpoints.
"""

from __future__ import annotations

import json
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

#: Seconds for one answer, and for everything that is waited for.
ANSWER, LIMIT = 30, 90
PAUSE = 0.3

QUERY = "SELECT SUM(n) FROM (VALUES (1), (2), (39)) AS t(n)"
ANSWER_OF_QUERY = [42]
JOB = (
    "CREATE TEMPORARY TABLE numbers (n INT) WITH ("
    "'connector'='datagen','number-of-rows'='200','rows-per-second'='100','fields.n.min'='0','fields.n.max'='9')",
    "CREATE TEMPORARY TABLE nowhere (n INT, seen BIGINT) WITH ('connector'='blackhole')",
    "INSERT INTO nowhere SELECT n, COUNT(*) FROM numbers GROUP BY n",
)

# The lab's own doors are never reached through a proxy.
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def main(verb: str, door: str, other: str = "", checkpoints: str = "") -> int:
    """Ask what the verb says."""
    try:
        if verb == "jobmanager":
            ask(door, "/overview")
        elif verb == "taskmanager":
            paths = [manager["path"] for manager in ask(door, "/taskmanagers")["taskmanagers"]]
            if not any(f"@{other}:" in path for path in paths):
                raise ValueError(f"no TaskManager has registered from {other}, only {paths}")
        elif verb == "gateway":
            ask(door, "/v1/info")
        else:
            check(door, other, Path(checkpoints))
    except (urllib.error.URLError, OSError, ValueError) as error:
        sys.stderr.write(f"{door}: {error}\n")
        return 1
    return 0


def ask(door: str, path: str, body: dict[str, Any] | None = None, method: str = "GET") -> Any:
    """Answer of one question, as JSON. Raises ValueError with what the server says of an error, and OSError."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://{door}{path}", data=data, method=method)
    if data is not None:
        request.add_header("Content-Type", "application/json")
    try:
        with opener.open(request, timeout=ANSWER) as reply:
            return json.load(reply)
    except urllib.error.HTTPError as error:
        raise ValueError(f"{path}: {error.code} {error.read().decode(errors='replace')[-2000:]}") from error


def check(door: str, gateway: str, checkpoints: Path) -> None:
    """Read a query's answer, then see a job end with a checkpoint. Raises ValueError and OSError."""
    batch = {"execution.runtime-mode": "batch"}
    with Session(gateway, batch) as session:
        rows = [row["fields"] for row in session.run(QUERY)[0]]
        if rows != [ANSWER_OF_QUERY]:
            raise ValueError(f"{QUERY} gave {rows}")
    job = ""
    with Session(gateway, {"execution.checkpointing.interval": "500ms", "pipeline.name": "quintet-check"}) as session:
        for statement in JOB:
            job = session.run(statement)[1]
    finish(door, job)
    completed = ask(door, f"/jobs/{job}/checkpoints")["counts"]["completed"]
    if not completed:
        raise ValueError(f"job {job} ended without a checkpoint")
    # Flink removes the checkpoints of a job that has ended, but not their folders.
    for folder in (checkpoints / job / "shared", checkpoints / job / "taskowned", checkpoints / job):
        folder.rmdir()


class Session:
    """One session at the SQL gateway, closed at the end of its block."""

    def __init__(self, door: str, properties: dict[str, str]) -> None:
        self._door = door
        self._path = "/v1/sessions/" + ask(door, "/v1/sessions", {"properties": properties}, "POST")["sessionHandle"]

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        ask(self._door, self._path, method="DELETE")

    def run(self, statement: str) -> tuple[list[dict[str, Any]], str]:
        """Rows of a statement and the id of its job, if it has one. Raises ValueError."""
        handle = ask(self._door, f"{self._path}/statements", {"statement": statement}, "POST")["operationHandle"]
        following = f"{self._path}/operations/{handle}/result/0?rowFormat=JSON"
        rows: list[dict[str, Any]] = []
        job = ""
        end = time.monotonic() + LIMIT
        while time.monotonic() < end:
            page = ask(self._door, following)
            rows += (page.get("results") or {}).get("data", [])
            job = page.get("jobID") or job
            if page["resultType"] == "EOS":
                return rows, job
            if page["resultType"] == "NOT_READY":
                time.sleep(PAUSE)
            following = page["nextResultUri"]
        raise ValueError(f"no answer within {LIMIT} s: {statement}")


def finish(door: str, job: str) -> None:
    """Wait until the job has ended. Raises ValueError when it ends otherwise or not at all."""
    end = time.monotonic() + LIMIT
    state = "unknown"
    while time.monotonic() < end:
        state = ask(door, f"/jobs/{job}")["state"]
        if state == "FINISHED":
            return
        if state in {"FAILED", "CANCELED"}:
            break
        time.sleep(PAUSE)
    raise ValueError(f"job {job} is {state}, not FINISHED")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
