"""The placement in its compacted topic: every version is one record under one key, the last one counts.

There is one writer at a time, and Kafka sees to that: whoever changes the placement opens a transaction under a fixed
name, which shuts out every earlier writer, and only then reads what it is going to change. A change that was begun
before can no longer be committed; it fails and is not seen by any reader.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from quintet.timeseries.cluster.errors import LogError, PlacementError
from quintet.timeseries.cluster.placement import Placement
from quintet.timeseries.cluster.topics import Settings, Topics

__all__ = ["PlacementEditor", "PlacementFeed", "read_placement"]

_KEY = b"placement"
#: Seconds for an answer.
_ANSWER = 15.0


def _consumer(settings: Settings, topic: str) -> Consumer:
    consumer = Consumer(
        {
            "group.id": "quintet-timeseries-placement",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 100,
            "log_level": 0,
            **settings,
        }
    )
    consumer.assign([TopicPartition(topic, 0, 0)])
    return consumer


def read_placement(settings: Settings, topics: Topics) -> Placement | None:
    """The placement as it is now; None: none was recorded yet.

    Raises:
        LogError: Kafka does not answer.

    """
    topic = topics.placement
    consumer = _consumer(settings, topic)
    try:
        found: Placement | None = None
        deadline = time.monotonic() + _ANSWER
        while time.monotonic() < deadline:
            message = consumer.poll(0.2)
            if message is None:
                continue
            error = message.error()
            if error is None:
                found = _placement(message.value(), found)
            elif error.code() == KafkaError._PARTITION_EOF:
                return found
            elif not error.retriable():
                raise LogError(f"topic {topic}: {error}", remedy="Make it with `placement create`")
        raise LogError(f"topic {topic}: no answer within {_ANSWER:g} s", remedy="Look at the brokers")
    finally:
        consumer.close()


def _placement(value: bytes | None, before: Placement | None) -> Placement | None:
    return before if value is None else Placement.from_json(value)


class PlacementEditor:
    """Changes the placement; a context manager. Opening it shuts out whoever changed it before.

    Raises:
        LogError: Kafka does not answer.

    """

    def __init__(self, settings: Settings, topics: Topics) -> None:
        self._topic = topics.placement
        self._producer = Producer(
            {
                "transactional.id": self._topic,
                "transaction.timeout.ms": 30_000,
                "log_level": 0,
                **settings,
            }
        )
        try:
            self._producer.init_transactions(_ANSWER)
        except KafkaException as error:
            raise LogError(f"topic {self._topic}: {error}", remedy="Look at the brokers") from error
        self._current = read_placement(settings, topics)

    @property
    def current(self) -> Placement | None:
        """The placement; None: none was recorded yet."""
        return self._current

    def known(self) -> Placement:
        """The placement.

        Raises:
            PlacementError: none was recorded yet.

        """
        if self._current is None:
            raise PlacementError("there is no cluster yet", remedy="Make it with `placement create`")
        return self._current

    def record(self, placement: Placement) -> Placement:
        """Record a version that follows the current one.

        Raises:
            PlacementError: another editor was opened meanwhile.
            LogError: Kafka does not answer.

        """
        if self._current is not None and placement.version <= self._current.version:
            raise PlacementError(f"version {placement.version} does not follow {self._current.version}")
        try:
            self._producer.begin_transaction()
            self._producer.produce(self._topic, placement.to_json(), key=_KEY, partition=0)
            self._producer.commit_transaction(_ANSWER)
        except KafkaException as error:
            if error.args[0].code() in {KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError._STATE}:
                raise PlacementError("someone else changes the placement now", remedy="Look at it again") from error
            raise LogError(f"topic {self._topic}: {error}", remedy="Look at the brokers") from error
        self._current = placement
        return placement

    def __enter__(self) -> PlacementEditor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Nothing to release: the next editor takes over by its name.
        del self._producer


class PlacementFeed:
    """Follows the placement in a thread. changed: called there with each version, the first one included."""

    def __init__(
        self, settings: Settings, topics: Topics, changed: Callable[[Placement], None] = lambda _: None
    ) -> None:
        self._changed = changed
        self._consumer = _consumer(settings, topics.placement)
        self._current: Placement | None = None
        self._news = threading.Condition()
        self._read_all = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="timeseries-placement", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        before: Placement | None = None
        while not self._stop.is_set():
            message = self._consumer.poll(0.2)
            if message is None:
                continue
            error = message.error()
            if error is None:
                before = _placement(message.value(), before)
            elif error.code() == KafkaError._PARTITION_EOF:
                self._read_all = True
            # The versions of the past are of no interest to anyone: only where the topic ends is one put into force.
            if self._read_all and before is not None and before is not self._current:
                self._changed(before)
                with self._news:
                    self._current = before
                    self._news.notify_all()
        self._consumer.close()

    @property
    def current(self) -> Placement | None:
        """The placement; None: none is known yet."""
        return self._current

    def wait(self, version: int, seconds: float) -> Placement:
        """The placement, of a version or a later one.

        Raises:
            PlacementError: it does not come in time.

        """
        with self._news:
            self._news.wait_for(lambda: self._current is not None and self._current.version >= version, seconds)
            if self._current is None or self._current.version < version:
                raise PlacementError(
                    f"version {version} of the placement is not known after {seconds:g} s",
                    remedy="See whether the brokers answer, and that `placement create` was run",
                )
            return self._current

    def close(self) -> None:
        """Follow no more."""
        self._stop.set()
        self._thread.join()
