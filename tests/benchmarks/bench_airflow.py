# environment: controller
# versions: apache-airflow
"""Airflow on the running lab: from the trigger to the first task, and how many tasks that do nothing end in a second.

Two DAGs are put into the lab for the time of the benchmark and taken away with all their rows and logs. The shortest
run there is, one task, is triggered five times through the API, the next after the end of the last; the clock starts
before the request and stops when Airflow notes the task as running, and at the first line of the task's code. Then
one run has sixty mapped tasks at once; tasks in a second count from the start of the first to the end of the last.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deployed import Airflow, deployed, moment
from measuring import headline, progress, raw
from running import on_lab, running_lab

from quintet.settings import Lab

DAGS = Path(__file__).parent / "dags"
FIRST, MANY = "benchmark_first_task", "benchmark_many_tasks"
RUNS = 5
#: Seconds that a run may take before the benchmark gives up.
FIRST_WITHIN = 60.0
MANY_WITHIN = 180.0


def first_task(airflow: Airflow) -> dict[str, float]:
    """One run of one task: seconds from the trigger to answer, noted start, first line, end of the run's task."""
    begun = time.time()
    run_id = airflow.start(FIRST)
    answered = time.time()
    airflow.wait_for_end(FIRST, run_id, every=0.5, within=FIRST_WITHIN)
    (task,) = airflow.instances(FIRST, run_id)
    at = {
        "answer": answered,
        "start": moment(task["start_date"]),
        "first_line": float(airflow.returned(FIRST, run_id, "tell_time")),
        "end": moment(task["end_date"]),
    }
    return {name: round(value - begun, 3) for name, value in at.items()}


def rate(tasks: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """How fast tasks went through: number, seconds from the first start to the last end, tasks in a second."""
    seconds = max(moment(task["end_date"]) for task in tasks) - min(moment(task["start_date"]) for task in tasks)
    each = statistics.median(moment(task["end_date"]) - moment(task["start_date"]) for task in tasks)
    return {
        "tasks": len(tasks),
        "seconds": round(seconds, 3),
        "per_second": round(len(tasks) / seconds, 3),
        "median_task": round(each, 3),
    }


def measure(lab: Lab) -> int:
    files = sorted(DAGS.glob("*.py"))
    with Airflow(lab) as airflow:
        progress("waiting until Airflow has found the benchmark's DAGs")
        with deployed(lab, airflow, files) as found:
            firsts = []
            for number in range(1 + RUNS):  # the first run wakes what is asleep, and does not count
                firsts.append(first_task(airflow))
                progress(f"run {number}: first task after {firsts[-1]['start']} s")
            run_id = airflow.start(MANY)
            progress("many tasks that do nothing")
            airflow.wait_for_end(MANY, run_id, every=2, within=MANY_WITHIN)
            many = rate(airflow.instances(MANY, run_id))
    report(found, firsts[0], firsts[1:], many)
    return 0


def report(
    found: float, woken: Mapping[str, float], firsts: Sequence[Mapping[str, float]], many: Mapping[str, float]
) -> None:
    median = {name: statistics.median(run[name] for run in firsts) for name in firsts[0]}
    names = {
        "answer": "the API answers",
        "start": "**Airflow notes the task as running**",
        "first_line": "first line of the task's code",
        "end": "the task has ended",
    }
    text = [
        "| seconds after the trigger | median | runs | a run before them |",
        "|---|---|---|---|",
        *(
            f"| {told} | {median[name]:.2f} | {', '.join(f'{run[name]:.2f}' for run in firsts)} | {woken[name]:.2f} |"
            for name, told in names.items()
        ),
        f"\n{many['tasks']:.0f} mapped tasks took {many['seconds']:.1f} s, each {many['median_task']:.2f} s at the "
        f"median. A new DAG file was found after {found:.0f} s.\n",
    ]
    sys.stdout.write("\n".join(text) + "\n")
    headline(
        f"the first task of a triggered run starts after {median['start']:.2f} s (median of {len(firsts)}), its first "
        f"line runs after {median['first_line']:.2f} s; {many['per_second']:.1f} no-op tasks a second"
    )
    raw([*({"run": number, **run} for number, run in enumerate((woken, *firsts))), dict(many)])


def main() -> int:
    return on_lab(running_lab, measure)


if __name__ == "__main__":
    sys.exit(main())
