# environment: spark
# versions: pyspark delta-spark deltalake
"""Merge of 1.8 million captured changes into a Delta copy of ten million orders: changes in a second, memory, files.

The copy lies in eight files that each hold keys of the whole range; the change log holds inserts (15 %), updates and
deletions (5 %) as eighteen landings left them, several of the same row among them. Then the merge of the product runs
once in a fresh process with the lab's settings of Spark; its clock has no start of Spark in it, which stands beside.
It is done twice from the same copy: with changes anywhere, which is the case of the bar, and with most of them on the
newest rows. Rows and sums of the copy afterwards must be those that follow from the changes.
The bar: 20,000 changes a second.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

from measuring import headline, progress, raw, skip, tidy_end

ROWS, CHANGES = 10_000_000, 1_800_000
QUICK = 20
#: Changes a second.
BAR = 20_000
#: Seconds for one process: a stuck one must not hold up the others.
LIMIT = 420


def peak_mb(pid: int | str) -> int:
    """Most memory that a process has had, in MB."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) // 1024


def processor_seconds(pid: int | str) -> float:
    """Time that a process has had on processors, its own and the system's for it: fields 14 and 15 of its state."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def merge_once(home: str, jars: str, up_to: int) -> dict[str, Any]:
    """Child: one merge in a fresh Spark."""
    from deltalake import DeltaTable
    from shop_changes import COPY, registry

    from labs import lab_below
    from quintet.catalogue.shop import ORDERS, SHOP_CHANGES
    from quintet.cdc.merge import merge, waiting
    from quintet.lake.spark import session
    from quintet.lake.tables import delta_path

    with registry() as port:
        lab = lab_below(Path(home), jars=Path(jars), more_doors={"registry": port})
        begun = time.perf_counter()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"pyspark\.")
            spark = session(lab, "lakehouse shop changes", rows=waiting(lab, SHOP_CHANGES, [COPY]))
        spark_pid = spark.sparkContext._gateway.proc.pid
        busy, started = processor_seconds(spark_pid), time.perf_counter()
        done = merge(spark, lab, ORDERS, SHOP_CHANGES, COPY, up_to=up_to)
        ended = time.perf_counter()
        busy = processor_seconds(spark_pid) - busy
        memory = {"spark_mb": peak_mb(spark_pid), "python_mb": peak_mb("self")}
        spark.stop()
    (commit,) = DeltaTable(delta_path(lab, COPY)).history(1)
    told = {name: int(value) for name, value in commit["operationMetrics"].items() if str(value).isdigit()}
    return {
        "seconds": round(ended - started, 2),
        "processor_seconds": round(busy, 1),
        "load": round(os.getloadavg()[0], 1),
        "start": round(started - begun, 2),
        "changes": done.changes,
        "inserted": done.inserted,
        "updated": done.updated,
        "deleted": done.deleted,
        **memory,
        "files_before": told["numTargetFilesRemoved"],
        "files_after": told["numTargetFilesAdded"],
        "rows_copied": told["numTargetRowsCopied"],
        "bytes_removed": told.get("numTargetBytesRemoved", 0),
        "bytes_added": told.get("numTargetBytesAdded", 0),
        "scan_ms": told.get("scanTimeMs", 0),
        "rewrite_ms": told.get("rewriteTimeMs", 0),
    }


def child(*arguments: str) -> dict[str, Any]:
    """What a fresh process measures. Raises SystemExit with the end of its errors when it fails."""
    command = [sys.executable, __file__, "--child", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=False)
    if done.returncode:
        raise SystemExit(f"the merge failed:\n{done.stderr[-4000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(place: Path, jars: Path, rows: int, changes: int) -> list[dict[str, Any]]:
    import shop_changes

    from labs import lab_below

    source = lab_below(place / "source", jars=jars)
    progress(f"a copy of {rows:,} rows")
    shop_changes.write_copy(source, rows)
    found = []
    for spread in shop_changes.SPREADS:
        lab = lab_below(place / spread, jars=jars)
        shop_changes.link_copy(source, lab)
        made = shop_changes.make_changes(rows, changes, spread)
        progress(f"{changes:,} changes, {spread}")
        up_to = shop_changes.land(lab, made)
        row = child(str(place / spread), str(jars), str(up_to))
        expected, actual = made.expected(), shop_changes.state(lab)
        if expected != actual:
            raise SystemExit(f"changes {spread}: the copy is {actual}, and must be {expected}")
        per_second = round(row["changes"] / row["seconds"])
        progress(f"{row['seconds']} s, {per_second:,} changes/s")
        found.append({"spread": spread, "rows": rows, "distinct": made.distinct, **row, "per_second": per_second})
    return found


def report(found: list[dict[str, Any]]) -> int:
    lines = [
        "| changes | rows changed | seconds | changes/s | processor seconds | inserted, updated, deleted "
        "| files rewritten | MB written | peak of Spark | of Python | Spark's start |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in found:
        lines.append(
            f"| {row['spread']} | {row['distinct']:,} | {row['seconds']:.1f} | **{row['per_second']:,}** "
            f"| {row['processor_seconds']:.0f} | {row['inserted']:,}, {row['updated']:,}, {row['deleted']:,} "
            f"| {row['files_before']} to {row['files_after']} | {row['bytes_added'] / 1e6:.0f} "
            f"| {row['spark_mb']} MB | {row['python_mb']} MB | {row['start']:.1f} s |"
        )
    hard = found[0]
    cores = len(os.sched_getaffinity(0))
    lines += [
        "",
        f"Load of the machine at the end of each: {', '.join(str(row['load']) for row in found)}, on {cores} cores; a "
        f"merge that has them to itself keeps about {cores} busy.",
    ]
    sys.stdout.write("\n".join(lines) + "\n\n")
    is_held = hard["per_second"] >= BAR
    headline(
        f"{hard['changes']:,} changes are merged into {hard['rows']:,} rows in {hard['seconds']:.0f} s, "
        f"{hard['per_second']:,} changes/s (bar: {BAR:,}: {'held' if is_held else 'MISSED'}), with "
        f"{hard['spark_mb'] / 1024:.1f} GiB of memory"
    )
    raw(found)
    return 0 if is_held else 1


def main() -> int:
    from spark_session import spark_jars

    parser = argparse.ArgumentParser(description="Merge of captured changes into a large table.")
    parser.add_argument("--rows", type=int, default=ROWS, help="rows of the copy")
    parser.add_argument("--changes", type=int, default=CHANGES, help="changes to merge")
    parser.add_argument("--quick", action="store_true", help=f"a {QUICK}th of both, to try it out")
    options = parser.parse_args()
    part = QUICK if options.quick else 1
    jars = spark_jars()
    if jars is None:
        return skip("the jars of Spark are not on this machine: install the lab or set QUINTET_SPARK_JARS")
    with tidy_end(), tempfile.TemporaryDirectory() as scratch:
        return report(measure(Path(scratch), jars, options.rows // part, options.changes // part))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        sys.stdout.write(json.dumps(merge_once(sys.argv[2], sys.argv[3], int(sys.argv[4]))) + "\n")
    else:
        sys.exit(main())
