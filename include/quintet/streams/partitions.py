"""Brokers and partitions as the cluster tells them: which brokers answer, what has no leader, what lacks a copy."""

from __future__ import annotations

import sys
from typing import Any

from confluent_kafka import KafkaException

from quintet.call import tell
from quintet.errors import ServiceDownError
from quintet.settings import Lab, load_lab
from quintet.streams.clients import servers
from quintet.streams.topics import ANSWER, admin

__all__ = ["partitions"]


def partitions() -> dict[str, Any]:
    """Addresses of the brokers that are there, and names of partitions: offline, and behind in a copy.

    Raises:
        ServiceDownError: no broker answers.

    """
    return _told(_metadata(load_lab()))


def _metadata(lab: Lab) -> Any:
    try:
        # People's user sees every topic, those of Kafka itself as well.
        return admin(lab, user=lab.options["kafka"]["admin"]).list_topics(timeout=ANSWER)
    except KafkaException as error:
        raise ServiceDownError(f"Kafka does not answer at {servers(lab)} ({error.args[0].str()})") from error


def _told(found: Any) -> dict[str, Any]:
    """The same of a cluster's metadata."""
    offline, behind = [], []
    for topic in found.topics.values():
        for number, part in topic.partitions.items():
            name = f"{topic.topic}/{number}"
            if part.leader < 0:
                offline.append(name)
            elif len(part.isrs) < len(part.replicas):
                behind.append(name)
    brokers = [f"{broker.host}:{broker.port}" for broker in found.brokers.values()]
    return {"brokers": sorted(brokers), "offline": sorted(offline), "behind": sorted(behind)}


if __name__ == "__main__":
    sys.exit(tell(partitions))
