"""Kafka client of the benchmarks: `stream_client.py <verb> …`, in the environment `streaming`; the answer is JSON.

It enters as the platform's programs do (`quintet.streams.clients`); topics are made and removed by the administrator.
"""

from __future__ import annotations

import itertools
import json
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition
from confluent_kafka.admin import NewTopic

from quintet.catalogue import Topic
from quintet.cdc.database import connect
from quintet.contracts.model import Contract, Promise
from quintet.settings import Lab, load_lab
from quintet.streams.clients import bulk_reader_settings, client_settings
from quintet.streams.producer import ContractedProducer
from quintet.streams.registry import Registry
from quintet.streams.topics import admin

__all__ = ["main"]

#: Seconds for one answer of the broker, and for records to be written or read.
ANSWER, PATIENCE = 30, 240


def make(lab: Lab, *words: str) -> dict[str, Any]:
    """Make topics anew, each with so many partitions: `<partitions> <topic>…`."""
    remove(lab, *words[1:])
    client = _administrator(lab)
    for done in client.create_topics([NewTopic(name, int(words[0])) for name in words[1:]]).values():
        done.result(timeout=ANSWER)
    return {"made": list(words[1:])}


def remove(lab: Lab, *topics: str) -> dict[str, Any]:
    """Remove topics, and what the registry has of them."""
    client = _administrator(lab)
    there = sorted(set(client.list_topics(timeout=ANSWER).topics) & set(topics))
    for done in (client.delete_topics(there) if there else {}).values():
        done.result(timeout=ANSWER)
    end = time.monotonic() + ANSWER
    while set(client.list_topics(timeout=ANSWER).topics) & set(topics) and time.monotonic() < end:
        time.sleep(0.3)
    registry = Registry.of(lab)
    known = set(registry.subjects())
    for name in topics:
        for subject in {f"{name}-value", f"{name}-key"} & known:
            registry.forget(subject)
    return {"removed": there}


def forget_group(lab: Lab, group: str) -> dict[str, Any]:
    """Remove a group of consumers."""
    client = _administrator(lab)
    known = {found.group_id for found in client.list_consumer_groups(request_timeout=ANSWER).result().valid}
    if group in known:
        for done in client.delete_consumer_groups([group]).values():
            done.result(timeout=ANSWER)
    return {"removed": group in known}


def produce(lab: Lab, topic: str, payloads: str, count: str) -> dict[str, Any]:
    """Write lines of a file over and over, with the client's settings of the platform."""
    lines = Path(payloads).read_bytes().splitlines()
    producer = Producer(
        {**client_settings(lab), "enable.idempotence": True, "compression.type": "lz4", "acks": "all", "linger.ms": 5}
    )
    producer.list_topics(topic, timeout=ANSWER)
    total, begun = int(count), time.perf_counter()
    left = _send(producer, topic, itertools.islice(itertools.cycle(lines), total))
    seconds = time.perf_counter() - begun
    written = sum(end for _, end in _ends(lab, topic))
    if left or written != total:
        raise RuntimeError(f"{written} of {total} records were written, {left} were not told of")
    return {"records": total, "seconds": round(seconds, 3)}


def consume(lab: Lab, topic: str, count: str) -> dict[str, Any]:
    """Read so many records from the beginning, as the landing of changes reads them."""
    consumer = Consumer({**bulk_reader_settings(lab), "group.id": "benchmark-look"})
    parts = [TopicPartition(topic, number, OFFSET_BEGINNING) for number, _ in _ends(lab, topic)]
    total, seen, size = int(count), 0, 0
    begun = time.perf_counter()
    consumer.assign(parts)
    while seen < total and time.perf_counter() - begun < PATIENCE:
        for message in consumer.consume(5000, timeout=1.0):
            if message.error() is None:
                seen += 1
                size += len(message.value())
    seconds = time.perf_counter() - begun
    consumer.close()
    if seen < total:
        raise RuntimeError(f"{seen} of {total} records were read within {PATIENCE} s")
    return {"records": seen, "bytes": size, "seconds": round(seconds, 3)}


