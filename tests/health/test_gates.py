"""The gate before a node is taken away: every missing copy, member and worker is named. Servers are small ones."""

from __future__ import annotations

import getpass
import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from labs import lab_below
from quintet.errors import QuintetError, SettingsError
from quintet.health import clusters
from quintet.health.gates import examine_lab, examine_node
from quintet.settings import Environment, Lab
from serving import JsonHandler, serving
from supervisor_server import supervisor_server
from trino_server import trino_server

NODES = {
    "one": {"address": "127.0.0.1", "services": ["kafka", "trino", "postgres"]},
    "two": {"address": "127.0.0.2", "services": ["kafka", "trino", "spark-worker", "flink-taskmanager", "postgres"]},
    "three": {"address": "127.0.0.3", "services": ["kafka", "trino", "spark-worker", "flink-taskmanager"]},
}


class Server(JsonHandler):
    """A value by path; a path that is not there has none."""

    values: dict[str, Any] = {}  # noqa: RUF012 - as the test says

    def do_GET(self) -> None:
        self.say(200 if self.path in self.values else 503, self.values.get(self.path, {"health": "false"}))


@pytest.fixture
def values() -> dict[str, Any]:
    return {
        "/health": {"health": "true"},
        "/cluster": {
            "members": [
                {"name": "one", "role": "leader", "state": "running"},
                {"name": "two", "role": "sync_standby", "state": "streaming", "lag": 0},
            ]
        },
        "/json/": {
            "workers": [{"host": "127.0.0.2", "state": "ALIVE"}, {"host": "127.0.0.3", "state": "ALIVE"}],
        },
        "/taskmanagers": {
            "taskmanagers": [
                {"path": "pekko.tcp://flink@127.0.0.2:18094/user/rpc/taskmanager_0"},
                {"path": "pekko.tcp://flink@127.0.0.3:18094/user/rpc/taskmanager_0"},
            ]
        },
    }


@pytest.fixture
def lab(tmp_path: Path, values: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    monkeypatch.setattr(Server, "values", values)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    with serving(server), trino_server(lambda _: [[f"http://127.0.0.{n}:18080"] for n in (1, 2, 3)]) as trino:
        url = f"http://127.0.0.1:{server.server_port}"
        yield lab_below(
            tmp_path / "lab",
            trino_port=trino.port,
            more_doors={"spark_master_page": server.server_port, "flink": server.server_port},
            options={
                "etcd": {"members": {"one": url, "two": url, "three": url}},
                "postgres": {"user": "patroni", "members": {"one": url, "two": url}},
            },
            nodes=NODES,
            user=getpass.getuser(),
        )


def wrong(lab: Lab) -> dict[str, str]:
    return {check.name: check.detail for check in examine_lab(lab) if not check.ok}


def test_a_whole_lab_is_let_through(lab: Lab) -> None:
    found = {check.name: check.detail for check in examine_lab(lab)}
    assert wrong(lab) == {}
    assert found == {
        "etcd has all members": "members: 3",
        "postgres has all copies": "primary: one, replicas: 1",
        "trino has all workers": "3 of 3",
        "spark has all workers": "2 of 2",
        "flink has all workers": "2 of 2",
    }


def test_everything_that_is_missing_is_named_with_what_to_do(lab: Lab, values: dict[str, Any]) -> None:
    values["/json/"]["workers"][1]["state"] = "DEAD"
    values["/taskmanagers"]["taskmanagers"].pop(0)
    del values["/health"]
    found = wrong(lab)
    assert found["spark has all workers"] == "1 of 2, missing: three"
    assert found["flink has all workers"] == "1 of 2, missing: two"
    assert found["etcd has all members"] == "one: not healthy; three: not healthy; two: not healthy"
    assert [check.name for check in examine_lab(lab) if not check.ok and not check.remedy] == []


Change = Callable[[list[dict[str, Any]]], object]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda members: members.pop(1), "two is not in the cluster"),
        (lambda members: members[0].update(role="replica", lag=0), "primaries: none"),
        (lambda members: members[1].update(state="stopped"), "two is stopped"),
        (lambda members: members[1].update(state="starting"), "two is starting"),
        (lambda members: members[1].update(lag="unknown"), "two does not tell how far it is"),
        (lambda members: members[1].update(lag=clusters.LAG + 1), "two is 16 MB behind"),
        (lambda members: members[1].update(role="replica"), "no replica confirms what is written"),
    ],
)
def test_a_replica_that_could_not_take_over_is_told(
    lab: Lab, values: dict[str, Any], change: Change, told: str
) -> None:
    change(values["/cluster"]["members"])
    assert wrong(lab)["postgres has all copies"].startswith(told)


def test_a_replica_at_the_bound_is_near_enough(lab: Lab, values: dict[str, Any]) -> None:
    values["/cluster"]["members"][1]["lag"] = clusters.LAG
    assert "postgres has all copies" not in wrong(lab)


