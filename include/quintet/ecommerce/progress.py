"""How far the streams are with what is in the topics, and waiting for their end.

A stream is through when its places in the topics are at their ends, its time is past all that the input began, and two
checkpoints have come since: the first holds what the last records led to, the second shows that it was published.

Flink keeps no watermark: a stream that is started anew at the end of its topics does not know the time, and tells
nothing that waits for one. The end of the input is sent to it again then.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaException, TopicPartition

from quintet.catalogue.ecommerce import EVENT_TOPICS, PRICE_LIST, PRODUCT_VERSIONS, SLUG
from quintet.catalogue.model import Topic
from quintet.ecommerce.errors import StreamsBehindError
from quintet.errors import ServiceDownError
from quintet.settings import Lab
from quintet.streams.clients import client_settings, servers
from quintet.streams.places import bounds, next_record
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
#: Seconds until a stream that has read everything is told the end again; Flink's figures may be 10 s old.
PATIENCE = 60.0


@dataclass(frozen=True)
class Progress:
    """One job at one moment: records behind the ends of its topics, completed checkpoints, its state in Flink.

    `restored`: starts from a checkpoint; `time_ms`: the time that all of its parts have reached, None: not asked for.
    """

    job: str
    state: str
    left: int
    checkpoints: int
    restored: int = 0
    time_ms: int | None = None

    def __str__(self) -> str:
        return f"{self.job} is {self.state}, {self.left} records to go, {self.checkpoints} checkpoints"

    def is_at_end(self, over_ms: int) -> bool:
        """Whether it has read everything and knows that this moment is past."""
        return self.state == "RUNNING" and self.left == 0 and self.time_ms is not None and self.time_ms >= over_ms


def progress(lab: Lab) -> list[Progress]:
    """Every job of the project; one that Flink does not know is ABSENT. The time is asked of those at the end only.

    Raises:
        ServiceDownError: Flink or Kafka does not answer.

    """
    jobs = {entry["name"]: entry for entry in _asked(lab, "/jobs/overview")["jobs"] if entry["state"] == "RUNNING"}
    found = []
    for job, topics in JOBS.items():
        entry = jobs.get(f"{SLUG}/{job}")
        left = _left(lab, f"{SLUG}-{job.replace('_', '-')}", topics)
        if entry is None:
            found.append(Progress(job, "ABSENT", left, 0))
            continue
        counts = _asked(lab, f"/jobs/{entry['jid']}/checkpoints")["counts"]
        time_ms = None if left else min(_watermarks(lab, entry["jid"]), default=None)
        found.append(Progress(job, "RUNNING", left, counts["completed"], counts["restored"], time_ms))
    return found


def wait_until_through(
    lab: Lab, *, over_ms: int, seconds: float, tell: Callable[[Progress], None], end_again: Callable[[], None]
) -> dict[str, Any]:
    """Wait for both, until their time has reached `over_ms`; `tell` is called with what has changed.

    A stream that has read everything and does not know the time has `end_again` called, once a minute at most.

    Raises:
        StreamsBehindError: they are not through in time.

    """
    began = ended = time.monotonic()
    at_end: dict[str, Progress] = {}
    told: dict[str, Progress] = {}
    while True:
        try:
            for now in progress(lab):
                first = at_end.setdefault(now.job, now)
                if not now.is_at_end(over_ms):
                    del at_end[now.job]
                elif now.restored != first.restored or now.checkpoints < first.checkpoints:
                    at_end[now.job] = now  # it was started anew
                if now.left or now.state != "RUNNING":
                    ended = time.monotonic()
                if str(told.get(now.job)) != str(now):
                    tell(now)
                told[now.job] = now
        except ServiceDownError:
            at_end.clear()
            ended = time.monotonic()
        waited = time.monotonic() - began
        if all(job in at_end and told[job].checkpoints >= at_end[job].checkpoints + CHECKPOINTS for job in JOBS):
            return {"seconds": round(waited, 1), "jobs": [str(told[job]) for job in JOBS]}
        if len(at_end) == len(JOBS):
            ended = time.monotonic()
        elif time.monotonic() - ended > PATIENCE:
            end_again()
            ended = time.monotonic()
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
            (topic.name, part): bounds(consumer, TopicPartition(topic.name, part), timeout=ANSWER)
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
    captured = {topic.name for topic in PRICE_LIST.topics}
    left = 0
    for (topic, part), (low, high) in wanted.items():
        # A place that is not known yet is a negative number.
        place = max(low, known.get((topic, part), -1))
        if place < high and topic in captured:
            # The capture ends what it writes with the mark of its transaction, behind which no reader gets.
            place = _record_behind(lab, TopicPartition(topic, part, place), high)
        left += max(0, high - place)
    return left


def _record_behind(lab: Lab, place: TopicPartition, high: int) -> int:
    settings = {"group.id": f"{SLUG}-look", "enable.auto.commit": False, "enable.partition.eof": True}
    consumer = Consumer({**client_settings(lab), **settings, "isolation.level": "read_committed"})
    try:
        found = next_record(consumer, place, timeout=ANSWER)
    except KafkaException as error:
        raise _silent(lab, error) from error
    finally:
        consumer.close()
    return high if found is None else found


def _watermarks(lab: Lab, job_id: str) -> Iterator[int]:
    """Of every part of every operator that hears of time; at first there is none, or the smallest number."""
    for vertex in _asked(lab, f"/jobs/{job_id}")["vertices"]:
        for part in _asked(lab, f"/jobs/{job_id}/vertices/{vertex['id']}/watermarks"):
            yield int(part["value"])


def _silent(lab: Lab, error: Exception) -> ServiceDownError:
    return ServiceDownError(f"Kafka does not answer at {servers(lab)} ({error})", remedy="Run: quintet doctor")


def _asked(lab: Lab, path: str) -> Any:
    url = lab.endpoint("flink").url
    try:
        return json.loads(ask(url + path, timeout=ANSWER)[1])
    except (OSError, ValueError) as error:
        raise ServiceDownError(f"Flink does not answer at {url} ({error})", remedy="Run: quintet doctor") from error
