"""The rolling restart, played on three nodes that are this machine, each with a command that notes its calls."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from plays import ANSIBLE

NODES = ("cpu-node1", "cpu-node2", "worker-node3")
#: Notes `<node> <words>`. Files say what is: `ill-<node>`, `ill-lab`; `breaks-<node>`: ill after a start;
#: `masked-<node>`: cannot be started; `primary-<node>`: has something to hand over.
COMMAND = """#!/bin/bash
cd {folder}
echo "{node} $*" >>calls
say() {{ printf '       check         seen  what to do\\nWRONG  %s  away  Read: quintet logs kafka\\n' "$1"; exit 1; }}
case "$*" in
  "gate --here") [[ ! -e ill-{node} ]] || say "kafka runs" ;;
  gate) [[ ! -e ill-lab ]] || say "kafka has all copies" ;;
  "handover --json") [[ ! -e primary-{node} ]] || done='"PostgreSQL"'; echo "{{\\"handed_over\\": [${{done:-}}]}}" ;;
  start) [[ ! -e breaks-{node} ]] || touch ill-{node}
         [[ ! -e masked-{node} ]] || {{ echo "quintet: Unit quintet-kafka.service is masked" >&2; exit 6; }} ;;
  doctor) printf 'ok     disk   9 MB\\nWRONG  alerts  1 open   Look\\n'; exit 1 ;;
esac
"""
#: What is done on a node that is not primary, its gates left out.
WORK = ["handover --json", "stop", "start"]


@dataclass(frozen=True)
class Rolling:
    """Plays on the nodes; `folder` has their commands and what these noted."""

    folder: Path

    def play(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the playbook as `make rolling` does."""
        program = Path(sys.executable).with_name("ansible-playbook")
        quick = ["-e", "rolling_patience_s=1", "-e", "rolling_wait_s=2", "-e", "rolling_look_s=1"]
        return subprocess.run(
            [program, "playbooks/rolling.yml", "-i", self.folder / "compose", *quick, *arguments],
            cwd=ANSIBLE,
            env={
                **os.environ,
                "QUINTET_HOME": str(self.folder / "home"),
                "ANSIBLE_LOCAL_TEMP": str(self.folder / "local"),
                "ANSIBLE_REMOTE_TEMP": str(self.folder / "remote"),
            },
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=300,
            check=False,
        )

    def touch(self, name: str) -> None:
        """Something is as the file's name says."""
        (self.folder / name).touch()

    def calls(self) -> list[str]:
        """All calls since the last time."""
        noted = self.folder / "calls"
        found = noted.read_text(encoding="utf-8").splitlines()
        noted.unlink()
        return found

    def work(self) -> list[str]:
        """The same without gates and the doctor."""
        return [call for call in self.calls() if "gate" not in call and "doctor" not in call]


@pytest.fixture
def rolling(tmp_path: Path) -> Rolling:
    hosts = {}
    for node in NODES:
        command = tmp_path / f"quintet-{node}"
        command.write_text(COMMAND.format(folder=tmp_path, node=node), encoding="utf-8")
        command.chmod(0o755)
        hosts[node] = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "command_program": str(command),
        }
    (tmp_path / "compose").mkdir()
    content = {"lab": {"hosts": hosts}, "airflow": {"hosts": {"cpu-node1": {}}}}
    (tmp_path / "compose" / "hosts.yml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return Rolling(tmp_path)


def test_nodes_are_taken_in_their_order_each_between_two_looks_at_all(rolling: Rolling) -> None:
    done = rolling.play()
    assert done.returncode == 0, done.stdout
    look = [*(f"{node} gate --here" for node in NODES), "cpu-node1 gate"]
    expected = [[*look, *(f"{node} {words}" for words in WORK), *look] for node in NODES]
    assert rolling.calls() == [call for calls in expected for call in calls] + ["cpu-node1 doctor"]
    assert "restarted: cpu-node1, cpu-node2, worker-node3" in done.stdout
    assert "WRONG | alerts | 1 open | Look" in done.stdout


@pytest.mark.parametrize(
    ("ill", "told"), [("worker-node3", "worker-node3: kafka runs | away"), ("lab", "the lab: kafka has all copies")]
)
def test_a_lab_that_is_not_well_is_not_touched(rolling: Rolling, ill: str, told: str) -> None:
    rolling.touch(f"ill-{ill}")
    done = rolling.play()
    assert done.returncode != 0
    assert rolling.work() == []
    assert "stopped at cpu-node1, before anything was done there" in done.stdout
    assert f"not well: {told}" in done.stdout
    assert "done: none" in done.stdout
    assert "make rolling INVENTORY=compose ARGS='--limit cpu-node1,cpu-node2,worker-node3'" in done.stdout


def test_it_stops_at_the_first_node_that_does_not_come_back_and_goes_on_from_there(rolling: Rolling) -> None:
    rolling.touch("breaks-cpu-node2")
    done = rolling.play()
    assert done.returncode != 0
    assert rolling.work() == [f"{node} {words}" for node in NODES[:2] for words in WORK]
    assert "stopped at cpu-node2, after it was restarted" in done.stdout
    assert "not well: cpu-node2: kafka runs" in done.stdout
    assert "done: cpu-node1" in done.stdout
    assert "ARGS='--limit cpu-node2,worker-node3'" in done.stdout
    # As it is, nothing more is touched; mended, the command goes on.
    again = rolling.play("--limit", "cpu-node2,worker-node3")
    assert (again.returncode != 0, rolling.work()) == (True, [])
    for name in ("breaks-cpu-node2", "ill-cpu-node2"):
        (rolling.folder / name).unlink()
    assert rolling.play("--limit", "cpu-node2,worker-node3").returncode == 0
    assert rolling.work() == [f"{node} {words}" for node in NODES[1:] for words in WORK]


def test_a_service_that_cannot_be_started_is_told_in_its_words(rolling: Rolling) -> None:
    rolling.touch("masked-cpu-node1")
    done = rolling.play()
    assert done.returncode != 0
    assert "stopped at cpu-node1, while it was restarted" in done.stdout
    assert "Unit quintet-kafka.service is masked" in done.stdout
    assert rolling.work() == [f"cpu-node1 {words}" for words in WORK]


def test_who_was_primary_is_looked_at_before_it_goes(rolling: Rolling) -> None:
    rolling.touch("primary-cpu-node2")
    assert rolling.play("--limit", "cpu-node2").returncode == 0
    calls = [call for call in rolling.calls() if call.startswith("cpu-node2") or call == "cpu-node1 gate"]
    gate = ["cpu-node2 gate --here", "cpu-node1 gate"]
    assert calls == [*gate, "cpu-node2 handover --json", *gate, "cpu-node2 stop", "cpu-node2 start", *gate]


def test_what_nobody_would_start_again_is_not_rebooted(rolling: Rolling) -> None:
    done = rolling.play("-e", "rolling_reboot=true")
    assert done.returncode != 0
    assert "nothing was touched" in done.stdout
    assert not (rolling.folder / "calls").exists()
