"""Records that could not be read: kept beside their topic with the reason, listed, shown, sent again.

A dead letter keeps key, value and headers of its record; its own key is the place of that record, so that one which is
sent twice is kept once, and one that was sent back to its topic goes.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from quintet.catalogue import Topic
from quintet.errors import InputError
from quintet.settings import Lab
from quintet.streams.clients import client_settings
from quintet.streams.delivery import DELIVERY, Delivery
from quintet.streams.errors import TopicError

__all__ = ["DeadLetter", "DeadLetters", "discard", "letters", "replay"]

#: Bytes of the largest dead letter.
LARGEST = 8 * 1024 * 1024
#: Seconds without a record after which a topic's end counts as reached, should the broker not tell.
SILENCE = 20
_MARK = "quintet."
#: Header of a record that was a dead letter: the place it had first.
REPLAYED = "quintet.replayed_from"


@dataclass(frozen=True)
class DeadLetter:
    """One record that could not be read: where it was, why, and what it was."""

    topic: str
    partition: int
    offset: int
    reason: str
    detail: str
    found_at: datetime
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def place(self) -> str:
        """Where it was: topic/partition/offset; names a dead letter."""
        return f"{self.topic}/{self.partition}/{self.offset}"

    def as_json(self) -> dict[str, Any]:
        """JSON object; bytes as text where they are, else as base64."""
        return {
            "place": self.place,
            "reason": self.reason,
            "detail": self.detail,
            "found_at": self.found_at.isoformat(timespec="seconds"),
            "key": _shown(self.key),
            "value": _shown(self.value),
        }


class DeadLetters:
    """Where a reader puts the records that it cannot read; `flush` before it moves on."""

    def __init__(self, lab: Lab) -> None:
        failure = "records that cannot be read could not be put aside"
        self._delivery = Delivery(lab, failure, {"message.max.bytes": LARGEST})
        self.count = 0

    def put(self, topic: Topic, message: Message, *, reason: str, detail: str) -> None:
        """Keep a record with one word for the reason and a sentence about it."""
        key, value = message.key(), message.value()
        headers: dict[str, bytes] = {
            **{f"{_MARK}header.{name}": given or b"" for name, given in message.headers() or []},
            f"{_MARK}reason": reason.encode(),
            f"{_MARK}detail": detail[:2000].encode(),
            f"{_MARK}found_at": datetime.now(UTC).isoformat().encode(),
            f"{_MARK}absent": b"".join(name for name, part in ((b"k", key), (b"v", value)) if part is None),
            f"{_MARK}key": key or b"",
        }
        place = f"{message.topic()}/{message.partition()}/{message.offset()}"
        # An empty value is no tombstone: only None is.
        self._delivery.put(topic.dead_letters, key=place, value=value or b"", headers=list(headers.items()))
        self.count += 1

    def flush(self) -> None:
        """Wait until all are kept.

        Raises:
            TopicError: one was not taken; the reader must not move on.

        """
        self._delivery.flush()


def letters(lab: Lab, topics: Iterable[Topic]) -> list[DeadLetter]:
    """All that wait, in the order they were found; a topic without dead letters has none.

    Raises:
        TopicError: a topic cannot be read.

    """
    found: dict[str, DeadLetter] = {}

    def take(message: Message) -> None:
        place = (message.key() or b"").decode()
        if message.value() is None:
            found.pop(place, None)
        else:
            found[place] = _letter(place, message)

    for topic in topics:
        if topic.has_dead_letters:
            _read(lab, topic.dead_letters, take)
    return sorted(found.values(), key=lambda letter: letter.found_at)


def replay(lab: Lab, topic: Topic, places: Iterable[str] | None = None) -> int:
    """Send dead letters back to their topic, all or those of these places; how many.

    Record and removal are one transaction: a letter is in one of the two, never in both or none.

    Raises:
        InputError: a place is not among the dead letters.
        TopicError: the broker refuses.

    """
    return _settle(lab, topic, places, again=True)


def discard(lab: Lab, topic: Topic, places: Iterable[str] | None = None) -> int:
    """Give dead letters up, all or those of these places; how many. Raises as `replay`."""
    return _settle(lab, topic, places, again=False)


def _settle(lab: Lab, topic: Topic, places: Iterable[str] | None, *, again: bool) -> int:
    waiting = {letter.place: letter for letter in letters(lab, [topic])}
    wanted = list(waiting) if places is None else list(places)
    unknown = sorted(set(wanted) - waiting.keys())
    if unknown:
        raise InputError(
            f"{topic.name} has no dead letter {', '.join(unknown)}",
            remedy=f"See: quintet deadletters list {topic.project}",
        )
    if not wanted:
        return 0
    producer = Producer(
        {
            **client_settings(lab),
            "transactional.id": f"quintet-deadletters-{topic.name}",
            "message.max.bytes": LARGEST,
        }
    )
    try:
        producer.init_transactions(DELIVERY)
        producer.begin_transaction()
        for letter in (waiting[place] for place in wanted):
            headers = [*letter.headers.items(), (REPLAYED, letter.place.encode())]
            if again:
                # Where it was: among the other records of its key.
                producer.produce(
                    topic.name, partition=letter.partition, key=letter.key, value=letter.value, headers=headers
                )
            producer.produce(topic.dead_letters, key=letter.place, value=None)
            producer.poll(0)
        producer.commit_transaction(DELIVERY)
    except Exception as error:  # every one of confluent-kafka's; told as ours
        raise TopicError(f"the dead letters of {topic.name} could not be settled: {error}") from error
    return len(wanted)


def _letter(place: str, message: Message) -> DeadLetter:
    told = {name: given or b"" for name, given in message.headers() or []}
    topic, partition, offset = place.rsplit("/", 2)
    absent = told.get(f"{_MARK}absent", b"")
    prefix = f"{_MARK}header."
    return DeadLetter(
        topic=topic,
        partition=int(partition),
        offset=int(offset),
        reason=told.get(f"{_MARK}reason", b"").decode(),
        detail=told.get(f"{_MARK}detail", b"").decode(),
        found_at=datetime.fromisoformat(told[f"{_MARK}found_at"].decode()),
        key=None if b"k" in absent else told.get(f"{_MARK}key", b""),
        value=None if b"v" in absent else message.value(),
        headers={name.removeprefix(prefix): given for name, given in told.items() if name.startswith(prefix)},
    )


def _read(lab: Lab, name: str, take: Callable[[Message], None]) -> None:
    """Read a topic of one partition from its beginning to its present end."""
    consumer = Consumer(
        {
            **client_settings(lab),
            "group.id": "quintet-deadletters",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
        }
    )
    try:
        if not _is_there(consumer, name):
            return
        consumer.assign([TopicPartition(name, 0, OFFSET_BEGINNING)])
        end = time.monotonic() + SILENCE
        while time.monotonic() < end:
            message = consumer.poll(1)
            if message is None:
                continue
            error = message.error()
            if error is None:
                take(message)
                end = time.monotonic() + SILENCE
            elif error.code() == KafkaError._PARTITION_EOF:
                return
            else:
                raise _unread(name, error)
        raise TopicError(f"the topic {name} gave nothing for {SILENCE} s", remedy="Run: quintet doctor")
    finally:
        consumer.close()


def _is_there(consumer: Consumer, name: str) -> bool:
    """Whether the topic was made yet; a reader who is assigned to it would be told only after half a minute."""
    try:
        error = consumer.list_topics(name, timeout=SILENCE).topics[name].error
    except KafkaException as failure:
        raise _unread(name, failure.args[0]) from failure
    return error is None or error.code() != KafkaError.UNKNOWN_TOPIC_OR_PART


def _unread(name: str, error: KafkaError) -> TopicError:
    return TopicError(f"the topic {name} cannot be read: {error.str()}", remedy="Run: quintet doctor")


def _shown(part: bytes | None) -> str | None:
    if part is None:
        return None
    try:
        text = part.decode()
        if text.isprintable():
            return text[:2000]
    except UnicodeDecodeError:
        pass
    return json.dumps({"base64": base64.b64encode(part[:2000]).decode()})
