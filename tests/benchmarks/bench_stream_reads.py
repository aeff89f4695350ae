# environment: controller
# versions: apache-flink trino
"""Reading an Iceberg table that a stream writes: fresh, after ten rounds of changes with care, after ten more without.

A Flink job keeps totals of twenty thousand keys in a table; each round changes two thousand of them and waits until
the table has them, which takes a checkpoint or two, each with a file of rows and one of deletions. After each of the
first ten rounds the table is cared for as `lakehouse_care_streams` does it. A read is a checksum over all columns by
Trino, the median of a few. The table, the job and its topics are made for the benchmark and taken away.
The bar: ten rounds with care make reading at most twice as slow.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from contextlib import closing, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from measuring import ROOT, headline, progress, raw
from running import on_lab
from streaming import Streams, streaming_lab

from quintet.lake.trino import connect, query

sys.path.append(str(ROOT / "tests" / "lab"))
from stream_drill import Drill
from stream_rounds import TABLE, read_after_rounds

if TYPE_CHECKING:
    from stream_rounds import Reads

ROUNDS, QUICK = 10, 2
BAR = 2.0
JOBS = Path(ROOT / "tests" / "lab" / "flink_drill")


def measure(streams: Streams, rounds: int) -> int:
    place, names = streams.place_jobs(JOBS)
    drill = Drill(streams.lab, place, names["drill"])
    with closing(connect(streams.lab)) as trino:
        query(trino, f"DROP TABLE IF EXISTS {TABLE}")
        try:
            drill.topics("prepare")
            drill.deploy()
            progress("the job runs")
            found = read_after_rounds(drill, rounds, told=progress)
        finally:
            progress("taking the job, its table and its topics away")
            with suppress(AssertionError):  # it has not been deployed
                drill.flink("stop", drill.job)
            streams.forget_jobs([drill.job])
            query(trino, f"DROP TABLE IF EXISTS {TABLE}")
            drill.topics("remove")
            shutil.rmtree(place, ignore_errors=True)
    return report(found, rounds)


def report(found: list[Reads], rounds: int) -> int:
    fresh, cared, left = found
    lines = [
        "| table | seconds of a read | of the fresh one | data files | files of deletions |",
        "|---|---|---|---|---|",
        *(
            f"| {row.what} | {row.seconds:.2f} | {row.seconds / fresh.seconds:.2f} | {row.data} | {row.deletions} |"
            for row in found
        ),
    ]
    sys.stdout.write("\n".join(lines) + "\n\n")
    ratio = cared.seconds / fresh.seconds
    is_held = ratio <= BAR
    headline(
        f"{rounds} rounds of changes with care make reading {ratio:.2f}x as slow (bar: {BAR}x: "
        f"{'held' if is_held else 'MISSED'}), as many more without {left.seconds / fresh.seconds:.2f}x"
    )
    raw(asdict(row) for row in found)
    return 0 if is_held else 1


def main() -> int:
    parser = argparse.ArgumentParser(description="Reading a table that a stream writes.")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} rounds")
    options = parser.parse_args()
    rounds = QUICK if options.quick else options.rounds
    return on_lab(lambda: Streams(streaming_lab()), lambda streams: measure(streams, rounds))


if __name__ == "__main__":
    sys.exit(main())