def test_a_patroni_that_is_silent_leaves_the_word_to_another(lab: Lab) -> None:
    members = {"two": "http://127.0.0.1:1", **lab.options["postgres"]["members"]}
    options = {**lab.options, "postgres": {"user": "patroni", "members": {**members, "two": "http://127.0.0.1:1"}}}
    assert clusters.ask_postgres(replace(lab, options=options), 5) == "primary: one, replicas: 1"
    options["postgres"]["members"] = dict.fromkeys(("one", "two"), "http://127.0.0.1:1")
    with pytest.raises(QuintetError, match=r"no Patroni answers: one: .*; two: "):
        clusters.ask_postgres(replace(lab, options=options), 5)


def test_a_worker_of_trino_that_is_away_is_named(lab: Lab, tmp_path: Path) -> None:
    with trino_server(lambda _: [["http://127.0.0.1:18080"], ["http://127.0.0.3:18080"]]) as trino:
        door = replace(lab.endpoints["trino"], port=trino.port)
        found = wrong(replace(lab, endpoints={**lab.endpoints, "trino": door}))
    assert found == {"trino has all workers": "2 of 3, missing: two"}


def with_kafka(lab: Lab, told: dict[str, Any]) -> Lab:
    """The lab with brokers on three nodes, of which the client's environment tells this."""
    prefix = lab.path("envs") / "streaming"
    (prefix / "bin").mkdir(parents=True)
    program = prefix / "bin" / "python"
    program.write_text(f"#!/bin/sh\ncat <<'END'\nRESULT {json.dumps(told)}\nEND\n", encoding="utf-8")
    program.chmod(0o755)
    places = ",".join(f"127.0.0.{n}:19092" for n in (1, 2, 3))
    return replace(
        lab,
        endpoints={"kafka": replace(lab.endpoints["flink"], name="kafka")},
        environments={"streaming": Environment("streaming", prefix)},
        options={"kafka": {"servers": places}},
    )


BROKERS = [f"127.0.0.{n}:19092" for n in (1, 2, 3)]


def test_brokers_that_are_there_and_partitions_in_step_are_let_through(lab: Lab) -> None:
    whole = with_kafka(lab, {"brokers": BROKERS, "offline": [], "behind": []})
    assert clusters.ask_kafka(whole, 5) == "brokers: 3, every partition has its copies"


def test_a_missing_broker_and_partitions_that_lack_something_are_named(lab: Lab) -> None:
    behind = [f"shop/{number}" for number in range(12)]
    found = wrong(with_kafka(lab, {"brokers": BROKERS[1:], "offline": ["a/0"], "behind": behind}))
    assert found == {
        "kafka has all copies": "no broker at 127.0.0.1:19092; partitions without a leader: 1 (a/0); "
        "partitions that lack a copy: 12 (shop/0, shop/1, shop/2, …)"
    }


def test_a_node_without_a_client_of_kafka_says_where_to_ask(lab: Lab) -> None:
    without = replace(with_kafka(lab, {}), environments={})
    with pytest.raises(QuintetError, match="Ask on the node of Airflow"):
        clusters.ask_kafka(without, 5)


def test_one_machine_is_asked_only_for_what_it_has(tmp_path: Path) -> None:
    with trino_server(lambda _: [["http://127.0.0.1:18080"]]) as trino:
        one = lab_below(tmp_path / "lab", trino_port=trino.port, nodes={"localhost": NODES["one"]})
        assert [check.name for check in examine_lab(one)] == ["trino has all workers"]
        assert wrong(one) == {}


def test_a_lab_file_of_an_older_release_is_told(lab: Lab) -> None:
    with pytest.raises(SettingsError, match=r"names no nodes\. Run: make install"):
        replace(lab, nodes={}).where("trino")
    assert wrong(replace(lab, nodes={}))["spark has all workers"].endswith("names no nodes")


def node_lab(home: Path) -> Lab:
    services = [{"name": "kafka", "order": 20, "memory_mb": 1}, {"name": "proxy", "order": 12, "memory_mb": 1}]
    return lab_below(home, services=services, user=getpass.getuser())


def test_services_of_this_node_have_to_run(tmp_path: Path) -> None:
    lab = node_lab(tmp_path / "lab")
    with supervisor_server(lab.path("run") / "supervisor.sock") as server:
        server.programs = {"kafka": ("STOPPED", 0), "proxy": ("RUNNING", os.getpid())}
        found = {check.name: (check.ok, check.remedy) for check in examine_node(lab)}
    assert found == {
        "proxy runs": (True, ""),
        "kafka runs": (False, "Read: quintet logs kafka; then: quintet start kafka"),
    }


def test_a_service_that_has_just_been_started_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = node_lab(tmp_path / "lab")
    # The server of the tests calls every program a minute old.
    monkeypatch.setattr("quintet.health.gates.SETTLED", 90)
    with supervisor_server(lab.path("run") / "supervisor.sock") as server:
        server.programs = {name: ("RUNNING", os.getpid()) for name in ("kafka", "proxy")}
        assert {check.detail for check in examine_node(lab)} == {"runs for 60 s only"}


def test_a_node_whose_services_nobody_keeps_is_not_well(tmp_path: Path) -> None:
    (check,) = examine_node(node_lab(tmp_path / "lab"))
    assert not check.ok
    assert re.search("does not answer", check.detail)
