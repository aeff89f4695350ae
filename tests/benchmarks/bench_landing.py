# environment: spark
"""CSV folder to bronze: Quintet against DuckDB and polars, each to a Delta table, in turns on the same files.

Each run is a fresh process; its clock starts after its imports and stops when the table is committed. Quintet does all
it does in production: input check, list of pending files, hashes, encodings, line numbers, provenance columns,
application transactions, ledger, final check. DuckDB and polars read the files with inferred types and the file name,
and write through the same deltalake library, without any of that. The bar: at most twice their time.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measuring import real_days, scratch_lab

ROOT = Path(__file__).parents[2]
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


def python_of(tool: str) -> str:
    """Interpreter with the tool: this one, or the benchmark environment beside it."""
    if tool == "quintet":
        return sys.executable
    configured = os.environ.get("QUINTET_BENCH_PYTHON")
    if configured:
        return configured
    subprocess.run([ROOT / "scripts" / "env", "bench"], check=True, stdout=sys.stderr)
    return str(ROOT / ".venv-bench" / "bin" / "python")


def measured(pythons: dict[str, str], tool: str, folder: str) -> dict[str, float]:
    done = subprocess.run([pythons[tool], __file__, "--child", tool, folder], stdout=subprocess.PIPE, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> int:
    folder = real_days()
    if folder is None:
        # DuckDB and polars stop at the encodings and broken rows of the generated files.
        sys.stderr.write("the Online Retail days are absent: set QUINTET_INPUT to the folder that holds them\n")
        return 2
    size = sum(path.stat().st_size for path in folder.glob("*.csv"))
    pythons = {tool: python_of(tool) for tool in TOOLS}
    for tool in TOOLS:  # files into the page cache, byte code onto the disk
        measured(pythons, tool, str(folder))
    runs = [measured(pythons, tool, str(folder)) for _ in range(REPETITIONS) for tool in TOOLS]
    medians = {tool: statistics.median(run["seconds"] for run in runs if run["tool"] == tool) for tool in TOOLS}
    peaks = {tool: max(run["peak_mb"] for run in runs if run["tool"] == tool) for tool in TOOLS}
    counts = {run["records"] for run in runs}
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
    lines.append(
        f"\nAgainst the faster of the two: {ratio:.2f}x (bar: {BAR}x): {'held' if ratio <= BAR else 'MISSED'}.\n"
    )
    sys.stdout.write("\n".join(lines))
    sys.stdout.write("\n```json\n" + "\n".join(json.dumps(run) for run in runs) + "\n```\n")
    return 0 if ratio <= BAR and len(counts) == 1 else 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(*sys.argv[2:])
    else:
        sys.exit(main())
