"""Announcements of folders, received: steps, in the environment `streaming`, of the DAG that starts the pipeline.

The place in the topic is that of the consumer group `GROUP`. It moves (`settle`) only after the runs were started, and
the id of a run is made of the announcement's own id. A step that is killed is therefore done again, and Airflow finds
the runs of before: no announcement is lost, and none is taken twice, whether its record came twice or its sender sent
it again.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from quintet import alerts
from quintet.catalogue import Topic
from quintet.catalogue.inputs import INPUTS_ANNOUNCED
from quintet.cdc.errors import ChangeError
from quintet.cdc.landing import judge_by
from quintet.cdc.records import Decoder
from quintet.contracts import ContractError, read_contracts
from quintet.errors import InputError, ServiceDownError
from quintet.lakehouse.land import check_input
from quintet.settings import Lab, load_lab
from quintet.streams.clients import bulk_reader_settings, servers
from quintet.streams.deadletters import DeadLetters
from quintet.streams.errors import TopicError
from quintet.streams.places import bounds, committed
from quintet.streams.registry import Registry
from quintet.streams.topics import provide

__all__ = ["GROUP", "Received", "Verdict", "prepare", "read", "refuse", "settle"]

#: Whose place in the topic it is.
GROUP = "lakehouse-receive-inputs"
#: Announcements of one run at most; each is a task.
LIMIT = 200
#: What a new version of the schema must keep: whoever reads by it can read what was written before.
RULE = "BACKWARD"
#: Source of the alert that is open while dead letters wait; the care for streams closes it.
DEAD_LETTERS = "dead-letters"
#: Seconds: for one answer of the broker, and without a record before the end of the topic although it is not reached.
ANSWER, SILENCE = 20, 60
#: An id becomes a part of the id of a run.
_ID = re.compile(r"[A-Za-z0-9_.~:+-]{1,100}")


class Verdict(StrEnum):
    """What becomes of a record."""

    START = "start"
    UNFIT = "unfit"  # its folder cannot be taken in
    REPEAT = "repeat"  # the same announcement stands before it
    UNREADABLE = "unreadable"  # it is a dead letter


@dataclass(frozen=True)
class Received:
    """One record of the topic: where it is, what becomes of it, and what it says; `fault` is for people."""

    partition: int
    offset: int
    verdict: Verdict
    run_id: str = ""
    folder: str = ""
    sender: str = ""
    announced_at: str = ""
    fault: str = ""


def prepare(*, topic: Topic = INPUTS_ANNOUNCED) -> dict[str, Any]:
    """Make what is missing: the topic, that of its dead letters, the rule of its schema; {"changed"}.

    Raises:
        ServiceDownError: the broker or the registry does not answer.
        TopicError: the topic is not as declared.

    """
    lab = load_lab()
    provided = provide(lab, [topic])
    ruled = Registry.of(lab).require(topic.subject, RULE)
    return {"changed": bool(provided.created or provided.changed or ruled)}


def read(*, run_id: str = "", topic: Topic = INPUTS_ANNOUNCED, limit: int = LIMIT) -> list[dict[str, Any]]:
    """What has been announced since the place was moved last, oldest first, each as `Received`.

    Records that cannot be read are put aside and told in an alert. The place stays: a second call gives the same.

    Raises:
        ServiceDownError: the broker or the registry does not answer.
        TopicError: the topic cannot be read, or a dead letter could not be kept.

    """
    lab = load_lab()
    decoder = Decoder(Registry.of(lab), judge_by(read_contracts()))
    dead = DeadLetters(lab)
    found: list[Received] = []
    for message in _messages(lab, topic, limit):
        found.append(_judged(decoder, dead, topic, message, {entry.run_id for entry in found}))
    dead.flush()
    _tell(lab, topic, found, run_id)
    return [asdict(entry) for entry in found]


def settle(*, received: Sequence[Mapping[str, Any]], topic: Topic = INPUTS_ANNOUNCED) -> dict[str, int]:
    """Move the place behind these records; {partition: place}.

    Raises:
        ServiceDownError: the broker does not answer.

    """
    places: dict[int, int] = {}
    for entry in received:
        places[entry["partition"]] = max(places.get(entry["partition"], 0), entry["offset"] + 1)
    if places:
        lab = load_lab()
        with _consumer(lab) as consumer:
            offsets = [TopicPartition(topic.name, number, place) for number, place in places.items()]
            try:
                consumer.commit(offsets=offsets, asynchronous=False)
            except KafkaException as error:
                raise _down(lab, error) from error
    return {str(number): place for number, place in places.items()}


def refuse(*, folder: str, sender: str, announced_at: str, fault: str, run_id: str = "") -> None:
    """Say that an announced folder cannot be taken in: an alert that stays until the folder is announced and taken.

    Raises:
        InputError: always.

    """
    error = InputError(
        f"the folder {folder}, announced by {sender} at {announced_at}, cannot be taken in: {fault}",
        remedy=f"Mend it and announce it again: quintet announce lakehouse --again --input {folder}",
    )
    title = f"the announced folder {folder} cannot be taken in"
    _alert(load_lab(), _source(folder), title, error.message, error.remedy, run_id)
    raise error


def _judged(decoder: Decoder, dead: DeadLetters, topic: Topic, message: Message, known: set[str]) -> Received:
    where: dict[str, Any] = {"partition": message.partition(), "offset": message.offset()}
    try:
        said = _said(decoder, topic, message)
    except ChangeError as error:
        dead.put(topic, message, reason=error.reason, detail=error.message)
        return Received(**where, verdict=Verdict.UNREADABLE, fault=f"{error.reason}: {error.message}")
    except ContractError as error:
        dead.put(topic, message, reason="contract", detail=error.message)
        return Received(**where, verdict=Verdict.UNREADABLE, fault=error.message)
    if said["run_id"] in known:
        return Received(**where, **said, verdict=Verdict.REPEAT)
    fault = _fault(said["folder"])
    return Received(**where, **said, verdict=Verdict.UNFIT if fault else Verdict.START, fault=fault)


def _said(decoder: Decoder, topic: Topic, message: Message) -> dict[str, Any]:
    value = message.value()
    if value is None:
        raise ChangeError("empty", "the record has no value")
    _, row = decoder.record(INPUTS_ANNOUNCED.name, value)
    missing = [column.name for column in topic.columns if row.get(column.name) in {None, ""}]
    if missing:
        raise ChangeError("incomplete", f"it lacks {', '.join(missing)}")
    if not _ID.fullmatch(row["announcement_id"]):
        raise ChangeError("bad-id", "its announcement_id is not 1 to 100 of letters, digits and _.~:+-")
    at: datetime = row["announced_at"]
    return {
        "run_id": f"announced__{row['announcement_id']}",
        "folder": _plain(row["folder"]),
        "sender": _plain(row["sender"]),
        "announced_at": at.isoformat(timespec="seconds"),
    }


def _plain(text: str) -> str:
    """The text in one line and without what Airflow would take for a template."""
    return "".join("?" if sign in "{}" or not sign.isprintable() else sign for sign in text)[:1000]


def _fault(folder: str) -> str:
    """Why the folder cannot be taken in, by this process, which runs as the pipeline's tasks do; empty: it can."""
    if not Path(folder).is_absolute() or "?" in folder:
        return "it is no absolute path of printable signs without braces"
    try:
        check_input(folder)
    except InputError as error:
        return str(error)
    except OSError as error:
        return f"it cannot be looked at ({error.strerror})"
    return ""


