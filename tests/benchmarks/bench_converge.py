# environment: controller
# versions: ansible-core
"""A second run of the playbook on the running lab: how long it takes to find that nothing is to be done.

The playbook gets what the lab file says of profiles, ports, service manager and Spark, and the heap that Trino has;
whatever else the lab was installed with belongs into QUINTET_INSTALL_ARGS. It runs only when the lab comes from this
clone and has its code deployed, so that it has nothing to change. The bar: no task changes anything, no service
restarts.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measuring import ROOT, headline, progress, raw
from running import NotThereError, on_lab, running_lab

from quintet.health.supervision import service_manager
from quintet.settings import Lab

SLOWEST = 8


@dataclass(frozen=True)
class Recap:
    """Last line of a playbook's output."""

    ok: int
    changed: int
    unreachable: int
    failed: int
    skipped: int


def recap(output: str) -> Recap | None:
    """Figures of the recap; None: the playbook did not come to its end."""
    pattern = r"ok=(\d+)\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)\s+skipped=(\d+)"
    found = re.findall(pattern, output)
    return Recap(*map(int, found[-1])) if found else None


def changed_tasks(output: str) -> list[str]:
    """Names of the tasks that changed something."""
    found: list[str] = []
    task = ""
    for line in output.splitlines():
        if named := re.match(r"(?:TASK|RUNNING HANDLER) \[(.*)\] \*+$", line):
            task = named[1]
        elif line.startswith("changed: ") and task not in found:
            found.append(task)
    return found


def variables(lab: Lab) -> dict[str, Any]:
    """What the lab was installed with, as far as it says so."""
    spark = lab.options["spark"]
    found = {
        "profiles": ",".join(lab.profiles),
        "port_offset": lab.options["port_offset"],
        "service_manager": lab.service_manager,
        "unit_prefix": lab.options["unit_prefix"],
        "spark_master": spark["master"],
        "spark_driver_memory": spark["driver_memory"],
        "spark_shuffle_partitions": spark["shuffle_partitions"],
        "alert_webhook": lab.options["alerts"]["webhook"],
        # The link on the PATH may be that of another lab.
        "command_link": "",
    }
    try:
        heap = re.search(r"^-Xmx(\d+)M$", (lab.path("config") / "trino" / "jvm.config").read_text(), re.MULTILINE)
    except OSError:
        heap = None
    return {**found, "trino_heap_mb": int(heap[1])} if heap else found


def why_not(lab: Lab, scratch: Path) -> str | None:
    """Why the playbook of this clone would change the lab; None: it should not."""
    if Path(lab.options["repo"]).resolve() != ROOT:
        return "the lab comes from another clone. Run the benchmark there, or: make install"
    script = ROOT / "ansible" / "roles" / "app" / "files" / "deploy.sh"
    done = subprocess.run(["bash", script, ROOT, scratch], capture_output=True, text=True, check=True)
    if done.stdout.split()[-1] != lab.path("app").resolve().name:
        return "the code of this clone is not what is deployed. Run: make deploy"
    return None


def timed_lines(running: subprocess.Popen[str]) -> Iterator[tuple[float, str]]:
    for line in running.stdout or ():
        yield time.perf_counter(), line


def play(lab: Lab) -> tuple[float, str, dict[str, float], int]:
    """Run the playbook; seconds, output, seconds by task, exit code."""
    command = [str(ROOT / ".venv" / "bin" / "ansible-playbook"), "site.yml", "-e", json.dumps(variables(lab))]
    command += shlex.split(os.environ.get("QUINTET_INSTALL_ARGS", ""))
    environment = {**os.environ, "QUINTET_HOME": str(lab.path("home")), "PYTHONUNBUFFERED": "1", "NO_COLOR": "1"}
    environment.pop("QUINTET_LAB", None)
    output: list[str] = []
    tasks: dict[str, float] = {}
    task, since = "", 0.0
    start = time.perf_counter()
    with subprocess.Popen(
        command, cwd=ROOT / "ansible", env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as running:
        for at, line in timed_lines(running):
            output.append(line)
            named = re.match(r"(?:TASK|RUNNING HANDLER|PLAY RECAP) ?(?:\[(.*)\])? \*+$", line)
            if named:
                if task:
                    tasks[task] = tasks.get(task, 0.0) + at - since
                task, since = named[1] or "", at
                if task and len(tasks) % 25 == 24:
                    progress(f"{at - start:.0f} s: {task}")
    return time.perf_counter() - start, "".join(output), tasks, running.returncode


def pids(lab: Lab) -> dict[str, int]:
    return {name: process.pid for name, process in service_manager(lab).processes().items()}


def measure(lab: Lab) -> int:
    before = pids(lab)
    seconds, output, tasks, code = play(lab)
    found = recap(output)
    if found is None or code != 0:
        sys.stderr.write(output[-4000:])
        return 1
    after = pids(lab)
    restarted = sorted(name for name, pid in before.items() if after.get(name) != pid)
    slowest = sorted(tasks.items(), key=lambda entry: -entry[1])[:SLOWEST]
    changed = changed_tasks(output)
    text = [
        "| seconds | tasks run | changed | skipped | services restarted |",
        "|---|---|---|---|---|",
        f"| {seconds:.1f} | {found.ok} | {found.changed} | {found.skipped} | {len(restarted)} of {len(before)} |",
        *(f"\nChanged: {name}." for name in changed),
        *(f"\nRestarted: {name}." for name in restarted),
        "\n| slowest tasks | seconds |",
        "|---|---|",
        *(f"| {name.replace('|', '/')} | {took:.1f} |" for name, took in slowest),
    ]
    sys.stdout.write("\n".join(text) + "\n\n")
    held = found.changed == 0 and not restarted
    headline(
        f"a second run of the playbook takes {seconds:.0f} s and changes {found.changed} of {found.ok} tasks "
        f"(bar: 0: {'held' if held else 'MISSED'})"
    )
    raw([{"seconds": round(seconds, 2), **vars(found), "restarted": restarted, "changed_tasks": changed}])
    return 0 if held else 1


def unchanged_lab() -> Lab:
    """The running lab, when the playbook would not change it. Raises NotThereError."""
    lab = running_lab()
    with tempfile.TemporaryDirectory() as scratch:
        reason = why_not(lab, Path(scratch))
    if reason:
        raise NotThereError(reason)
    return lab


def main() -> int:
    return on_lab(unchanged_lab, measure)


if __name__ == "__main__":
    sys.exit(main())