def contracted(lab: Lab, topic: str, count: str) -> dict[str, Any]:
    """Write records through the producer that holds each of them to its contract."""
    columns = {"order_id": "long", "customer_id": "long", "status": "string", "note": "string"}
    entry = Topic(topic.partition(".")[0], topic, "benchmark", "Records of a benchmark", key=("order_id",))
    promises = tuple(
        Promise(name, kind, "", is_required=True, is_key=name == "order_id") for name, kind in columns.items()
    )
    contract = Contract(Path("none"), topic, "1.0.0", "active", "benchmark", "benchmark", "", "topic", topic, promises)
    fields = [{"name": name, "type": kind} for name, kind in columns.items()]
    producer = ContractedProducer(lab, entry, contract, {"type": "record", "name": "Record", "fields": fields})
    note, total, begun = "x" * 160, int(count), time.perf_counter()
    for number in range(total):
        producer.put({"order_id": number, "customer_id": number % 1000, "status": "placed", "note": note})
    producer.flush()
    return {"records": total, "seconds": round(time.perf_counter() - begun, 3)}


def numbers(lab: Lab, topic: str, count: str, keys: str) -> dict[str, Any]:
    """Fill a topic with small JSON records."""
    producer = Producer(
        {**client_settings(lab), "enable.idempotence": True, "linger.ms": 20, "compression.type": "lz4"}
    )
    total, distinct, begun = int(count), int(keys), time.perf_counter()
    # A step that has no common divisor with the keys visits all of them, far apart.
    if _send(
        producer, topic, (b'{"k":"key-%d","n":%d}' % (number * 7919 % distinct, number) for number in range(total))
    ):
        raise RuntimeError("not all records were written")
    return {"records": total, "seconds": round(time.perf_counter() - begun, 3)}


def follow(lab: Lab, topic: str, count: str, skip: str) -> dict[str, Any]:
    """Watch a topic of one partition grow to so many records; the first ones, while all is cold, do not count.

    Units: instants in seconds since the epoch.
    """
    consumer = Consumer({**client_settings(lab), "group.id": "benchmark-look"})
    part, total, warm = TopicPartition(topic, 0), int(count), int(skip)
    first = begin = None
    end = time.monotonic() + PATIENCE
    at = 0
    while at < total and time.monotonic() < end:
        _, at = consumer.get_watermark_offsets(part, timeout=ANSWER, cached=False)
        now = time.time()
        if at and first is None:
            first = now
        if at > warm and begin is None:
            begin = (now, at)
        time.sleep(0.02)
    consumer.close()
    if at < total or begin is None:
        raise RuntimeError(f"{topic} has {at} of {total} records after {PATIENCE} s")
    return {"first": first, "from": begin[0], "from_records": begin[1], "to": now, "to_records": at}


def forget(lab: Lab, *jobs: str) -> dict[str, Any]:
    """Take jobs out of the ledger of Flink; the ids that they had."""
    with connect(lab, "lake") as database:
        rows = database.execute(
            "delete from platform.flink_generations where job = any(%s) returning job_id", [list(jobs)]
        ).fetchall()
    return {"job_ids": [row[0] for row in rows]}


def _administrator(lab: Lab) -> Any:
    return admin(lab, user=lab.options["kafka"]["admin"])


def _send(producer: Producer, topic: str, records: Iterable[bytes]) -> int:
    """Write records as fast as they are taken; how many were not told of in time."""
    for number, record in enumerate(records):
        while True:
            try:
                producer.produce(topic, record)
                break
            except BufferError:
                producer.poll(0.05)
        if number % 1000 == 0:
            producer.poll(0)
    return int(producer.flush(PATIENCE))


def _ends(lab: Lab, topic: str) -> list[tuple[int, int]]:
    """Partitions of a topic and where they end."""
    consumer = Consumer({**client_settings(lab), "group.id": "benchmark-look"})
    try:
        parts = consumer.list_topics(topic, timeout=ANSWER).topics[topic].partitions
        return [
            (number, consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=ANSWER)[1])
            for number in parts
        ]
    finally:
        consumer.close()


_VERBS = {
    "make": make,
    "remove": remove,
    "forget-group": forget_group,
    "produce": produce,
    "consume": consume,
    "contracted": contracted,
    "numbers": numbers,
    "follow": follow,
    "forget": forget,
}


def main(verb: str, *words: str) -> None:
    """Do what the verb says."""
    sys.stdout.write(json.dumps(_VERBS[verb](load_lab(), *words)) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
