# environment: controller
# versions: debezium kafka apache-flink pyspark delta-spark trino
"""Captured changes on the running lab: PostgreSQL to topic, to Iceberg and to Delta; latency and changes in a second.

Orders are committed one by one, forty a second: the clock of each starts when its commit returns, and stops when a
reader of committed records has it from the topic, and at the time of the first snapshot of the Iceberg table that has
it (Flink commits every ten seconds). Then orders are inserted and updated in transactions of a thousand rows; the
product's own steps bring them into Delta (capture, landing, merge), while the stream brings them into Iceberg.
Afterwards the orders are deleted and that is carried on, so that source and both copies are as before; the change log
remembers. At the end the product's proof compares all tables. The stream is started when it does not run.
The bar: commit to topic in less than 500 ms for 99 of 100.
"""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from measuring import headline, progress, raw
from running import on_lab
from streaming import Streams, streaming_lab

if TYPE_CHECKING:
    from collections.abc import Iterator

ROWS, TRANSACTION = 50_000, 1000
RATE, SECONDS = 40, 60
QUICK = 10
#: Milliseconds.
BAR = 500
CLIENT = "shop_client.py"
JOB = "lakehouse/shop_to_silver"
MERGE = "lakehouse/merge_shop_changes.py"
PROOF = "quintet.lakehouse.shop.proof"
LAND = "quintet.lakehouse.shop.pipeline:land_changes"


@contextmanager
def streaming_job(streams: Streams) -> Iterator[None]:
    """The stream into Iceberg, for the time of the block where it does not run anyway."""
    status = streams.module("airflow", "quintet.flink", "status", JOB)
    if status.get("state") == "RUNNING":
        yield
        return
    progress(f"starting {JOB}")
    streams.module("airflow", "quintet.flink", "deploy", JOB)
    try:
        yield
    finally:
        streams.module("airflow", "quintet.flink", "stop", JOB)


def to_delta(streams: Streams) -> dict[str, Any]:
    """Bring what is committed into Delta, step by step; seconds of each, and changes that landed."""
    begun = time.time()
    streams.module("streaming", PROOF, "wait")
    captured = time.time()
    landed = streams.call(LAND, run_id="benchmark")
    at = time.time()
    merged = streams.spark_job(MERGE)
    ended = time.time()
    return {
        "captured_at": captured,
        "ended_at": ended,
        "capture": round(captured - begun, 2),
        "landing": round(at - captured, 2),
        "landing_itself": landed["seconds"],
        "merge": round(ended - at, 2),
        "merge_start": merged["seconds"].get("start", 0.0),
        "merge_orders": merged["seconds"].get("orders", 0.0),
        "changes": landed["changes"],
    }


def throughput(streams: Streams, rows: int) -> dict[str, Any]:
    """Insert and update so many orders, and bring them into both lakes."""
    watching = streams.start_client(CLIENT, "visible", rows, "paid")
    try:
        made = streams.client(CLIENT, "bulk", rows, TRANSACTION)
        delta = to_delta(streams)
        shown = streams.answer(watching)
    finally:
        if watching.poll() is None:
            watching.kill()
    begun, changes = made["begun"], made["changes"]
    seconds = {
        "written": made["ended"] - begun,
        "captured": delta["captured_at"] - begun,
        "in_iceberg": shown["at"] - begun,
        "in_delta": delta["ended_at"] - begun,
    }
    return {
        "changes": changes,
        **{name: round(value, 2) for name, value in seconds.items()},
        **{f"{name}_per_second": round(changes / value) for name, value in seconds.items()},
        "last_commit_to_delta": round(delta["ended_at"] - made["ended"], 2),
        "steps": {name: value for name, value in delta.items() if not name.endswith("_at")},
    }


def take_away(streams: Streams) -> int:
    """Delete the orders everywhere; how many there were."""
    deleted = int(streams.client(CLIENT, "clean")["deleted"])
    if deleted:
        to_delta(streams)
    return deleted


