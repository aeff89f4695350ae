"""Five containers: the compose file names the nodes of the inventory, and only its own service plays on them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from plays import ANSIBLE

ROOT = ANSIBLE.parent
#: An image that is not to be made again, nodes that tell a key and let everybody in, a lab file with one page.
STANDINS = {
    "docker": """case $1 in
  image) cat containers/node/* | sha256sum | cut -c1-16 ;;
  exec) echo "ssh-ed25519 key" ;;
esac
""",
    "ssh": """case "$*" in
  *lab.yaml) printf 'endpoints:\\n  airflow: {host: 172.30.84.11, port: 18081, scheme: http}\\n' ;;
esac
""",
    "ssh-keygen": """touch "${@: -1}" "${@: -1}.pub"
""",
}


def compose_file() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yaml").read_text(encoding="utf-8"))
    return found


def inventory(**environment: str) -> dict[str, dict[str, Any]]:
    """Variables of the hosts of inventory `compose` as a program with this environment has them."""
    program = Path(sys.executable).with_name("ansible")
    task = ["-m", "ansible.builtin.debug", "-a", "msg={{ [ansible_host, ansible_port | int, lab_address] }}"]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("QUINTET_LAB_")}
    done = subprocess.run(
        [program, "-i", "inventories/compose", "nodes", "--playbook-dir", ".", *task],
        cwd=ANSIBLE,
        env={**kept, **environment, "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return {
        node: dict(zip(("host", "port", "address"), json.loads(told)["msg"], strict=True))
        for node, told in re.findall(r"^(\S+) \| SUCCESS => (\{.*?^\})$", done.stdout, re.MULTILINE | re.DOTALL)
    }


def default(value: str) -> str:
    """A value of the compose file as it is without variables."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value)


def test_nodes_of_the_compose_file_are_those_of_the_inventory() -> None:
    services = compose_file()["services"]
    hosts = inventory()
    assert set(services) == {*hosts, "controller"}
    for node, place in hosts.items():
        assert services[node]["hostname"] == node
        assert default(services[node]["networks"]["lab"]["ipv4_address"]) == place["address"]
        assert [default(port) for port in services[node]["ports"]] == [f"{place['host']}:{place['port']}:22"]


def test_the_controller_asks_nodes_at_their_own_addresses() -> None:
    hosts = inventory(QUINTET_LAB_INSIDE="1", QUINTET_LAB_SUBNET="172.30.99")
    assert len(hosts) == 5
    assert all(place["host"] == place["address"] and place["port"] == 22 for place in hosts.values())
    assert {place["address"].rpartition(".")[0] for place in hosts.values()} == {"172.30.99"}


def test_the_compose_file_needs_no_variable() -> None:
    text = (ROOT / "docker-compose.yaml").read_text(encoding="utf-8")
    assert re.findall(r"\$\{\w+(?!\w*:-)[^}]*\}", text) == []
    volumes = compose_file()["volumes"]
    for name, service in compose_file()["services"].items():
        sources = [default(volume).split(":")[0] for volume in service["volumes"]]
        assert {source for source in sources if source != "."} <= set(volumes), name


def test_one_service_builds_the_image_that_all_have() -> None:
    services = compose_file()["services"].values()
    assert len({service["image"] for service in services}) == 1
    assert [service["hostname"] for service in services if "build" in service] == ["cpu-node1"]


def test_the_controller_changes_neither_the_clone_nor_the_keys_that_nodes_publish() -> None:
    services = compose_file()["services"]
    mounts = services["controller"]["volumes"]
    assert ".:/mnt/source:ro" in mounts
    assert "keys:/mnt/keys:ro" in mounts
    assert all(volume.split(":")[0] != "." for node in inventory() for volume in services[node]["volumes"])


def test_make_lab_starts_the_nodes_and_no_controller(lab: Lab) -> None:
    done = lab("up")
    assert done.returncode == 0, done.stdout
    [asked] = [line.split() for line in lab.asked() if " up " in line]
    assert sorted(asked[asked.index("--no-recreate") + 1 :]) == sorted(inventory())


def test_nodes_are_known_by_the_keys_that_they_have_told(lab: Lab) -> None:
    lab("up")
    known = (lab.folder / "state/compose/ssh/known_hosts").read_text(encoding="utf-8").splitlines()
    assert known == [f"[127.0.0.1]:{22010 + number} ssh-ed25519 key" for number in range(1, 6)]


@pytest.mark.parametrize(("inside", "way"), [("", "scripts/lab on"), ("1", "docker compose exec")])
def test_doors_are_told_with_the_way_to_the_passwords(lab: Lab, inside: str, way: str) -> None:
    told = [line.split(maxsplit=1) for line in lab("doors", QUINTET_LAB_INSIDE=inside).stdout.splitlines()]
    assert told == [
        ["airflow", "http://172.30.84.11:18081"],
        ["passwords", f"{way} cpu-node1 quintet secrets show airflow"],
        ["state", f"{way} cpu-node1 quintet status"],
    ]
    address = "root@172.30.84.11" if inside else "root@127.0.0.1"
    assert [line for line in lab.asked() if address in line] == lab.asked()


@dataclass
class Lab:
    """`scripts/lab` with programs that stand for Docker's and for ssh: they write down what they are asked."""

    folder: Path

    def __call__(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("QUINTET_LAB_")}
        own = {
            "PATH": f"{self.folder}/bin:{os.environ['PATH']}",
            "QUINTET_STATE": str(self.folder / "state"),
            "XDG_CACHE_HOME": str(self.folder / "cache"),
            "UV_CACHE_DIR": str(self.folder / "cache/uv"),
        }
        return subprocess.run(
            [ROOT / "scripts" / "lab", *arguments],
            env={**kept, **own, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )

    def asked(self) -> list[str]:
        """Lines of arguments that the programs were started with."""
        return (self.folder / "asked").read_text(encoding="utf-8").splitlines()


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    (tmp_path / "bin").mkdir()
    for name, script in STANDINS.items():
        program = tmp_path / "bin" / name
        program.write_text(f'#!/usr/bin/env bash\necho "$*" >>{tmp_path}/asked\n{script}', encoding="utf-8")
        program.chmod(0o755)
    return Lab(tmp_path)
