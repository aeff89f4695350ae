"""The replicated log: Kafka's partitions, one for each shard. Writing with acknowledgement, reading from an offset.

A write is acknowledged when Kafka has acknowledged each of its records on all in-sync copies (`acks=all`, idempotent
producer: a record that is sent again by the client library is in the log once, and in the order in which it was sent).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from quintet.timeseries.cluster.errors import LogError
from quintet.timeseries.cluster.placement import shard_of
from quintet.timeseries.cluster.record import Deletion, encode_batch, encode_deletion
from quintet.timeseries.cluster.topics import Settings
from quintet.timeseries.intake import columns_of
from quintet.timeseries.model import Batch, Labels

__all__ = ["LogEnds", "LogReader", "LogWriter", "Pending", "split"]

#: Seconds until a record that no broker took counts as failed, and for an answer about offsets.
_DELIVERY = 30.0
_ANSWER = 10.0
#: Tuples of labels whose shards are remembered, and series.
_REMEMBERED_TUPLES = 64
_REMEMBERED_SERIES = 1_000_000


class Pending:
    """Records on their way: counts what has arrived, keeps the last offset of each partition and the first failure."""

    def __init__(self) -> None:
        self._open = 1
        self._done = threading.Event()
        self._lock = threading.Lock()
        self._failed: KafkaError | None = None
        self._offsets: dict[int, int] = {}

    def more(self) -> None:
        """One more record is on its way."""
        with self._lock:
            self._open += 1

    def arrived(self, error: KafkaError | None, message: Message) -> None:
        """What became of a record; called by the client library."""
        with self._lock:
            if error is not None:
                self._failed = self._failed or error
            else:
                partition, offset = message.partition(), message.offset()
                self._offsets[partition] = max(offset, self._offsets.get(partition, -1))
        self.close()

    def close(self) -> None:
        """One record less is on its way; the first call is the sender's, when it sends no more."""
        with self._lock:
            self._open -= 1
            if not self._open:
                self._done.set()

    def wait(self, seconds: float) -> dict[int, int]:
        """The last offset of each partition once all records have arrived.

        Raises:
            LogError: one failed, or the time is over: some may be in the log, none is acknowledged.

        """
        done = self._done.wait(seconds)
        if not done or self._failed is not None:
            what = str(self._failed) if self._failed is not None else f"no answer within {seconds:g} s"
            raise LogError(f"the write is not acknowledged: {what}", remedy="Write it again: twice does no harm")
        return dict(self._offsets)


@dataclass
class LogWriter:
    """Writes to the partitions; safe for many threads. settings: of the client, see `Settings`."""

    settings: Settings
    shards: int
    topic: str
    linger_ms: int = 5

    def __post_init__(self) -> None:
        self._producer = Producer(
            {
                "enable.idempotence": True,
                "acks": "all",
                "linger.ms": self.linger_ms,
                "compression.type": "lz4",
                "delivery.timeout.ms": int(_DELIVERY * 1000),
                "log_level": 0,
                **self.settings,
            }
        )
        self._splitter = _Splitter(self.shards)
        self._stop = threading.Event()
        self._poller = threading.Thread(target=self._poll, name="timeseries-log", daemon=True)
        self._poller.start()

    def _poll(self) -> None:
        while not self._stop.is_set():
            self._producer.poll(0.1)

    def write(self, batch: Batch) -> dict[int, int]:
        """Write points; offset of the last record in each shard concerned, once all are acknowledged.

        Raises:
            PointsRefusedError: the batch is malformed; nothing of it is written.
            LogError: Kafka did not acknowledge; the points may be stored or not.

        """
        columns_of(batch)
        records = [
            (shard, record) for shard, part in self._splitter.split(batch).items() for record in encode_batch(part)
        ]
        return self._send(records)

    def delete(self, deletion: Deletion) -> dict[int, int]:
        """Write a deletion to every shard.

        Raises:
            LogError: Kafka did not acknowledge.

        """
        record = encode_deletion(deletion)
        return self._send([(shard, record) for shard in range(self.shards)])

    def _send(self, records: Sequence[tuple[int, bytes]]) -> dict[int, int]:
        pending = Pending()
        deadline = time.monotonic() + _DELIVERY
        for shard, record in records:
            pending.more()
            self._produce(shard, record, pending, deadline)
        pending.close()
        # Longer than the library tries, so that its reason is what the caller reads.
        return pending.wait(_DELIVERY + 5)

    def _produce(self, shard: int, record: bytes, pending: Pending, deadline: float) -> None:
        while True:
            try:
                self._producer.produce(self.topic, record, partition=shard, on_delivery=pending.arrived)
                return
            except BufferError:
                if time.monotonic() > deadline:
                    raise LogError("the write is not acknowledged: Kafka takes nothing") from None
                time.sleep(0.005)  # the poller makes room
            except KafkaException as error:
                raise LogError(f"the write is not acknowledged: {error}", remedy="Write it again") from error

    def close(self) -> None:
        """Wait for what is on its way."""
        self._producer.flush(_DELIVERY)
        self._stop.set()
        self._poller.join()


