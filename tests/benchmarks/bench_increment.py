# environment: spark
# versions: pyspark delta-spark deltalake
"""One new day against a history ten times as long: landing, gate and silver, and the full refresh at the same sizes.

Two labs land 30 and 300 trading days of the same generated shop at once, each in a process of its own. Then days
arrive one by one in the folder that holds all files so far, each followed by landing, gate and silver. The first of
them uses much for the first time in that process and does not count; of the others the median does. At the end gate
and silver compute everything anew in the same warm process, and must leave as many lines as they found. A run of the
DAG starts Spark twice and is never warm: that is the same at any size, and stands beside the figures.
The bar: ten times the history makes a day at most 1.5 times as dear.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Timer
from typing import TYPE_CHECKING, Any

from measuring import headline, progress, raw, scratch_lab, skip, tidy_end

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from quintet.settings import Lab

SIZES = (30, 300)
NEW_DAYS = 4
#: Days that are measured even when the machine is slow, and seconds of a process after which no more are begun.
DAYS_AT_LEAST, ENOUGH = 3, 100.0
ORDERS_PER_DAY = 40
BAR = 1.5
STEPS = ("landing", "gate", "silver")
#: Seconds for one process: a stuck one must not hold up the others.
LIMIT = 600


def folders_by_day(made: Path) -> dict[str, list[Path]]:
    """Files of each trading day, feeds included; those of a day without trade come with the next trading day."""
    trading = sorted(path.name[:10] for path in (made / "by_day").iterdir())
    days: dict[str, list[Path]] = {day: [] for day in trading}
    for path in sorted(made.glob("*/*.csv*")):
        due = next((day for day in trading if day >= path.name[:10]), None)
        if due:
            days[due].append(path)
    return days


def deliver(files: list[Path], folder: Path) -> None:
    for path in files:
        target = folder / path.parent.name
        target.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target / path.name)


def generated(made: Path, days: int, orders: int) -> dict[str, list[Path]]:
    """Files of so many trading days."""
    from quintet.lakehouse.generator import Scale, generate

    # A day without trade each week and a few more: one in five is more than there are.
    generate(made, days=days * 5 // 4 + 7, scale=Scale(orders_per_day=orders, customers=1000, products=600))
    return dict(list(folders_by_day(made).items())[:days])


class Day:
    """Landing, gate and silver as the DAG calls them, on one lab."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab, self.folder = lab, folder
        self._spark: SparkSession | None = None

    def spark(self) -> SparkSession:
        from quintet.lake.spark import session

        if self._spark is None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                self._spark = session(self.lab, "benchmark")
        return self._spark

    def land(self, run_id: str) -> int:
        from quintet.lakehouse.land import check_input, land_chunk, list_pending, raise_refused

        file = str(self.lab.file)
        check_input(str(self.folder))
        done = [land_chunk(chunk, run_id, lab_file=file) for chunk in list_pending(str(self.folder), lab_file=file)]
        raise_refused(run_id, lab_file=file)
        return sum(result["records"] for result in done)

    def gate(self, run_id: str, *, full_refresh: bool = False) -> None:
        from quintet.lakehouse.gate import run_gate
        from quintet.lakehouse.gateplan import Selection

        run_gate(self.lab, self.spark, run_id=run_id, selection=Selection(full_refresh=full_refresh))

    def silver(self, run_id: str, *, full_refresh: bool = False) -> dict[str, Any]:
        from quintet.lakehouse.gateoutcome import passed_bronze_version
        from quintet.lakehouse.silver import build

        version = passed_bronze_version(self.lab, run_id)
        return build(self.lab, self.spark, bronze_version=version, full_refresh=full_refresh)

    def lines(self) -> int:
        from deltalake import DeltaTable

        from quintet.catalogue.lakehouse import INVOICE_LINES
        from quintet.lake.tables import delta_path

        return int(DeltaTable(delta_path(self.lab, INVOICE_LINES)).count())


def timed(steps: dict[str, Callable[[], Any]]) -> dict[str, float]:
    found = {}
    for name, step in steps.items():
        start = time.perf_counter()
        step()
        found[name] = round(time.perf_counter() - start, 3)
    return found


def run(day: Day, run_id: str) -> dict[str, Any]:
    before = day.lines()
    seconds = timed(
        {
            "landing": lambda: day.land(run_id),
            "gate": lambda: day.gate(run_id),
            "silver": lambda: day.silver(run_id),
        }
    )
    return {"run": run_id, **seconds, "total": round(sum(seconds.values()), 3), "lines": day.lines() - before}


