"""How far the streams are with what is in the topics, and waiting for their end.

A stream is through when its places in the topics are at their ends and two checkpoints have come since: the first holds
what the last records led to, the second shows that it was published.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaException, TopicPartition

from quintet.catalogue.ecommerce import EVENT_TOPICS, PRODUCT_VERSIONS, SLUG
from quintet.catalogue.model import Topic
from quintet.ecommerce.errors import StreamsBehindError
from quintet.errors import ServiceDownError
from quintet.settings import Lab
from quintet.streams.clients import client_settings, servers
from quintet.streams.topics import admin
from quintet.urldoor import ask

__all__ = ["JOBS", "Progress", "ends", "progress", "wait_until_through"]

#: Job -> topics that it reads.
JOBS: Mapping[str, tuple[Topic, ...]] = {
    "live_figures": tuple(EVENT_TOPICS.values()),
    "live_products": (PRODUCT_VERSIONS, EVENT_TOPICS["purchase"], EVENT_TOPICS["inventory_update"]),
}
#: Checkpoints after the last record was read.
CHECKPOINTS = 2
#: Seconds between two looks, and for one answer.
EVERY, ANSWER = 2.0, 20


@dataclass(frozen=True)
class Progress:
    """One job at one moment: records behind the ends of its topics, completed checkpoints, its state in Flink."""

    job: str
    state: str
    left: int
    checkpoints: int

    def __str__(self) -> str:
        return f"{self.job} is {self.state}, {self.left} records to go, {self.checkpoints} checkpoints"


def progress(lab: Lab) -> list[Progress]:
    """Every job of the project; one that Flink does not know is ABSENT.

    Raises:
        ServiceDownError: Flink or Kafka does not answer.

    """
    jobs = {entry["name"]: entry for entry in _asked(lab, "/jobs/overview")["jobs"] if entry["state"] == "RUNNING"}
    found = []
    for job, topics in JOBS.items():
        entry = jobs.get(f"{SLUG}/{job}")
        count = 0 if entry is None else _asked(lab, f"/jobs/{entry['jid']}/checkpoints")["counts"]["completed"]
        left = _left(lab, f"{SLUG}-{job.replace('_', '-')}", topics)
        found.append(Progress(job, "ABSENT" if entry is None else "RUNNING", left, count))
    return found


def wait_until_through(lab: Lab, *, seconds: float, tell: Callable[[Progress], None]) -> dict[str, Any]:
    """Wait for both; `tell` is called with what has changed.

    Raises:
        StreamsBehindError: they are not through in time.

    """
    began = time.monotonic()
    at_end: dict[str, int] = {}
    told: dict[str, Progress] = {}
    while True:
        try:
            for now in progress(lab):
                if now.left or now.state != "RUNNING":
                    at_end.pop(now.job, None)
                elif now.checkpoints < at_end.setdefault(now.job, now.checkpoints):
                    at_end[now.job] = now.checkpoints  # it was started anew
                if told.get(now.job) != now:
                    tell(now)
                told[now.job] = now
        except ServiceDownError:
            at_end.clear()
        waited = time.monotonic() - began
        if all(job in at_end and told[job].checkpoints >= at_end[job] + CHECKPOINTS for job in JOBS):
            return {"seconds": round(waited, 1), "jobs": [str(told[job]) for job in JOBS]}
        if waited > seconds:
            raise StreamsBehindError(
                f"the streams are not through after {waited:.0f} s: {'; '.join(map(str, told.values()))}",
                remedy="Wait longer: run again. Look at them: Flink's page, DAG ecommerce_watch_streams",
            )
        time.sleep(EVERY)


def ends(lab: Lab, topics: Iterable[Topic]) -> dict[tuple[str, int], tuple[int, int]]:
    """First and next offset of each partition. Raises ServiceDownError."""
    consumer = Consumer({**client_settings(lab), "group.id": f"{SLUG}-look", "socket.timeout.ms": ANSWER * 1000})
    try:
        return {
            (topic.name, part): consumer.get_watermark_offsets(TopicPartition(topic.name, part), timeout=ANSWER)
            for topic in topics
            for part in range(topic.partitions)
        }
    except KafkaException as error:
        raise _silent(lab, error) from error
    finally:
        consumer.close()


def _left(lab: Lab, group: str, topics: tuple[Topic, ...]) -> int:
    wanted = ends(lab, topics)
    asked = ConsumerGroupTopicPartitions(group, [TopicPartition(*place) for place in wanted])
    client = admin(lab)  # its answers come for as long as it is there
    try:
        (answer,) = client.list_consumer_group_offsets([asked], request_timeout=ANSWER).values()
        known = {(part.topic, part.partition): part.offset for part in answer.result(ANSWER).topic_partitions}
    except (KafkaException, TimeoutError) as error:
        raise _silent(lab, error) from error
    # A place that is not known yet is a negative number.
    return sum(max(0, high - max(low, known.get(place, -1))) for place, (low, high) in wanted.items())


def _silent(lab: Lab, error: Exception) -> ServiceDownError:
    return ServiceDownError(f"Kafka does not answer at {servers(lab)} ({error})", remedy="Run: quintet doctor")


def _asked(lab: Lab, path: str) -> Any:
    url = lab.endpoint("flink").url
    try:
        return json.loads(ask(url + path, timeout=ANSWER)[1])
    except (OSError, ValueError) as error:
        raise ServiceDownError(f"Flink does not answer at {url} ({error})", remedy="Run: quintet doctor") from error
