"""What several nodes make together, asked member by member: etcd, PostgreSQL, Kafka, workers of Trino, Spark and Flink.

Each function says how the cluster is and raises QuintetError when a member, a copy or a worker is missing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx

from quintet.errors import QuintetError
from quintet.flink.rest import FlinkRest
from quintet.lake.trino import connect, query
from quintet.runs.programs import run_module
from quintet.settings import Lab
from quintet.streams.clients import servers

__all__ = [
    "ask_etcd",
    "ask_kafka",
    "ask_postgres",
    "ask_spark_workers",
    "ask_taskmanagers",
    "ask_trino_workers",
    "postgres_members",
]

#: Bytes of the log that a replica may be behind. Positions are told every five seconds: a busy primary looks ahead.
LAG = 16 * 1024**2
#: States of a member of PostgreSQL's cluster that serves; older Patronis call a streaming one running.
SERVING = frozenset({"running", "streaming"})
#: Roles of a replica that has what was confirmed.
CONFIRMING = frozenset({"sync_standby", "quorum_standby"})
#: Names of partitions in a message.
SHOWN = 3


def ask_etcd(lab: Lab, timeout: float) -> str:
    """Every member of the quorum is healthy in its own words."""
    ill = []
    members: Mapping[str, str] = lab.options["etcd"]["members"]
    for name, url in members.items():
        try:
            told = _json(f"{url}/health", timeout)
            if str(told.get("health")) != "true":
                ill.append(f"{name}: {told.get('reason') or 'not healthy'}")
        except QuintetError as error:
            ill.append(f"{name}: {error.message}")
    if ill:
        raise QuintetError("; ".join(ill), remedy="On that node: quintet logs etcd")
    return f"members: {len(members)}"


def ask_postgres(lab: Lab, timeout: float) -> str:
    """There is one primary, every other server follows it closely, and one of them confirms what is written."""
    wanted = lab.options["postgres"]["members"]
    found = postgres_members(lab, timeout)
    wrong = [f"{name} is not in the cluster" for name in wanted if name not in found]
    leaders = [name for name, member in found.items() if member["role"] == "leader"]
    if len(leaders) != 1:
        wrong.append(f"primaries: {', '.join(leaders) or 'none'}")
    for name, member in found.items():
        if member["state"] not in SERVING:
            wrong.append(f"{name} is {member['state']}")
        elif name not in leaders and _lag(member) is None:
            wrong.append(f"{name} does not tell how far it is")
        elif name not in leaders and (_lag(member) or 0) > LAG:
            wrong.append(f"{name} is {(_lag(member) or 0) // 1024**2} MB behind")
    if not wrong and not any(member["role"] in CONFIRMING for member in found.values()):
        wrong.append("no replica confirms what is written")
    if wrong:
        raise QuintetError("; ".join(wrong), remedy="On the nodes of PostgreSQL: quintet logs postgres")
    return f"primary: {leaders[0]}, replicas: {len(found) - 1}"


def postgres_members(lab: Lab, timeout: float) -> dict[str, dict[str, Any]]:
    """Members of PostgreSQL's cluster by name, as the first Patroni that answers tells them.

    Raises:
        QuintetError: none answers.

    """
    said = []
    for name, url in lab.options["postgres"]["members"].items():
        try:
            return {member["name"]: member for member in _json(f"{url}/cluster", timeout)["members"]}
        except (QuintetError, KeyError, TypeError) as error:
            said.append(f"{name}: {error}")
    raise QuintetError(f"no Patroni answers: {'; '.join(said)}", remedy="On those nodes: quintet logs postgres")


def ask_kafka(lab: Lab, _timeout: float) -> str:
    """Every broker is there, and every partition has a leader and all its copies in step."""
    if "streaming" not in lab.environments:
        raise QuintetError("this node has no client of Kafka", remedy="Ask on the node of Airflow")
    told = run_module(lab, "streaming", "quintet.streams.partitions")
    wanted = servers(lab).split(",")
    wrong = [f"no broker at {place}" for place in wanted if place not in told["brokers"]]
    wrong += [
        f"partitions {what}: {len(names)} ({', '.join(names[:SHOWN])}{', …' if len(names) > SHOWN else ''})"
        for what, names in (("without a leader", told["offline"]), ("that lack a copy", told["behind"]))
        if names
    ]
    if wrong:
        raise QuintetError("; ".join(wrong), remedy="On the nodes of Kafka: quintet status; then: quintet logs kafka")
    return f"brokers: {len(told['brokers'])}, every partition has its copies"


def ask_trino_workers(lab: Lab, _timeout: float) -> str:
    """Every node that is to run Trino is active."""
    rows = query(connect(lab), "select http_uri from system.runtime.nodes where state = 'active'")
    return _all_there(lab, "trino", {urlsplit(row[0]).hostname or "" for row in rows})


def ask_spark_workers(lab: Lab, timeout: float) -> str:
    """The master counts every worker as alive."""
    workers = _json(f"{lab.endpoint('spark_master_page').url}/json/", timeout).get("workers", [])
    return _all_there(lab, "spark-worker", {worker["host"] for worker in workers if worker["state"] == "ALIVE"})


def ask_taskmanagers(lab: Lab, timeout: float) -> str:
    """The JobManager knows every TaskManager."""
    with FlinkRest(lab, timeout=timeout) as rest:
        return _all_there(lab, "flink-taskmanager", rest.workers())


def _all_there(lab: Lab, service: str, found: Collection[str]) -> str:
    wanted = lab.where(service)
    missing = [node.name for node in wanted if node.address not in found]
    if missing:
        raise QuintetError(
            f"{len(wanted) - len(missing)} of {len(wanted)}, missing: {', '.join(missing)}",
            remedy=f"There: quintet logs {service}",
        )
    return f"{len(wanted)} of {len(wanted)}"


def _lag(member: Mapping[str, Any]) -> int | None:
    """Bytes that a replica is behind; Patroni says `unknown` of one that it cannot compare."""
    told = member.get("lag")
    return told if isinstance(told, int) else None


def _json(url: str, timeout: float) -> dict[str, Any]:
    """A JSON object, whatever the status: who is ill says so with 503. Raises QuintetError."""
    try:
        told = httpx.get(url, timeout=timeout, trust_env=False).json()
    except (httpx.HTTPError, ValueError) as error:
        raise QuintetError(f"{url}: {error}") from error
    if not isinstance(told, dict):
        raise QuintetError(f"{url}: not an object of JSON")
    return told
