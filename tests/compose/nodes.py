"""The lab of five containers as the tests see it: its nodes over ssh, its playbook, its lab file."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
#: Generous ends of waits, in seconds: they stop a hanging test and measure nothing.
PLAYBOOK_LIMIT = 3000
COMMAND_LIMIT = 1500


def run(command: list[str | Path], limit: int) -> subprocess.CompletedProcess[str]:
    """Run a program to its end."""
    return subprocess.run(
        command,
        cwd=ROOT / "ansible",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=limit,
        check=False,
    )


@dataclass
class Nodes:
    """Commands and look-ups on the nodes, `names` in the order of the inventory; `profiles` are those played."""

    names: tuple[str, ...] = field(
        default=("cpu-node1", "cpu-node2", "worker-node3", "worker-node4", "gpu-node"), init=False
    )

    profiles: str = os.environ.get("QUINTET_TEST_PROFILES", "lakehouse")

    def play(self) -> str:
        """Stand the lab up, or converge it; the playbook's output."""
        return self.playbook("site.yml", "-e", f"profiles={self.profiles}")

    def need(self, *profiles: str) -> None:
        """Profiles come to the lab in use where they were not there from the beginning."""
        if missing := sorted({*profiles} - {*self.profiles.split(",")}):
            self.profiles = ",".join([self.profiles, *missing])
            self.play()

    def play_again(self) -> None:
        """Play once more: nothing changes and no service is restarted."""
        before = {name: self.units(name) for name in self.names}
        output = self.play()
        recap = dict(re.findall(r"^(\S+)\s+: ok=\d+\s+changed=(\d+)\s+unreachable=0\s+failed=0", output, re.MULTILINE))
        changed = re.findall(r"TASK \[(.*?)\] \*+\n(?:(?:included|ok|skipping).*\n)*changed: \[(\S+?)\]", output)
        assert recap == dict.fromkeys(self.names, "0"), changed
        assert {name: self.units(name) for name in self.names} == before

    def playbook(self, name: str, *arguments: str) -> str:
        """Run a playbook of the repository on the nodes; its output. Fails the test when the playbook fails."""
        program = ROOT / ".venv" / "bin" / "ansible-playbook"
        done = run([program, "-i", "inventories/compose", name, *arguments], PLAYBOOK_LIMIT)
        assert done.returncode == 0, f"{name} ended with {done.returncode}:\n{done.stdout[-6000:]}"
        return done.stdout

    def on(self, node: str, command: str, *, expect: int | None = 0) -> str:
        """Run a shell command on a node over ssh; what it wrote, its errors included."""
        done = run([ROOT / "scripts" / "lab", "on", node, f"{{ {command}\n}} 2>&1"], COMMAND_LIMIT)
        if expect is not None:
            assert done.returncode == expect, f"{node}: {command} ended with {done.returncode}:\n{done.stdout[-5000:]}"
        return done.stdout

    def quintet(self, *arguments: str, expect: int | None = 0) -> str:
        """Run the command on the node of Airflow."""
        words = " ".join(f"'{word}'" for word in arguments)
        return self.on(
            "cpu-node1", f"COLUMNS=200 quintet {words} 2>/tmp/errors || {{ cat /tmp/errors; exit 1; }}", expect=expect
        )

    def sql(self, query: str) -> list[dict[str, Any]]:
        """Rows of a query through Trino."""
        quoted = query.replace("'", "'\\''")
        rows: list[dict[str, Any]] = json.loads(self.on("cpu-node1", f"quintet sql '{quoted}' --format json"))
        return rows

    def get(self, door: str, path: str) -> Any:
        """JSON that a door of the lab answers with, asked from the node of Airflow."""
        place = self.lab_file("cpu-node1")["endpoints"][door]
        program = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=30).read().decode())"
        url = f"http://{place['host']}:{place['port']}{path}"
        return json.loads(self.on("cpu-node1", f"/srv/quintet/envs/service/bin/python -c '{program}' '{url}'"))

    @cached_property
    def lab_files(self) -> dict[str, dict[str, Any]]:
        """What each node knows of the lab of the first play."""
        return {name: self.lab_file(name) for name in self.names}

    def lab_file(self, node: str) -> dict[str, Any]:
        """What a node knows of the lab now."""
        found: dict[str, Any] = yaml.safe_load(self.on(node, "cat /srv/quintet/config/lab.yaml"))
        return found

    def wanted(self, node: str) -> set[str]:
        """Services of the profiles in use that the inventory gives to a node."""
        variables = ROOT / "ansible" / "group_vars" / "all"
        group_of = _yaml(variables / "places.yml")["service_places"]
        profiles = {"core", *self.profiles.split(",")}
        return {
            service["name"]
            for service in _yaml(variables / "services.yml")["service_catalogue"]
            if {service["profile"], service.get("also", "core")} <= profiles
            and node in self.members(group_of[service["name"]])
        }

    def members(self, group: str) -> set[str]:
        """Nodes of a group of the inventory."""
        entry = self.inventory[group]
        return set(entry.get("hosts", ())).union(*(self.members(child) for child in entry.get("children", ())))

    @cached_property
    def inventory(self) -> dict[str, dict[str, Any]]:
        """Groups of the inventory with their hosts and children."""
        program = ROOT / ".venv" / "bin" / "ansible-inventory"
        found: dict[str, dict[str, Any]] = json.loads(run([program, "-i", "inventories/compose", "--list"], 60).stdout)
        return found

    def units(self, node: str) -> dict[str, str]:
        """Main process of every unit of the lab that runs on a node, by the service's name."""
        told = self.on(
            node,
            "systemctl list-units 'quintet-*.service' --state=running --plain --no-legend"
            " | while read -r unit _; do echo $unit $(systemctl show -P MainPID $unit); done",
        )
        return dict(re.findall(r"^quintet-(\S+)\.service (\d+)$", told, re.MULTILINE))


def wait(condition: Callable[[], bool], limit: int, what: str) -> None:
    """Look every few seconds until it is so; fails the test after `limit` seconds."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(2)
    pytest.fail(f"not within {limit} s: {what}")


def quoted(script: str) -> str:
    """A script as one word of a shell."""
    return "'" + script.replace("'", "'\\''") + "'"


def _yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def kept() -> bool:
    """Whether the containers are left running for the next time."""
    return os.environ.get("QUINTET_TEST_KEEP") == "1"
