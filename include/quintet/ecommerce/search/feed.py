"""From Kafka into index and Redis: changes of stock, and what users look at, put into carts and buy.

Records are read in batches and committed once both have taken them; what is read again after a crash changes nothing
twice in the index (`stock`). With the commit goes the name of the index: one that is new begins where it says
(`stock_offsets` of its meta), so that nothing is lost while the alias moves. Updates name the index and not the alias,
for the same reason: what still went to the old index is applied to the new one again.
"""

from __future__ import annotations

import io
import logging
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any

import fastavro
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from redis import Redis
from redis.exceptions import RedisError

from quintet.catalogue.ecommerce import EVENT_TOPICS
from quintet.ecommerce.definitions import CLOCK_AHEAD_MS, POINTS, product_of
from quintet.ecommerce.search.building import Index, behind, in_use
from quintet.ecommerce.search.definition import PRODUCTS
from quintet.ecommerce.search.errors import IndexingError, NoIndexError
from quintet.ecommerce.search.memory import SEEN_SECONDS, keep_recent, seen_key
from quintet.ecommerce.search.nodes import Nodes, lines
from quintet.ecommerce.search.stock import StockChange, counts, updates
from quintet.errors import LabError
from quintet.streams.errors import RegistryError
from quintet.streams.places import bounds, committed
from quintet.streams.registry import HEAD, Registry

__all__ = ["GROUP", "STOCK_TOPIC", "Feed", "consumer_settings", "follow", "missing_from"]

_LOG = logging.getLogger(__name__)
GROUP = "ecommerce-search"
STOCK_TOPIC = EVENT_TOPICS["inventory_update"].name
_KIND_OF = {EVENT_TOPICS[kind].name: kind for kind in ("inventory_update", *POINTS)}
#: Records of a batch, and seconds that the first of them waits for the others.
_BATCH, _WAIT = 2000, 0.3
#: Seconds between two looks at the alias, between two lines of the log, and after trouble before it goes on.
_LOOK, _TOLD, _PAUSE = 1.0, 60.0, 2.0


