"""All figures at one moment: the parts are asked at once, and one that fails or hangs costs its own figures only."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait

from quintet.errors import QuintetError
from quintet.monitoring.airflow import airflow
from quintet.monitoring.backups import backups
from quintet.monitoring.doors import certificates, doors
from quintet.monitoring.figures import Figure
from quintet.monitoring.flink import flink
from quintet.monitoring.kafkalag import kafka_lag
from quintet.settings import Lab

__all__ = ["Part", "collect", "parts_of"]

#: Seconds for all parts; Prometheus waits ten for the answer.
ALL_PARTS = 8.0

#: Figures of one part of the lab.
Part = Callable[[Lab], Iterator[Figure]]

_log = logging.getLogger(__name__)


def parts_of(lab: Lab) -> Mapping[str, Part]:
    """The parts that this lab has, by the service that answers for them."""
    found: dict[str, Part] = {
        "doors": doors,
        "certificates": certificates,
        "airflow-api-server": airflow,
        "postgres": backups,
    }
    if "flink" in lab.endpoints:
        found["flink-jobmanager"] = flink
    if "kafka" in lab.endpoints:
        found["kafka"] = kafka_lag
    return found


def collect(lab: Lab, parts: Mapping[str, Part], patience: float = ALL_PARTS) -> list[Figure]:
    """Figures of the parts, and `quintet_part_ok`, 1 or 0, of each."""
    pool = ThreadPoolExecutor(max_workers=len(parts), thread_name_prefix="part")
    try:
        asked = {name: pool.submit(_all_of, part, lab) for name, part in parts.items()}
        wait(asked.values(), timeout=patience)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    found = []
    for name, answer in asked.items():
        figures = answer.result() if answer.done() and not answer.cancelled() else None
        found += [Figure("quintet_part_ok", float(figures is not None), {"service": name}), *(figures or [])]
    return found


def _all_of(part: Part, lab: Lab) -> list[Figure] | None:
    try:
        return list(part(lab))
    except QuintetError as error:
        _log.warning("%s", error.message)
        return None
