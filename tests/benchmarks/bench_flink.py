# environment: controller
# versions: apache-flink kafka
"""Flink on the running lab: jobs that are deployed as the platform deploys them, against plain SQL sent by hand.

Two jobs read two million small JSON records from a topic of one partition and write as many into another: a simple one
(record by record) and a stateful one (a count and a sum by key, ten thousand keys, state in RocksDB). Each runs in
turns as a job of a folder (`python -m quintet.flink deploy`: definition, ledger, own id, first checkpoint) and as the
same statements in a session of the SQL gateway with the cluster's defaults. Records a second count from the first
tenth of the results to the last, on the broker; seconds to the first result from the command, and from the request.
The bar: a deployed job is at least 0.9 times as fast as the plain one.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
from measuring import headline, progress, raw
from running import on_lab
from streaming import Streams, streaming_lab

from quintet.flink.definition import read_job
from quintet.flink.errors import FlinkError, UnknownJobError
from quintet.flink.rest import FlinkRest

RECORDS, KEYS, TURNS, QUICK = 2_000_000, 10_000, 2, 10
BAR = 0.9
NUMBERS, RESULTS = "benchmark.numbers", "benchmark.results"
CLIENT = "stream_client.py"
JOBS = Path(__file__).with_name("flink_jobs")
#: Seconds for a statement of the gateway, and for a job to end.
STATEMENT, ENDED = 120, 60


class Plain:
    """Statements in a session of the SQL gateway, as anybody sends them."""

    def __init__(self, url: str) -> None:
        self._client = httpx.Client(base_url=url, timeout=60, trust_env=False)

    def submit(self, name: str, statements: tuple[str, ...]) -> str:
        """Run them one after the other; the id of the job that the last one starts."""
        session = self._ask("POST", "/v1/sessions", {"properties": {"pipeline.name": name}})["sessionHandle"]
        try:
            for statement in statements:
                job_id = self._run(session, statement)
        finally:
            self._client.delete(f"/v1/sessions/{session}")
        if job_id is None:
            raise RuntimeError(f"no job was started by: {statements[-1]}")
        return job_id

    def _run(self, session: str, statement: str) -> str | None:
        path = f"/v1/sessions/{session}"
        handle = self._ask("POST", f"{path}/statements", {"statement": statement})["operationHandle"]
        page, job_id, end = f"{path}/operations/{handle}/result/0?rowFormat=JSON", None, time.monotonic() + STATEMENT
        while time.monotonic() < end:
            found = self._ask("GET", page)
            job_id = found.get("jobID") or job_id
            if found["resultType"] == "EOS":
                return job_id
            page = found["nextResultUri"]
            time.sleep(0.1)
        raise RuntimeError(f"the gateway gave no answer to: {statement}")

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        answer = self._client.request(method, path, json=body)
        if answer.is_error:
            raise RuntimeError(f"the gateway refused {path}: {answer.text[-2000:]}")
        return answer.json()


def cancel(rest: FlinkRest, job_id: str) -> None:
    """End a job and wait for that."""
    with suppress(UnknownJobError):
        rest.cancel(job_id)
        end = time.monotonic() + ENDED
        while rest.job(job_id).is_alive and time.monotonic() < end:
            time.sleep(0.3)


class Race:
    """Both ways of one job, over the same topic."""

    def __init__(self, streams: Streams, rest: FlinkRest, place: Path, records: int) -> None:
        self._streams, self._rest, self._place, self._records = streams, rest, place, records
        self.plain_ids: list[str] = []

    def run(self, kind: str, job: str, way: str) -> dict[str, Any]:
        """One run: seconds from the command to the first result, records a second after that."""
        self._streams.client(CLIENT, "make", 1, RESULTS)
        watching = self._streams.start_client(CLIENT, "follow", RESULTS, self._records, self._records // 10)
        time.sleep(1.5)  # the watcher is up before it has something to see
        begun, job_id = time.time(), ""
        try:
            job_id = self._deployed(job) if way == "deployed" else self._plain(kind, job)
            ready = time.time() - begun
            seen = self._streams.answer(watching)
        finally:
            if watching.poll() is None:
                watching.kill()
            if job_id:
                cancel(self._rest, job_id)
        rate = (seen["to_records"] - seen["from_records"]) / (seen["to"] - seen["from"])
        return {
            "job": kind,
            "way": way,
            "records_per_second": round(rate),
            "first_result": round(seen["first"] - begun, 2),
            "command": round(ready, 2),
        }

    def _deployed(self, job: str) -> str:
        words = ("deploy", job, "--jobs", str(self._place), "--fresh")
        done = self._streams.module("airflow", "quintet.flink", *words)
        return str(done["job_id"])

    def _plain(self, kind: str, job: str) -> str:
        statements = read_job(self._place / job).rendered(self._streams.lab)
        gateway = Plain(self._streams.lab.endpoint("flink_sql_gateway").url)
        self.plain_ids.append(gateway.submit(f"benchmark {kind}", statements))
        return self.plain_ids[-1]


def measure(streams: Streams, records: int, turns: int) -> int:
    place, names = streams.place_jobs(JOBS)
    runs: list[dict[str, Any]] = []
    with FlinkRest(streams.lab) as rest:
        race = Race(streams, rest, place, records)
        try:
            streams.client(CLIENT, "make", 1, NUMBERS)
            progress(f"{records:,} records in a topic")
            streams.client(CLIENT, "numbers", NUMBERS, records, KEYS)
            for number in range(turns):
                for kind, job in names.items():
                    # Who is first has the colder machine: the ways take turns at that, too.
                    ways = ("deployed", "plain") if number % 2 == 0 else ("plain", "deployed")
                    for way in ways:
                        runs.append({"turn": number + 1, **race.run(kind, job, way)})
                        progress(", ".join(f"{name} {value}" for name, value in runs[-1].items()))
        finally:
            progress("taking the benchmark's jobs and topics away")
            with suppress(FlinkError):
                for found in rest.jobs():
                    if found.name in names.values() and found.is_alive:
                        cancel(rest, found.job_id)
            streams.forget_jobs(list(names.values()), job_ids=race.plain_ids)
            streams.client(CLIENT, "remove", NUMBERS, RESULTS)
            shutil.rmtree(place, ignore_errors=True)
    return report(runs, list(names), records)


def report(runs: list[dict[str, Any]], kinds: list[str], records: int) -> int:
    def median(kind: str, way: str, name: str) -> float:
        return statistics.median(run[name] for run in runs if (run["job"], run["way"]) == (kind, way))

    lines = [
        f"{records:,} records, {KEYS:,} keys; one slot, the lab's TaskManager.\n",
        "| job | deployed, records/s | plain SQL, records/s | ratio | first result, deployed | plain "
        "| the command, deployed | plain |",
        "|---|---|---|---|---|---|---|---|",
    ]
    ratios = {}
    for kind in kinds:
        ours, theirs = (median(kind, way, "records_per_second") for way in ("deployed", "plain"))
        ratios[kind] = ours / theirs
        first = [f"{median(kind, way, 'first_result'):.1f} s" for way in ("deployed", "plain")]
        command = [f"{median(kind, way, 'command'):.1f} s" for way in ("deployed", "plain")]
        lines.append(
            f"| {kind} | **{ours:,.0f}** | {theirs:,.0f} | {ratios[kind]:.2f} | {' | '.join(first)} "
            f"| {' | '.join(command)} |"
        )
    lines.append("\nA deployed job's command returns when its first checkpoint is complete, the plain one at once.\n")
    sys.stdout.write("\n".join(lines) + "\n")
    is_held = min(ratios.values()) >= BAR
    told = " and ".join(
        f"{kind} {median(kind, 'deployed', 'records_per_second'):,.0f} ({ratios[kind]:.2f} of plain SQL)"
        for kind in kinds
    )
    headline(f"records/s of a deployed Flink job: {told} (bar: {BAR}: {'held' if is_held else 'MISSED'})")
    raw(runs)
    return 0 if is_held else 1


def main() -> int:
    parser = argparse.ArgumentParser(description="Flink: deployed jobs against plain SQL.")
    parser.add_argument("--records", type=int, default=RECORDS)
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument("--quick", action="store_true", help=f"a {QUICK}th of the records, one turn")
    options = parser.parse_args()
    records, turns = (options.records // QUICK, 1) if options.quick else (options.records, options.turns)
    return on_lab(lambda: Streams(streaming_lab()), lambda streams: measure(streams, records, turns))


if __name__ == "__main__":
    sys.exit(main())