def split(batch: Batch, shards: int) -> dict[int, Batch]:
    """The points of each shard, in their order."""
    return _Splitter(shards).split(batch)


@dataclass(frozen=True)
class _Plan:
    """Where the series of a tuple of labels go: shard, place among those of the shard, and these."""

    labels: Sequence[Labels]
    shard: npt.NDArray[np.int64]
    place: npt.NDArray[np.uint32]
    parts: Mapping[int, tuple[Labels, ...]]


class _Splitter:
    """Splits batches; remembers where series go. Safe for many threads: a plan is replaced whole."""

    def __init__(self, shards: int) -> None:
        self._shards = shards
        self._plans: dict[int, _Plan] = {}
        self._known: dict[Labels, int] = {}

    def split(self, batch: Batch) -> dict[int, Batch]:
        if not len(batch):
            return {}
        batch = batch.narrowed()
        plan = self._plan(batch.labels)
        shard = plan.shard[batch.series]
        place = plan.place[batch.series]
        result = {}
        for number in np.unique(shard).tolist():
            rows = slice(None) if len(plan.parts) == 1 else np.flatnonzero(shard == number)
            result[number] = Batch(plan.parts[number], place[rows], batch.timestamps[rows], batch.values[rows])
        return result

    def _plan(self, labels: Sequence[Labels]) -> _Plan:
        found = self._plans.get(id(labels))
        if found is not None and found.labels is labels:
            return found
        shard = np.fromiter((self._shard(one) for one in labels), np.int64, len(labels))
        place = np.zeros(len(labels), np.uint32)
        parts = {}
        for number in np.unique(shard).tolist():
            rows = np.flatnonzero(shard == number)
            place[rows] = np.arange(len(rows))
            parts[number] = tuple(labels[row] for row in rows.tolist())
        plan = _Plan(labels, shard, place, parts)
        if isinstance(labels, tuple):  # a list may be changed by its owner
            if len(self._plans) >= _REMEMBERED_TUPLES:
                self._plans = {}
            self._plans[id(labels)] = plan
        return plan

    def _shard(self, labels: Labels) -> int:
        found = self._known.get(labels)
        if found is None:
            if len(self._known) >= _REMEMBERED_SERIES:
                self._known = {}
            found = self._known[labels] = shard_of(labels, self._shards)
        return found


class LogEnds:
    """Where partitions begin and end now; one question to the brokers for all of them."""

    def __init__(self, settings: Settings, topic: str) -> None:
        self._admin = AdminClient({"log_level": 0, **settings})
        self._topic = topic

    def first(self, partitions: Iterable[int]) -> dict[int, int]:
        """Offset of the oldest record that is kept. Raises LogError."""
        return self._ask(partitions, OffsetSpec.earliest())

    def following(self, partitions: Iterable[int]) -> dict[int, int]:
        """Offset that the next record will have. Raises LogError."""
        return self._ask(partitions, OffsetSpec.latest())

    def _ask(self, partitions: Iterable[int], which: OffsetSpec) -> dict[int, int]:
        asked = {TopicPartition(self._topic, partition): which for partition in partitions}
        if not asked:
            return {}
        try:
            answers = self._admin.list_offsets(asked, request_timeout=_ANSWER)
            return {place.partition: found.result(_ANSWER).offset for place, found in answers.items()}
        except (KafkaException, TimeoutError) as error:
            raise LogError(f"topic {self._topic}: {error}", remedy="Look at the brokers") from error


@dataclass
class LogReader:
    """Reads partitions from given offsets on; one thread uses it. group: a name for Kafka's figures, nothing more."""

    settings: Settings
    topic: str
    group: str = "quintet-timeseries"
    #: Called with what the client library reports beside messages, for example that no broker answers.
    on_error: Callable[[str], None] = field(default=lambda _: None)

    def __post_init__(self) -> None:
        self._consumer = Consumer(
            {
                "group.id": self.group,
                "enable.auto.commit": False,
                "auto.offset.reset": "error",
                "isolation.level": "read_committed",
                "fetch.wait.max.ms": 100,
                "error_cb": lambda error: self.on_error(str(error)),
                "log_level": 0,
                **self.settings,
            }
        )

    def add(self, partition: int, offset: int) -> None:
        """Read a partition from an offset on."""
        self._consumer.incremental_assign([TopicPartition(self.topic, partition, offset)])

    def remove(self, partition: int) -> None:
        """Read a partition no more."""
        self._consumer.incremental_unassign([TopicPartition(self.topic, partition)])

    def read(self, records: int, seconds: float) -> dict[int, list[Message]]:
        """The next records of each partition, in their order; waits at most `seconds` for the first.

        Raises:
            LogError: a partition cannot be read from where it should be.

        """
        found: dict[int, list[Message]] = {}
        for message in self._consumer.consume(records, seconds):
            error = message.error()
            if error is None:
                found.setdefault(message.partition(), []).append(message)
            elif not error.retriable() and error.code() in _FATAL:
                raise LogError(f"topic {self.topic}, partition {message.partition()}: {error}")
        return found

    def close(self) -> None:
        """Read no more."""
        self._consumer.close()


_FATAL = {KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE, KafkaError.UNKNOWN_TOPIC_OR_PART}