def measure_days(lab_file: str, folder: str, made: str, *names: str) -> Iterator[dict[str, Any]]:
    """Child: all of history in one run, the new days one by one, a full refresh."""
    from quintet.settings import read_lab

    day = Day(read_lab(Path(lab_file)), Path(folder))
    begun = time.perf_counter()
    day.spark()
    yield {"run": "start of Spark", "total": round(time.perf_counter() - begun, 3)}
    yield run(day, "history")
    waiting = folders_by_day(Path(made))
    for number, name in enumerate(names):
        if number >= DAYS_AT_LEAST and time.perf_counter() - begun > ENOUGH:
            break
        deliver(waiting[name], day.folder)
        yield run(day, name)
    before = day.lines()
    seconds = timed(
        {
            "gate": lambda: day.gate("full", full_refresh=True),
            "silver": lambda: day.silver("full", full_refresh=True),
        }
    )
    if day.lines() != before:
        raise AssertionError(f"a full refresh makes {day.lines()} lines of {before}")
    yield {"run": "full refresh", **seconds, "total": round(sum(seconds.values()), 3), "lines": before}


def child(*arguments: str) -> None:
    for row in measure_days(*arguments):
        sys.stdout.write("ROW " + json.dumps(row) + "\n")
        sys.stdout.flush()


def rows_of(*arguments: str) -> list[dict[str, Any]]:
    """Figures of a child, told as they come; its own errors are shown when it fails."""
    rows = []
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
        command = [sys.executable, __file__, "--child", *arguments]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as running:
            end = Timer(LIMIT, running.kill)
            end.start()
            try:
                for line in running.stdout or ():
                    if line.startswith("ROW "):
                        rows.append(json.loads(line.removeprefix("ROW ")))
                        progress(", ".join(f"{name} {value}" for name, value in rows[-1].items()))
            except BaseException:
                running.terminate()
                raise
            finally:
                end.cancel()
        if running.returncode:
            errors.seek(0)
            sys.stderr.write(errors.read()[-4000:])
            raise SystemExit(1)
    return rows


def measured(size: int, days: dict[str, list[Path]], made: Path, place: Path, jars: Path) -> dict[str, Any]:
    """Figures of one size of history."""
    lab = scratch_lab(place, jars=jars)
    folder = place / "files"
    names = list(days)
    for name in names[:size]:
        deliver(days[name], folder)
    progress(f"{size} days of history")
    start, history, *new, full = rows_of(str(lab.file), str(folder), str(made), *names[size : size + NEW_DAYS])
    warm = new[1:]
    figures = {step: statistics.median(row[step] for row in warm) for step in (*STEPS, "total")}
    return {
        "size": size,
        "days": len(warm),
        "start": start["total"],
        "first": new[0]["total"],
        "day": figures,
        "full": full,
        "new_lines": statistics.median(row["lines"] for row in warm),
        "rows": [{"history": size, **row} for row in (start, history, *new, full)],
    }


def main() -> int:
    from spark_session import spark_jars

    parser = argparse.ArgumentParser(description="Cost of a new day as history grows.")
    parser.add_argument("--sizes", nargs=2, type=int, default=SIZES, help="trading days of history, few and many")
    parser.add_argument("--orders", type=int, default=ORDERS_PER_DAY, help="orders a day, of about twelve lines")
    options = parser.parse_args()
    sizes, orders = options.sizes, options.orders
    jars = spark_jars()
    if jars is None:
        return skip("the jars of Spark are not on this machine: install the lab or set QUINTET_SPARK_JARS")
    with tidy_end(), tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch) / "made"
        days = generated(made, max(sizes) + NEW_DAYS, orders)
        found = [measured(size, days, made, Path(scratch) / f"lab-{size}", jars) for size in sizes]
    few, many = found
    ratio = many["day"]["total"] / few["day"]["total"]
    against = many["full"]["total"] / many["day"]["total"]
    lines = [
        f"Input: a generated shop of {orders} orders a day, its change feeds included; a day adds about "
        f"{many['new_lines']:,.0f} lines to silver. Seconds; medians of {few['days']} and {many['days']} days.\n",
        "| history | lines | landing | gate | silver | **a new day** | first day, not counted | Spark's start "
        "| full refresh | full refresh / day |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in found:
        day = row["day"]
        lines.append(
            f"| {row['size']} days | {row['full']['lines']:,} | {day['landing']:.2f} | {day['gate']:.2f} "
            f"| {day['silver']:.2f} | **{day['total']:.2f}** | {row['first']:.2f} | {row['start']:.2f} "
            f"| {row['full']['total']:.2f} | {row['full']['total'] / day['total']:.1f}x |"
        )
    each = ", ".join(f"{step} {many['day'][step] / few['day'][step]:.2f}x" for step in STEPS)
    growth = many["full"]["total"] / few["full"]["total"]
    lines.append(f"\n{max(sizes) / min(sizes):.0f}x the history: {each}; the full refresh {growth:.2f}x.\n")
    sys.stdout.write("\n".join(lines) + "\n")
    held = "held" if ratio <= BAR else "MISSED"
    headline(
        f"{max(sizes) / min(sizes):.0f}x the history makes a new day {ratio:.2f}x as dear (bar: {BAR}x: {held}); "
        f"at {max(sizes)} days a full refresh takes {against:.1f}x the time of the day"
    )
    raw(entry for row in found for entry in row["rows"])
    return 0 if ratio <= BAR else 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(*sys.argv[2:])
    else:
        sys.exit(main())
