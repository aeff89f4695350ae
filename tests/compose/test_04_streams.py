"""Streams on five nodes: three brokers, two TaskManagers, and no change is lost when one of them dies."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from tests.compose.nodes import Nodes, wait

pytestmark = pytest.mark.compose

#: Python of the streaming environment as the lab's user.
PYTHON = (
    "env QUINTET_LAB=/srv/quintet/config/lab.yaml setpriv --reuid quintet --regid quintet --init-groups"
    " /srv/quintet/envs/streaming/bin/python"
)
BROKERS = ("cpu-node1", "cpu-node2", "worker-node3")
#: Seconds until a killed process is back.
LIMIT = 240


@pytest.fixture(scope="module")
def streams(nodes: Nodes) -> Nodes:
    """The lab with one profile more, which comes to it in use where it was not there from the beginning."""
    nodes.need("streaming")
    return nodes


def run(streams: Nodes, *options: str) -> None:
    outcome = json.loads(streams.quintet("run", "lakehouse", "--cdc", "--json", *options))
    assert outcome["state"] == "success"


def verify(streams: Nodes) -> None:
    checks = json.loads(streams.quintet("verify", "lakehouse", "--cdc", "--json", expect=None))["checks"]
    assert checks
    assert [check for check in checks if not check["ok"]] == []


def partitions(streams: Nodes) -> list[dict[str, Any]]:
    """Leader, copies and copies in step of every partition."""
    program = (
        "import json\nfrom quintet.settings import load_lab\nfrom quintet.streams.topics import admin\n"
        "found = admin(load_lab()).list_topics(timeout=30)\n"
        "print(json.dumps([{'topic': topic.topic, 'leader': part.leader, 'copies': part.replicas, "
        "'in_step': part.isrs} "
        "for topic in found.topics.values() for part in topic.partitions.values()]))"
    )
    found: list[dict[str, Any]] = json.loads(streams.on("cpu-node1", f'{PYTHON} -c "{program}"'))
    return found


def under_load(streams: Nodes, node: str, service: str) -> None:
    """kill -9 of a service of a node while the shop changes."""
    workload = f"{PYTHON} -m quintet.lakehouse.shop.workload --changes 2000 --rate 80 --seed {len(node)}"
    streams.on("cpu-node1", f"nohup {workload} </dev/null >/tmp/workload.log 2>&1 &")
    time.sleep(8)
    before = streams.units(node)[service]
    streams.on(node, f"systemctl kill --signal=KILL quintet-{service}")
    wait(lambda: streams.units(node).get(service, before) != before, LIMIT, f"{service} of {node} is back")
    wait(
        lambda: streams.on("cpu-node1", "pgrep -f '[s]hop.workload' || echo none") == "none\n",
        LIMIT,
        "the load has ended",
    )
    wait(lambda: captures(streams), LIMIT, "Kafka Connect answers")


def captures(streams: Nodes) -> bool:
    """Whether the worker listens, which a new one does long after its process is there."""
    try:
        return bool(streams.get("connect", "/connectors"))
    except AssertionError:
        return False


def test_streams_run_where_the_inventory_says(streams: Nodes) -> None:
    assert {name: set(streams.units(name)) for name in streams.names} == {
        name: streams.wanted(name) for name in streams.names
    }


def test_a_second_run_with_streams_changes_nothing_and_restarts_nothing(streams: Nodes) -> None:
    streams.play_again()


def test_every_taskmanager_of_the_inventory_is_known(streams: Nodes) -> None:
    nodes = streams.lab_file("cpu-node1")["nodes"]
    wanted = {entry["address"] for entry in nodes.values() if "flink-taskmanager" in entry["services"]}
    known = {
        manager["path"].partition("@")[2].partition(":")[0]
        for manager in streams.get("flink", "/taskmanagers")["taskmanagers"]
    }
    assert known == wanted
    assert len(wanted) == 2


def test_changes_reach_both_lakes_and_every_partition_has_three_copies(streams: Nodes) -> None:
    run(streams, "--changes", "500", "--seed", "21")
    verify(streams)
    found = partitions(streams)
    assert {topic["topic"] for topic in found} >= {"lakehouse.orders.changes", "platform.connect.configs"}
    assert {len(part["copies"]) for part in found} == {3}
    wait(lambda: all(len(part["in_step"]) == 3 for part in partitions(streams)), LIMIT, "all copies are in step")


@pytest.mark.parametrize(
    ("node", "service"), [("cpu-node2", "kafka"), ("worker-node3", "flink-taskmanager"), ("worker-node3", "connect")]
)
def test_a_process_that_is_killed_under_load_loses_and_doubles_nothing(streams: Nodes, node: str, service: str) -> None:
    under_load(streams, node, service)
    run(streams, "--changes", "100", "--seed", "5")
    verify(streams)


def test_with_one_broker_away_messages_are_taken_and_given(streams: Nodes) -> None:
    """Two of three copies confirm a message; whoever asks begins at any broker that answers."""
    streams.on("cpu-node1", "systemctl stop quintet-kafka")
    try:
        assert {part["leader"] for part in partitions(streams)} == {2, 3}
        run(streams, "--changes", "100", "--seed", "6")
        verify(streams)
    finally:
        streams.on("cpu-node1", "systemctl start quintet-kafka")
    wait(lambda: all(len(part["in_step"]) == 3 for part in partitions(streams)), LIMIT, "all copies are in step")
