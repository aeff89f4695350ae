"""Inventories of one shape: the same groups in each, every service with a place, nodes with an address."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from plays import ANSIBLE

INVENTORIES = sorted(path.name for path in (ANSIBLE / "inventories").iterdir())
SEVERAL = [name for name in INVENTORIES if name != "local"]


@cache
def inventory(name: str) -> dict[str, Any]:
    """What Ansible makes of an inventory: groups and the variables of hosts."""
    program = Path(sys.executable).with_name("ansible-inventory")
    done = subprocess.run(
        [program, "-i", ANSIBLE / "inventories" / name, "--playbook-dir", ANSIBLE, "--list", "--export"],
        cwd=ANSIBLE,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def values(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ANSIBLE / "group_vars" / "all" / f"{name}.yml").read_text(encoding="utf-8"))
    return found


def groups(name: str) -> set[str]:
    named: set[str] = set()
    for path in (ANSIBLE / "inventories" / name).glob("*.yml"):
        named |= set(yaml.safe_load(path.read_text(encoding="utf-8")))
    return named - {"nodes"}


@pytest.mark.parametrize("name", INVENTORIES)
def test_groups_are_the_same_in_every_inventory(name: str) -> None:
    assert groups(name) == groups("local")


def test_every_service_and_every_door_has_a_group() -> None:
    places = values("places")
    services = {service["name"] for service in values("services")["service_catalogue"]}
    assert set(places["service_places"]) == services
    named = set(places["service_places"].values()) | set(places["door_places"].values())
    assert named - groups("local") == set()


@pytest.mark.parametrize("name", SEVERAL)
def test_five_nodes_have_addresses_of_their_own(name: str) -> None:
    hosts = inventory(name)["_meta"]["hostvars"]
    assert sorted(hosts) == ["cpu-node1", "cpu-node2", "gpu-node", "worker-node3", "worker-node4"]
    assert len({variables["lab_address"] for variables in hosts.values()}) == len(hosts)


@pytest.mark.parametrize("name", SEVERAL)
def test_two_servers_of_redis_have_sentinels_of_which_one_may_be_away(name: str) -> None:
    places = yaml.safe_load((ANSIBLE / "inventories" / name / "places.yml").read_text(encoding="utf-8"))
    assert len(places["redis"]["hosts"]) == 2
    assert len(places["sentinels"]["hosts"]) == 3


def test_containers_and_machines_have_the_same_services_in_the_same_places() -> None:
    compose, homelab = (
        yaml.safe_load((ANSIBLE / "inventories" / name / "places.yml").read_text(encoding="utf-8"))
        for name in ("compose", "homelab")
    )
    assert compose == homelab
