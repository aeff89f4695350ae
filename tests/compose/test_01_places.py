"""Standing five nodes up: each is reached, each runs what the inventory says, and a second run changes nothing."""

from __future__ import annotations

import re

import pytest
from tests.compose.nodes import Nodes

pytestmark = pytest.mark.compose


def test_every_node_is_reached_and_is_a_machine_of_its_own(nodes: Nodes) -> None:
    assert [nodes.on(name, "hostname").strip() for name in nodes.names] == list(nodes.names)
    assert {nodes.on(name, "cat /proc/1/comm").strip() for name in nodes.names} == {"systemd"}
    assert len({nodes.on(name, "cat /etc/machine-id").strip() for name in nodes.names}) == len(nodes.names)


def test_services_run_where_the_inventory_says_and_nowhere_else(nodes: Nodes) -> None:
    assert {name: set(nodes.units(name)) for name in nodes.names} == {name: nodes.wanted(name) for name in nodes.names}


def test_every_node_knows_the_same_doors(nodes: Nodes) -> None:
    doors = [lab["endpoints"] for lab in nodes.lab_files.values()]
    assert all(door == doors[0] for door in doors)
    assert {lab["node"] for lab in nodes.lab_files.values()} == set(nodes.names)


def test_services_listen_on_the_lab_network_only(nodes: Nodes) -> None:
    for name in nodes.names:
        told = nodes.on(name, "ss -H -ltnp | grep -v sshd || true")
        own = nodes.lab_files[name]["nodes"][name]["address"]
        addresses = {
            re.sub(r"^\[::ffff:(.*)\]$", r"\1", line.split()[3].rsplit(":", 1)[0]) for line in told.splitlines()
        }
        # The container's name service listens on 127.0.0.11.
        assert addresses <= {own, "127.0.0.1", "127.0.0.11", "[::1]"}, f"{name}:\n{told}"


def test_secrets_are_the_same_on_all_nodes_and_closed_to_others(nodes: Nodes) -> None:
    sums = {nodes.on(name, "sha256sum </srv/quintet/config/secrets.yaml") for name in nodes.names}
    assert len(sums) == 1
    assert {nodes.on(name, "stat -c '%a %U' /srv/quintet/config/secrets.yaml").strip() for name in nodes.names} == {
        "600 quintet"
    }


def test_a_second_run_changes_nothing_and_restarts_nothing(nodes: Nodes) -> None:
    nodes.play_again()


def test_trino_and_spark_count_every_worker(nodes: Nodes) -> None:
    (row,) = nodes.sql("select count(*) as n from system.runtime.nodes where state = 'active' and not coordinator")
    assert row["n"] == 2
    lab = nodes.lab_files["cpu-node1"]
    workers = {entry["address"] for entry in lab["nodes"].values() if "spark-worker" in entry["services"]}
    alive = {
        entry["host"] for entry in nodes.get("spark_master_page", "/json/")["workers"] if entry["state"] == "ALIVE"
    }
    assert workers == alive