def consumer_settings(client: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of the feed's consumer on those of a client."""
    return {
        **client,
        "group.id": GROUP,
        "enable.auto.commit": False,
        # Of stock the index says where to begin; behaviour of long ago is no matter.
        "auto.offset.reset": "latest",
        "isolation.level": "read_committed",
        "partition.assignment.strategy": "cooperative-sticky",
        "fetch.wait.max.ms": 100,
    }


class Feed:
    """One reader of the topics; several share their partitions.

    Args:
        consumer: with `consumer_settings`.
        registry: schemas of the records.
        nodes: OpenSearch, as a user who may index.
        redis: whose answers are texts.

    Raises:
        NoIndexError: there is no index yet.

    """

    def __init__(self, consumer: Consumer, registry: Registry, nodes: Nodes, redis: Redis) -> None:
        self._consumer, self._registry, self._nodes, self._redis = consumer, registry, nodes, redis
        self._schemas: dict[int, Any] = {}
        self._index = self._in_use()
        self._looked = time.monotonic()
        #: What became of records: applied, duplicates, refused, unreadable, unknown_products, remembered, rewinds.
        self.counts: Counter[str] = Counter()
        consumer.subscribe(sorted(_KIND_OF), on_assign=self._assigned)

    def step(self) -> int:
        """Take one batch; how many records there were.

        Raises:
            NoIndexError, IndexingError, SearchDownError, redis.RedisError, KafkaException: nothing of the batch is
                committed.

        """
        # Before records are taken: a new index wants earlier ones first.
        self._look()
        messages = self._consumer.consume(_BATCH, timeout=_WAIT)
        records = [message for message in messages if self._is_record(message)]
        if records:
            self._stock([change for message in records if (change := self._change(message)) is not None])
            self._remember(records)
            self._commit(records)
        return len(records)

    def _in_use(self) -> Index:
        index = in_use(self._nodes)
        if index is None:
            raise NoIndexError("the feed")
        return index

    def _look(self) -> None:
        """Go on with the index that the alias now leads to, from where that says."""
        if time.monotonic() - self._looked < _LOOK:
            return
        self._looked = time.monotonic()
        if behind(self._nodes, PRODUCTS) == self._index.name:
            return
        self._index = self._in_use()
        self.counts["rewinds"] += 1
        _LOG.warning("the alias %s leads to %s now", PRODUCTS, self._index.name)
        moved = [
            TopicPartition(STOCK_TOPIC, part.partition, self._index.offsets[part.partition])
            for part in self._consumer.assignment()
            if part.topic == STOCK_TOPIC and part.partition in self._index.offsets
        ]
        self._consumer.incremental_unassign(moved)
        self._consumer.incremental_assign(moved)

    def _assigned(self, consumer: Consumer, parts: Sequence[TopicPartition]) -> None:
        consumer.incremental_assign(_begun(consumer, parts, self._index))

    def _is_record(self, message: Message) -> bool:
        error = message.error()
        if error is None:
            return message.value() is not None
        if error.code() in (KafkaError._PARTITION_EOF, KafkaError.UNKNOWN_TOPIC_OR_PART):
            return False
        raise KafkaException(error)

    def _read(self, message: Message) -> dict[str, Any] | None:
        """Fields of a record; None: it is none, which the stream jobs put aside."""
        try:
            row = self._decoded(message.value())
        except RegistryError as error:
            if error.status != 404:
                raise
            row = None
        if row is None:
            self.counts["unreadable"] += 1
        return row

    def _decoded(self, data: bytes) -> dict[str, Any] | None:
        if len(data) < HEAD.size or data[0] != 0:
            return None
        number = HEAD.unpack_from(data)[1]
        if number not in self._schemas:
            self._schemas[number] = fastavro.parse_schema(self._registry.by_id(number), named_schemas={})
        body = io.BytesIO(data)
        body.seek(HEAD.size)
        try:
            row = fastavro.schemaless_reader(body, self._schemas[number], None)
        except Exception:  # noqa: BLE001 fastavro raises what the bytes lead it to
            return None
        return row if isinstance(row, dict) else None

    def _change(self, message: Message) -> StockChange | None:
        if message.topic() != STOCK_TOPIC or (row := self._read(message)) is None:
            return None
        change = StockChange(
            partition=message.partition(),
            offset=message.offset(),
            product=row["product_id"],
            delta=row["quantity_delta"],
            place=row["warehouse_id"],
            at_ms=_ms(row["timestamp"]),
            arrived_ms=message.timestamp()[1],
        )
        if counts(change):
            return change
        self.counts["refused"] += 1
        return None

    def _stock(self, changes: Sequence[StockChange]) -> None:
        first = list(self._first(changes))
        if not first:
            return
        answer = self._nodes.ask("POST", f"/{self._index.name}/_bulk", lines(updates(first)))
        for item in answer["items"]:
            wrong = item["update"].get("error")
            if wrong is None:
                self.counts["applied" if item["update"].get("result") == "updated" else "known"] += 1
            elif item["update"]["status"] == 404 and "document_missing" in wrong["type"]:
                self.counts["unknown_products"] += 1
            else:
                raise IndexingError(
                    f"the stock of product {item['update']['_id']} is not taken by {self._index.name}: "
                    f"{wrong['reason']}",
                    remedy="It is tried again; look into the log of OpenSearch",
                )

    def _first(self, changes: Sequence[StockChange]) -> Iterable[StockChange]:
        """Those that are no duplicates. A record that is read again is none of itself."""
        with self._redis.pipeline(transaction=False) as pipe:
            for change in changes:
                key = seen_key(self._index.epoch, change.product, change.place, change.at_ms)
                pipe.set(key, change.offset, nx=True, get=True, ex=SEEN_SECONDS)
            told = pipe.execute()
        for change, before in zip(changes, told, strict=True):
            if before is None or int(before) == change.offset:
                yield change
            else:
                self.counts["duplicates"] += 1

    def _remember(self, messages: Iterable[Message]) -> None:
        seen: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for message in messages:
            kind = _KIND_OF[message.topic()]
            if kind in POINTS and (row := self._read(message)) is not None and _is_whole(row, message):
                seen[row["user_id"]] += _looked_at(kind, row)
        with self._redis.pipeline(transaction=False) as pipe:
            for user, products in seen.items():
                if products:
                    keep_recent(pipe, user, products)
                    self.counts["remembered"] += len(products)
            pipe.execute()

    def _commit(self, messages: Iterable[Message]) -> None:
        reached = {(message.topic(), message.partition()): message.offset() + 1 for message in messages}
        self._consumer.commit(
            offsets=[
                TopicPartition(topic, partition, offset, metadata=self._index.name)
                for (topic, partition), offset in reached.items()
            ],
            asynchronous=False,
        )


def follow(feeding: Callable[[], AbstractContextManager[Feed]], is_over: Callable[[], bool]) -> None:
    """Step until it is over; after trouble, and as long as there is no index, begin anew with another feed."""
    trouble = ""
    while not is_over():
        try:
            with feeding() as feed:
                told, trouble = time.monotonic(), ""
                while not is_over():
                    feed.step()
                    if time.monotonic() - told > _TOLD:
                        told = time.monotonic()
                        _LOG.warning("%s", dict(feed.counts))
        except (LabError, RedisError, KafkaException) as error:
            # The same is told once, however long it lasts.
            if str(error) != trouble:
                trouble = str(error)
                _LOG.warning("%s", trouble)
            time.sleep(_PAUSE)


def missing_from(consumer: Consumer, index: Index | None, *, replay: bool = False) -> dict[int, int]:
    """By partition of the topic of stock changes the first record that is not in the stock of a new index.

    Args:
        consumer: of the feed's group.
        index: whose stock is taken over; None: the stock is that of the catalogue.
        replay: the catalogue's stock is that before the first record of the topic; else that of now.

    Raises:
        LabError: the topic is not there.

    """
    found = consumer.list_topics(STOCK_TOPIC, timeout=20).topics[STOCK_TOPIC]
    if found.error is not None:
        raise LabError(f"there is no topic {STOCK_TOPIC}", remedy="Run: quintet run ecommerce")
    parts = [TopicPartition(STOCK_TOPIC, number) for number in sorted(found.partitions)]
    marks = {part.partition: bounds(consumer, part, timeout=20) for part in parts}
    if index is None:
        return {number: low if replay else high for number, (low, high) in marks.items()}
    begun = {part.partition: part.offset for part in _begun(consumer, parts, index)}
    return {number: high if begun[number] < 0 else begun[number] for number, (_, high) in marks.items()}


def _begun(consumer: Consumer, parts: Sequence[TopicPartition], index: Index) -> list[TopicPartition]:
    """What was committed for an index; else, of stock, where the index says."""
    begun = committed(consumer, parts, timeout=20)
    for part in begun:
        is_of_another = (part.metadata or "") != index.name
        if part.topic == STOCK_TOPIC and is_of_another and part.partition in index.offsets:
            part.offset = index.offsets[part.partition]
    return begun


def _looked_at(kind: str, row: Mapping[str, Any]) -> list[tuple[int, int]]:
    """Products and points of an event of a user."""
    if kind == "page_view":
        product = product_of(row["page"])
        return [] if product is None else [(product, POINTS[kind])]
    if kind == "add_to_cart":
        return [(row["product_id"], POINTS[kind])] if row["quantity"] > 0 else []
    return [(line["product_id"], POINTS[kind]) for line in row["products"]]


def _is_whole(row: Mapping[str, Any], message: Message) -> bool:
    return bool(_ms(row["timestamp"]) <= message.timestamp()[1] + CLOCK_AHEAD_MS)


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