def _tell(lab: Lab, topic: Topic, found: Sequence[Received], run_id: str) -> None:
    unreadable = [entry for entry in found if entry.verdict is Verdict.UNREADABLE]
    if unreadable:
        detail = "\n".join(f"- {topic.name}/{entry.partition}/{entry.offset}: {entry.fault}" for entry in unreadable)
        remedy = f"Look: quintet deadletters list {topic.project}. Correct the cause, then: quintet deadletters replay"
        _alert(lab, DEAD_LETTERS, f"records of {topic.name} cannot be read", detail, remedy, run_id)
    good = [_source(entry.folder) for entry in found if entry.verdict is Verdict.START]
    if good:
        alerts.clear(lab, project=topic.project, sources=good, run_id=run_id)


def _alert(lab: Lab, source: str, title: str, detail: str, remedy: str, run_id: str) -> None:
    alerts.warn(
        lab,
        source=source,
        project=INPUTS_ANNOUNCED.project,
        run_id=run_id,
        title=title,
        detail=detail,
        remedy=remedy,
    )


def _source(folder: str) -> str:
    return f"announced:{folder}"


def _consumer(lab: Lab) -> closing[Consumer]:
    return closing(Consumer({**bulk_reader_settings(lab), "group.id": GROUP, "enable.partition.eof": True}))


def _messages(lab: Lab, topic: Topic, limit: int) -> Iterator[Message]:
    """Records from the group's place to the end that is there now, at most so many."""
    with _consumer(lab) as consumer:
        try:
            begins, ends = _bounds(consumer, topic)
        except KafkaException as error:
            raise _down(lab, error) from error
        open_parts = {number for number, place in begins.items() if place < ends[number]}
        consumer.assign([TopicPartition(topic.name, number, begins[number]) for number in sorted(open_parts)])
        count, last = 0, time.monotonic()
        while open_parts and count < limit:
            message = consumer.poll(1.0)
            if message is None:
                if time.monotonic() - last > SILENCE:
                    raise ServiceDownError(
                        f"Kafka at {servers(lab)} gave nothing for {SILENCE} s before the end of {topic.name}",
                        remedy="Run: quintet doctor",
                    )
                continue
            last = time.monotonic()
            trouble = message.error()
            if trouble is None:
                count += 1
                yield message
            elif trouble.code() != KafkaError._PARTITION_EOF:
                raise TopicError(f"{topic.name} cannot be read: {trouble.str()}", remedy="Run: quintet doctor")
            # Marks of transactions take offsets: the end may be told without a record there.
            if trouble is not None or message.offset() + 1 >= ends[message.partition()]:
                open_parts.discard(message.partition())


def _bounds(consumer: Consumer, topic: Topic) -> tuple[dict[int, int], dict[int, int]]:
    """Where to begin and to end in each partition."""
    known = consumer.list_topics(topic.name, timeout=ANSWER).topics[topic.name]
    if known.error is not None:
        raise TopicError(f"the topic {topic.name} cannot be read: {known.error.str()}", remedy="Run: make install")
    begins, ends = {}, {}
    for part in committed(consumer, _parts(topic, known.partitions), timeout=ANSWER):
        low, high = bounds(consumer, TopicPartition(topic.name, part.partition), timeout=ANSWER)
        # A place beyond the end is that of a topic that was made anew; none at all is the first call.
        begins[part.partition] = part.offset if low <= part.offset <= high else low
        ends[part.partition] = high
    return begins, ends


def _parts(topic: Topic, numbers: Any) -> list[TopicPartition]:
    return [TopicPartition(topic.name, number) for number in sorted(numbers)]


def _down(lab: Lab, error: KafkaException) -> ServiceDownError:
    return ServiceDownError(
        f"Kafka does not answer at {servers(lab)} ({error.args[0].str()})", remedy="Run: quintet doctor"
    )
