"""What a play restarts, and what it says of it: services of a supervisor of their own, that do nothing but sleep."""

from __future__ import annotations

import getpass
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from paths import ROOT
from plays import Play, player

SERVICES = ("postgres", "trino")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Home of a lab with the environment that holds supervisor; it is shut down in the end."""
    subprocess.run([ROOT / "scripts" / "env", "service"], check=True, cwd=ROOT)
    found = tmp_path_factory.mktemp("restarts") / "home"
    for name in ("config", "data", "envs", "logs", "run"):
        (found / name).mkdir(parents=True)
    (found / "envs" / "service").symlink_to(ROOT / ".venv-service")
    yield found
    subprocess.run([*control(found), "shutdown"], check=True, capture_output=True, timeout=60)


@pytest.fixture(scope="module")
def play(home: Path) -> Play:
    return player(home.with_name("play"), home)


def control(home: Path) -> list[str | Path]:
    return [home / "envs" / "service" / "bin" / "supervisorctl", "-c", home / "config" / "supervisord.conf"]


def pids(home: Path) -> dict[str, int]:
    found = {}
    for name in SERVICES:
        done = subprocess.run([*control(home), "pid", name], capture_output=True, text=True, check=True, timeout=60)
        found[name] = int(done.stdout)
    return found


def converge(play: Play, home: Path, *, seconds: int = 600, settings: str = "heap=1") -> str:
    """Play the roles of services as the lab does; what was said of starts."""
    watched = home / "config" / "trino.properties"
    tasks: list[dict[str, Any]] = [
        {"name": "Supervisor", "ansible.builtin.include_role": {"name": "supervision"}},
        {
            "name": "Settings",
            "ansible.builtin.copy": {"dest": str(watched), "content": settings, "mode": "0644"},
        },
    ]
    for name in SERVICES:
        given = {"service_name": name, "service_command": ["/bin/sleep", "600"]}
        if name == "trino":
            given |= {"service_command": ["/bin/sleep", str(seconds)], "service_watch": [str(watched)]}
        tasks.append({"name": name, "ansible.builtin.include_role": {"name": "service"}, "vars": given})
    tasks.append({"name": "Report", "ansible.builtin.include_role": {"name": "report"}})
    done = play(tasks, service_manager="supervisor", service_user=getpass.getuser(), lab_command_note="")
    assert done.returncode == 0, done.stdout[-3000:]
    (said,) = [line for line in done.stdout.splitlines() if '"msg": "started' in line or '"msg": "nothing' in line]
    return said.strip()


def test_what_is_new_is_started_and_told(play: Play, home: Path) -> None:
    assert converge(play, home) == '"msg": "started: postgres: new; trino: new"'
    assert all(pids(home).values())


def test_nothing_is_restarted_without_a_reason(play: Play, home: Path) -> None:
    before = pids(home)
    assert converge(play, home) == '"msg": "nothing was restarted"'
    assert pids(home) == before


def test_changed_settings_restart_the_service_that_reads_them_and_no_other(play: Play, home: Path) -> None:
    before = pids(home)
    assert converge(play, home, settings="heap=2") == '"msg": "started: trino: its configuration changed"'
    after = pids(home)
    assert after["postgres"] == before["postgres"]
    assert after["trino"] != before["trino"]


def test_a_changed_command_restarts_a_service_and_one_that_was_stopped_is_started(play: Play, home: Path) -> None:
    before = pids(home)
    subprocess.run([*control(home), "stop", "postgres"], check=True, capture_output=True, timeout=60)
    said = converge(play, home, seconds=900, settings="heap=2")
    assert said == '"msg": "started: postgres: it was not running; trino: its launcher changed"'
    after = pids(home)
    assert all(before[name] != after[name] for name in SERVICES)
