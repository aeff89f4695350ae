"""The lab under test: stood up by the same roles as any other, with its own home and ports, stopped at the end."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from quintet.errors import ServiceDownError
from quintet.runs.airflow import AirflowClient
from quintet.settings import Lab, default_home, read_lab

ROOT = Path(__file__).parents[2]
#: Generous ends of waits, in seconds: they stop a hanging test and measure nothing.
PLAYBOOK_LIMIT = 1500
COMMAND_LIMIT = 900


DAYS, SEED = "12", "11"
#: Profiles of a lab on a machine with so many GiB of memory; with less those of the inventory.
WIDE_PROFILES, WIDE_MEMORY = "lakehouse,objects,timeseries", 12
#: Profiles of the lab under test, separated by commas.
PROFILES = os.environ.get("QUINTET_TEST_PROFILES") or (
    WIDE_PROFILES if psutil.virtual_memory().total >= WIDE_MEMORY * 2**30 else ""
)


@dataclass
class LabUnderTest:
    """Commands and look-ups against the installed lab."""

    home: Path
    offset: int
    profiles: str = PROFILES
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.environment = {**os.environ, "QUINTET_HOME": str(self.home), "COLUMNS": "200"}
        self.environment.pop("QUINTET_LAB", None)

    @property
    def lab(self) -> Lab:
        return read_lab(self.home / "config" / "lab.yaml")

    def playbook(self, name: str, *arguments: str) -> str:
        """Run a playbook of the repository and return its output; fails the test when the playbook fails."""
        profiles = {"profiles": self.profiles} if self.profiles else {}
        done = subprocess.run(
            [
                ROOT / ".venv" / "bin" / "ansible-playbook",
                name,
                "-e",
                json.dumps({"port_offset": self.offset, "command_link": "", **profiles}),
                *arguments,
            ],
            cwd=ROOT / "ansible",
            env=self.environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=PLAYBOOK_LIMIT,
            check=False,
        )
        assert done.returncode == 0, f"{name} ended with {done.returncode}:\n{done.stdout[-4000:]}"
        return done.stdout

    def quintet(self, *arguments: str, expect: int | None = 0) -> subprocess.CompletedProcess[str]:
        """Run the command; `expect` is the exit code that the test asks for (None: any)."""
        done = subprocess.run(
            [ROOT / "quintet", *arguments],
            cwd=ROOT,
            env=self.environment,
            text=True,
            capture_output=True,
            timeout=COMMAND_LIMIT,
            check=False,
        )
        if expect is not None:
            assert done.returncode == expect, (
                f"quintet {' '.join(arguments)} ended with {done.returncode}, not {expect}:\n"
                f"{done.stdout[-5000:]}\n{done.stderr[-5000:]}"
            )
        return done

    def start_quintet(self, *arguments: str) -> subprocess.Popen[str]:
        """Start the command in the background; what it tells of its progress is read apart from its output."""
        return subprocess.Popen(
            [ROOT / "quintet", *arguments],
            cwd=ROOT,
            env=self.environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def sql(self, query: str) -> list[dict[str, Any]]:
        """Rows of a query through Trino."""
        rows: list[dict[str, Any]] = json.loads(self.quintet("sql", query, "--format", "json").stdout)
        return rows

    def value(self, query: str) -> Any:
        """The single value of a query."""
        (row,) = self.sql(query)
        (value,) = row.values()
        return value

    def alerts(self) -> list[dict[str, Any]]:
        """The alert log."""
        path = self.lab.path("logs") / "alerts.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return [json.loads(line) for line in lines]

    def service_pid(self, name: str) -> int:
        """Process id of a service."""
        return self.service_pids()[name]

    def service_pids(self) -> dict[str, int]:
        """Process ids of all services, from `quintet status`."""
        services = json.loads(self.quintet("status", "--json").stdout)["services"]
        return {service["name"]: int(service["pid"]) for service in services}

    def supervisorctl(self, *arguments: str) -> None:
        """Speak to the lab's supervisor."""
        program = self.lab.path("envs") / "service" / "bin" / "supervisorctl"
        configuration = self.home / "config" / "supervisord.conf"
        subprocess.run([program, "-c", configuration, *arguments], check=True, capture_output=True, timeout=300)

    def kill_tree(self, pid: int) -> None:
        """kill -9 of a process and everything below it."""
        parent = psutil.Process(pid)
        for process in [*parent.children(recursive=True), parent]:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue

    def processes(self, *words: str) -> list[psutil.Process]:
        """Processes of this lab whose command line holds all words."""
        found = []
        for process in psutil.process_iter(["cmdline"]):
            line = " ".join(process.info["cmdline"] or [])
            if str(self.home) in line and all(word in line for word in words):
                found.append(process)
        return found


def wait_until(condition: Any, limit: float, what: str) -> Any:
    """Poll until `condition()` is truthy; fails the test after `limit` seconds."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.5)
    pytest.fail(f"not within {limit} s: {what}")


def task_runs(lab: LabUnderTest, dag_id: str, task_id: str) -> Callable[[], bool]:
    """Whether a task of the DAG's run that is under way is running now; for `wait_until`."""

    def look() -> bool:
        with contextlib.suppress(ServiceDownError), AirflowClient(lab.lab) as airflow:
            for run in airflow.unfinished(dag_id):
                tasks = airflow.tasks(dag_id, run.run_id)
                if any(task.task_id == task_id and task.state == "running" for task in tasks):
                    return True
        return False

    return look


@pytest.fixture(scope="session")
def installed() -> Iterator[LabUnderTest]:
    home = default_home()
    assert home.name != "quintet", "tests need a home of their own: run them through scripts/test"
    offset = int(os.environ.get("QUINTET_TEST_PORT_OFFSET", "5000"))
    lab = LabUnderTest(home, offset)
    keep = os.environ.get("QUINTET_TEST_KEEP") == "1"
    if home.exists() and not keep:
        lab.playbook("playbooks/destroy.yml", "-e", "force=true")
        shutil.rmtree(home / "backups", ignore_errors=True)
    lab.playbook("site.yml")
    try:
        yield lab
    finally:
        if not keep:
            lab.playbook("playbooks/stop.yml")


def need(lab: LabUnderTest, *profiles: str) -> None:
    """Skip the test where the lab lacks a profile."""
    if lacking := sorted(set(profiles) - set(lab.lab.profiles)):
        pytest.skip(f"the lab has no profile {', '.join(lacking)}: QUINTET_TEST_PROFILES names others")


@dataclass(frozen=True)
class Shop:
    """Generated input and the outcome of the run over it on empty tables, as the command printed it."""

    folder: Path
    outcome: dict[str, Any]

    def run(self, lab: LabUnderTest, *arguments: str, expect: int | None = 0) -> subprocess.CompletedProcess[str]:
        """Run the project over the input again."""
        return lab.quintet("run", "lakehouse", "--input", str(self.folder), *arguments, expect=expect)


@pytest.fixture(scope="session")
def shop(installed: LabUnderTest) -> Shop:
    folder = installed.lab.path("input") / "test-shop"
    shutil.rmtree(folder, ignore_errors=True)
    installed.quintet("generate", "lakehouse", "--days", DAYS, "--seed", SEED, "--out", str(folder))
    done = installed.quintet("run", "lakehouse", "--fresh", "--input", str(folder), "--json")
    return Shop(folder, json.loads(done.stdout))