def measure(streams: Streams, rows: int, seconds: int) -> int:
    progress("schema, topics, connector")
    streams.module("streaming", PROOF, "prepare")
    with streaming_job(streams):
        try:
            take_away(streams)  # of a benchmark that was killed
            progress(f"{RATE} orders a second for {seconds} s")
            waits = streams.client(CLIENT, "latency", RATE, seconds)
            progress(f"commit to topic {waits['topic_ms']}, to Iceberg {waits['iceberg_ms']}")
            take_away(streams)
            streams.client(CLIENT, "visible", 0, "")
            progress(f"{rows:,} orders inserted and updated")
            bulk = throughput(streams, rows)
            progress(", ".join(f"{name} {value}" for name, value in bulk.items()))
        finally:
            progress("taking the orders away again")
            take_away(streams)
            streams.client(CLIENT, "visible", 0, "")
        checks = streams.module("streaming", PROOF, "verify")["checks"]
    wrong = [check for check in checks if not check["ok"]]
    if wrong:
        raise RuntimeError(f"the proof fails afterwards: {wrong}")
    return report(waits, bulk, len(checks))


def report(waits: dict[str, Any], bulk: dict[str, Any], checks: int) -> int:
    topic, iceberg, steps = waits["topic_ms"], waits["iceberg_ms"], bulk["steps"]
    lines = [
        f"| {waits['orders']:,} commits, {waits['rate']:.0f} a second | p50 | p95 | p99 | max |",
        "|---|---|---|---|---|",
        f"| **commit to topic**, ms | {topic['p50']:.0f} | {topic['p95']:.0f} | **{topic['p99']:.0f}** "
        f"| {topic['max']:.0f} |",
        f"| commit to the table in Iceberg, s | {iceberg['p50'] / 1000:.1f} | {iceberg['p95'] / 1000:.1f} "
        f"| {iceberg['p99'] / 1000:.1f} | {iceberg['max'] / 1000:.1f} |",
        "",
        f"| {bulk['changes']:,} changes, from the first commit | seconds | changes/s |",
        "|---|---|---|",
        f"| written in PostgreSQL | {bulk['written']:.1f} | {bulk['written_per_second']:,} |",
        f"| all in the topics | {bulk['captured']:.1f} | {bulk['captured_per_second']:,} |",
        f"| all to be read in Iceberg | {bulk['in_iceberg']:.1f} | {bulk['in_iceberg_per_second']:,} |",
        f"| **all to be read in Delta** | {bulk['in_delta']:.1f} | **{bulk['in_delta_per_second']:,}** |",
        "",
        f"Of the way into Delta: landing {steps['landing']:.1f} s ({steps['changes'] / steps['landing_itself']:,.0f} "
        f"changes/s by itself), merge {steps['merge']:.1f} s, of which {steps['merge_start']:.1f} s are Spark's start "
        f"and {steps['merge_orders']:.1f} s the table. The last commit was in Delta "
        f"{bulk['last_commit_to_delta']:.1f} s later; the DAG that does it runs every 15 minutes.",
        "",
        f"Afterwards the proof held: {checks} comparisons.",
    ]
    sys.stdout.write("\n".join(lines) + "\n\n")
    is_held = topic["p99"] < BAR
    headline(
        f"a commit is in its topic after {topic['p50']:.0f} ms (p50), {topic['p99']:.0f} ms (p99; bar: {BAR} ms: "
        f"{'held' if is_held else 'MISSED'}), in Iceberg after {iceberg['p50'] / 1000:.1f} s (p50), "
        f"{iceberg['p99'] / 1000:.1f} s (p99); end to end {bulk['in_iceberg_per_second']:,} changes/s into Iceberg, "
        f"{bulk['in_delta_per_second']:,} into Delta"
    )
    raw([waits, bulk])
    return 0 if is_held else 1


def main() -> int:
    parser = argparse.ArgumentParser(description="Captured changes: latency and throughput.")
    parser.add_argument("--rows", type=int, default=ROWS, help="orders that are inserted and updated")
    parser.add_argument("--seconds", type=int, default=SECONDS, help="seconds of single commits")
    parser.add_argument("--quick", action="store_true", help=f"a {QUICK}th of both")
    options = parser.parse_args()
    part = QUICK if options.quick else 1
    rows, seconds = options.rows // part, options.seconds // part
    return on_lab(lambda: Streams(streaming_lab()), lambda streams: measure(streams, rows, seconds))


if __name__ == "__main__":
    sys.exit(main())
