# environment: spark
# versions: deltalake pyarrow duckdb polars
"""CSV folder to bronze: Quintet against DuckDB and polars, each to a Delta table, in turns on the same files.

Each run is a fresh process; its clock starts after its imports and stops when the table is committed. Quintet does all
it does in production: input check, list of pending files, hashes, encodings, line numbers, provenance columns,
application transactions, ledger, final check. DuckDB and polars read the files with inferred types and the file name,
and write through the same deltalake library, without any of that. The bar: at most twice their time.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measuring import headline, peer_python, progress, raw, real_days, scratch_lab, skip

REPETITIONS = 5
BAR = 2.0
TOOLS = ("quintet", "duckdb", "polars")


def land_quintet(folder: str, target: Path) -> tuple[float, int]:
    from quintet.lakehouse.land import check_input, land_chunk, list_pending, raise_refused

    file = str(scratch_lab(target).file)
    start = time.perf_counter()
    check_input(folder)
    results = [land_chunk(chunk, "bench", lab_file=file) for chunk in list_pending(folder, lab_file=file)]
    raise_refused("bench", lab_file=file)
    return time.perf_counter() - start, sum(result["records"] for result in results)


def land_duckdb(folder: str, target: Path) -> tuple[float, int]:
    import duckdb
    from deltalake import write_deltalake

    start = time.perf_counter()
    table = duckdb.sql(f"SELECT * FROM read_csv('{folder}/*.csv', filename = true)").to_arrow_table()
    write_deltalake(str(target / "table"), table)
    return time.perf_counter() - start, table.num_rows


def land_polars(folder: str, target: Path) -> tuple[float, int]:
    import polars
    from deltalake import write_deltalake

    start = time.perf_counter()
    # Invoice numbers look like whole numbers until the first cancellation.
    frame = polars.scan_csv(
        f"{folder}/*.csv",
        include_file_paths="filename",
        schema_overrides={"InvoiceNo": polars.String, "StockCode": polars.String},
        try_parse_dates=True,
    ).collect()
    write_deltalake(str(target / "table"), frame.with_columns(polars.col("InvoiceDate").dt.replace_time_zone("UTC")))
    return time.perf_counter() - start, frame.height


def child(tool: str, folder: str) -> None:
    with tempfile.TemporaryDirectory() as target:
        land = {"quintet": land_quintet, "duckdb": land_duckdb, "polars": land_polars}[tool]
        seconds, records = land(folder, Path(target))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    sys.stdout.write(
        json.dumps({"tool": tool, "seconds": round(seconds, 3), "records": records, "peak_mb": peak}) + "\n"
    )


def measured(pythons: dict[str, str], tool: str, folder: str) -> dict[str, float]:
    done = subprocess.run([pythons[tool], __file__, "--child", tool, folder], stdout=subprocess.PIPE, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> int:
    folder = real_days()
    if folder is None:
        # DuckDB and polars stop at the encodings and broken rows of the generated files.
        return skip("the Online Retail days are absent: set QUINTET_INPUT to the folder that holds them")
    size = sum(path.stat().st_size for path in folder.glob("*.csv"))
    pythons = {tool: sys.executable if tool == "quintet" else peer_python() for tool in TOOLS}
    for tool in TOOLS:  # files into the page cache, byte code onto the disk
        measured(pythons, tool, str(folder))
    runs = []
    for turn in range(REPETITIONS):
        runs += [measured(pythons, tool, str(folder)) for tool in TOOLS]
        progress(f"turn {turn + 1}: " + ", ".join(f"{run['tool']} {run['seconds']} s" for run in runs[-len(TOOLS) :]))
    medians = {tool: statistics.median(run["seconds"] for run in runs if run["tool"] == tool) for tool in TOOLS}
    peaks = {tool: max(run["peak_mb"] for run in runs if run["tool"] == tool) for tool in TOOLS}
    counts = {run["records"] for run in runs}
    if len(counts) != 1:
        sys.stderr.write(f"the tools read different numbers of records: {sorted(counts)}\n")
        return 1
    fastest = min(medians["duckdb"], medians["polars"])
    ratio = medians["quintet"] / fastest
    lines = [
        f"Input: the 305 days of the Online Retail set, {size / 1e6:.1f} MB, {max(counts):,} records; "
        f"{REPETITIONS} runs each in turns, medians.\n",
        "| tool | seconds | runs | peak memory | records/s | Quintet's time / its time |",
        "|---|---|---|---|---|---|",
    ]
    for tool in TOOLS:
        each = ", ".join(f"{run['seconds']:.2f}" for run in runs if run["tool"] == tool)
        lines.append(
            f"| {tool} | {medians[tool]:.2f} | {each} | {peaks[tool]} MB | {max(counts) / medians[tool]:,.0f} "
            f"| {medians['quintet'] / medians[tool]:.2f} |"
        )
    sys.stdout.write("\n".join(lines) + "\n\n")
    headline(
        f"landing with provenance, ledger and checks takes {ratio:.2f}x the time of the faster of duckdb and polars "
        f"(bar: {BAR}x: {'held' if ratio <= BAR else 'MISSED'})"
    )
    raw(runs)
    return 0 if ratio <= BAR else 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(*sys.argv[2:])
    else:
        sys.exit(main())
