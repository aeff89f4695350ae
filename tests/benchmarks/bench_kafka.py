# environment: controller
# versions: kafka confluent-kafka fastavro
"""Kafka on the running lab: the platform's clients against Kafka's own performance tools, with the same records.

Records of 200 bytes go into a topic of two partitions, in turns by the vendor's tool (`ProducerPerformance`) and by the
client that the platform's programs use (confluent-kafka, its settings and user), both with SCRAM, acks=all, idempotent,
lz4, 5 ms of linger; the one that holds each record to its contract (Avro, registry, every record checked) writes fewer.
Then what the vendor's tool wrote is read by its counterpart (`ConsumerPerformance`) and by a client with the settings
of the landing of changes. Clocks begin when the client is up; the broker has both processors to share with each.
The bar: the platform's clients write and read at least half as fast as the vendor's tools.
"""

from __future__ import annotations

import argparse
import random
import statistics
import string
import sys
import tempfile
from pathlib import Path
from typing import Any

from measuring import headline, progress, raw
from running import on_lab
from streaming import Streams, streaming_lab

RECORDS, CONTRACTED, TURNS, QUICK = 1_000_000, 50_000, 3, 10
SIZE, PAYLOADS = 200, 5000
BAR = 0.5
THEIRS, OURS, HELD = "benchmark.theirs", "benchmark.ours", "benchmark.held"
GROUP = "benchmark-performance"
CLIENT = "stream_client.py"


def written_by_tool(output: str) -> float:
    """Records a second in the last line of ProducerPerformance."""
    line = [line for line in output.splitlines() if "records sent" in line][-1]
    return float(line.split("records sent, ")[1].split()[0])


def read_by_tool(output: str) -> float:
    """Records a second while records came, of ConsumerPerformance: the last of its columns."""
    header, *rows = [line for line in output.splitlines() if "," in line and "WARN" not in line]
    place = [name.strip() for name in header.split(",")].index("fetch.nMsg.sec")
    return float(rows[-1].split(",")[place])


def turn(streams: Streams, payloads: Path, records: int, contracted: int) -> dict[str, float]:
    """One turn of all; records a second of each."""
    streams.client(CLIENT, "make", 2, THEIRS, OURS, HELD)
    settings = ["acks=all", "enable.idempotence=true", "compression.type=lz4", "linger.ms=5", "batch.size=131072"]
    told = streams.kafka_tool(
        "ProducerPerformance",
        *("--topic", THEIRS, "--num-records", records, "--throughput", -1, "--payload-file", payloads),
        *("--command-property", *settings),
    )
    found = {"tool_writes": written_by_tool(told)}
    for name, words in {
        "client_writes": ("produce", OURS, payloads, records),
        "contracted_writes": ("contracted", HELD, contracted),
    }.items():
        answer = streams.client(CLIENT, *words)
        found[name] = answer["records"] / answer["seconds"]
    told = streams.kafka_tool(
        "ConsumerPerformance",
        *("--topic", THEIRS, "--num-records", records, "--group", GROUP, "--timeout", 60_000),
    )
    found["tool_reads"] = read_by_tool(told)
    streams.client(CLIENT, "forget-group", GROUP)
    answer = streams.client(CLIENT, "consume", THEIRS, records)
    found["client_reads"] = answer["records"] / answer["seconds"]
    return {name: round(value) for name, value in found.items()}


def measure(streams: Streams, records: int, contracted: int, turns: int) -> int:
    runs = []
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        place.chmod(0o755)
        payloads = place / "payloads"
        chosen = random.Random(5)  # noqa: S311
        lines = ["".join(chosen.choices(string.ascii_uppercase, k=SIZE)) for _ in range(PAYLOADS)]
        payloads.write_text("\n".join(lines) + "\n", encoding="ascii")
        try:
            for number in range(turns):
                runs.append(turn(streams, payloads, records, contracted))
                progress(f"turn {number + 1}: " + ", ".join(f"{name} {rate:,}/s" for name, rate in runs[-1].items()))
        finally:
            streams.client(CLIENT, "remove", THEIRS, OURS, HELD)
            streams.client(CLIENT, "forget-group", GROUP)
    return report(runs, records, contracted)


def report(runs: list[dict[str, Any]], records: int, contracted: int) -> int:
    median = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
    told = {
        "tool_writes": (f"the vendor's tool writes {records:,}", "tool_writes"),
        "client_writes": ("**the platform's client writes as many**", "tool_writes"),
        "contracted_writes": (f"the contracted producer writes {contracted:,}", "tool_writes"),
        "tool_reads": ("the vendor's tool reads", "tool_reads"),
        "client_reads": ("**the platform's client reads**", "tool_reads"),
    }
    lines = [
        "| what | records/s | MB/s | turns | of the vendor's |",
        "|---|---|---|---|---|",
        *(
            f"| {text} | {median[name]:,.0f} | {median[name] * SIZE / 1e6:.1f} "
            f"| {', '.join(f'{run[name]:,}' for run in runs)} | {median[name] / median[base]:.2f} |"
            for name, (text, base) in told.items()
        ),
    ]
    sys.stdout.write("\n".join(lines) + "\n\n")
    writes = median["client_writes"] / median["tool_writes"]
    reads = median["client_reads"] / median["tool_reads"]
    is_held = min(writes, reads) >= BAR
    headline(
        f"the platform's Kafka client writes {median['client_writes']:,.0f} records/s and reads "
        f"{median['client_reads']:,.0f}, {writes:.2f} and {reads:.2f} of the vendor's tools (bar: {BAR}: "
        f"{'held' if is_held else 'MISSED'}); with a contract checked on each it writes "
        f"{median['contracted_writes']:,.0f}"
    )
    raw({"turn": number, **run} for number, run in enumerate(runs, 1))
    return 0 if is_held else 1


def main() -> int:
    parser = argparse.ArgumentParser(description="Kafka: the platform's clients against the vendor's tools.")
    parser.add_argument("--records", type=int, default=RECORDS, help="records of 200 bytes in a turn")
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument("--quick", action="store_true", help=f"a {QUICK}th of the records, one turn")
    options = parser.parse_args()
    part = QUICK if options.quick else 1
    records, contracted, turns = options.records // part, CONTRACTED // part, 1 if options.quick else options.turns
    return on_lab(lambda: Streams(streaming_lab()), lambda streams: measure(streams, records, contracted, turns))


if __name__ == "__main__":
    sys.exit(main())
