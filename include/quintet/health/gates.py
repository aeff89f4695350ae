"""Whether a node may be taken away now: nothing lacks a copy, a worker or a service, so that one less is no loss.

`examine_node` looks at the services of this machine, `examine_lab` at what the nodes make together. Which checks there
are follows from the lab file: one machine has no members and no replicas. A gate is stricter than the doctor: what is
enough to work is not enough to take a node.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from quintet.errors import QuintetError
from quintet.health.checks import Check, examine_airflow, examine_services, used
from quintet.health.clusters import (
    ask_etcd,
    ask_kafka,
    ask_postgres,
    ask_spark_workers,
    ask_taskmanagers,
    ask_trino_workers,
)
from quintet.health.sentinels import ask_agreement
from quintet.health.stores import ask_redis, ask_search_copies
from quintet.settings import Lab

__all__ = ["SETTLED", "examine_lab", "examine_node"]

#: Seconds that a process must have run: what ends in its first seconds is started again every few of them.
SETTLED = 10


def examine_node(lab: Lab) -> Iterator[Check]:
    """Services of this machine: each runs, has done so for a while, and its door answers."""
    try:
        yield from examine_services(lab, settled_s=SETTLED)
    except QuintetError as error:
        yield Check(lab.service_manager, False, error.message, error.remedy)


def examine_lab(lab: Lab) -> Iterator[Check]:
    """What the nodes make together, as far as this lab has it; asked where the client of each is, Airflow's node."""
    for name, ask in _questions(lab):
        yield used(name, ask, lab)
    if "airflow" in lab.endpoints:
        yield from examine_airflow(lab)


def _questions(lab: Lab) -> Iterator[tuple[str, Callable[[Lab, float], str]]]:
    doors, options = lab.endpoints, lab.options
    if "members" in options.get("etcd", {}):
        yield "etcd has all members", ask_etcd
    if "members" in options.get("postgres", {}):
        yield "postgres has all copies", ask_postgres
    if "kafka" in doors:
        yield "kafka has all copies", ask_kafka
    if "trino" in doors:
        yield "trino has all workers", ask_trino_workers
    if "spark_master_page" in doors:
        yield "spark has all workers", ask_spark_workers
    if "flink" in doors:
        yield "flink has all workers", ask_taskmanagers
    if "redis" in doors:
        yield "redis has all copies", ask_agreement if "sentinels" in options["redis"] else ask_redis
    if "search" in doors:
        yield "search has all copies", ask_search_copies
