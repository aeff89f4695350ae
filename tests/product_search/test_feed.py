"""From a real Kafka into a real OpenSearch and Redis: seen within seconds, once, and over a rebuild of the index."""

from __future__ import annotations

import io
import json
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the search environment has it")
import fastavro
import pyarrow.parquet as pq
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from redis import Redis
from shop_service import served

from kafka_server import kafka_server
from quintet.catalogue.ecommerce import EVENT_TOPICS
from quintet.ecommerce.definitions import LATENESS_MS
from quintet.ecommerce.generator import Scale, generate
from quintet.ecommerce.search import feed as feed_module
from quintet.ecommerce.search.building import Built, Index, behind, build, in_use, remove, stock_of
from quintet.ecommerce.search.definition import PRODUCTS
from quintet.ecommerce.search.documents import Catalogue
from quintet.ecommerce.search.feed import STOCK_TOPIC, Feed, consumer_settings, follow, missing_from
from quintet.ecommerce.search.nodes import Nodes
from quintet.ecommerce.sending import batches_of_files, rows_of
from quintet.streams.batchproducer import Form
from quintet.streams.registry import HEAD, Registry
from quintet.streams.schemas import value_schema
from serving import JsonHandler, serving

KINDS = ("inventory_update", "page_view", "add_to_cart", "purchase")
SCHEMAS = {number: value_schema(EVENT_TOPICS[kind]) for number, kind in enumerate(KINDS, 1)}
NUMBER_OF = {EVENT_TOPICS[kind].name: number for number, kind in enumerate(KINDS, 1)}


class Schemas(JsonHandler):
    """A registry that gives schemas by their ids."""

    def do_GET(self) -> None:
        number = int(self.path.rpartition("/")[2])
        if number in SCHEMAS:
            self.say(200, {"schema": json.dumps(SCHEMAS[number])})
        else:
            self.say(404, {"error_code": 40403, "message": "Schema not found"})


@pytest.fixture(scope="module")
def registry() -> Iterator[Registry]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Schemas) as server, serving(server):
        yield Registry(f"http://127.0.0.1:{server.server_address[1]}")


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    with kafka_server(tmp_path_factory.mktemp("kafka")) as address:
        settings = {"bootstrap.servers": address, "log_level": 0}
        topics = [NewTopic(EVENT_TOPICS[kind].name, 2, 1) for kind in KINDS]
        admin = AdminClient(settings)
        for made in admin.create_topics(topics).values():
            made.result(timeout=30)
        yield settings


@pytest.fixture
def group(monkeypatch: pytest.MonkeyPatch) -> str:
    """A group of readers of this test's own."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    monkeypatch.setattr(feed_module, "GROUP", name)
    return name


@contextmanager
def feeding(kafka: dict[str, Any], registry: Registry, nodes: Nodes, redis: Redis) -> Iterator[Feed]:
    """A feed that reads until the block is left."""
    consumer = Consumer(consumer_settings(kafka))
    is_over = threading.Event()
    try:
        feed = Feed(consumer, registry, nodes, redis)
        trouble: list[BaseException] = []

        def run() -> None:
            try:
                while not is_over.is_set():
                    feed.step()
            except BaseException as error:  # noqa: BLE001 - told by the test's own thread
                trouble.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield feed
        finally:
            is_over.set()
            thread.join()
        assert not trouble, trouble
    finally:
        consumer.close()


def steps(feed: Feed) -> None:
    for _ in range(100):
        feed.step()


def fresh(nodes: Nodes, kafka: dict[str, Any], tables: Catalogue) -> Built:
    """An index whose stock is the catalogue's, from the end of the topic on."""
    return build(nodes, tables, offsets=offsets(kafka))


def offsets(kafka: dict[str, Any], index: Index | None = None, *, replay: bool = False) -> dict[int, int]:
    consumer = Consumer(consumer_settings(kafka))
    try:
        return missing_from(consumer, index, replay=replay)
    finally:
        consumer.close()


def committed(kafka: dict[str, Any], of: dict[int, int]) -> dict[int, int]:
    """What the group has committed; below zero: nothing yet."""
    consumer = Consumer(consumer_settings(kafka))
    try:
        found = consumer.committed([TopicPartition(STOCK_TOPIC, number) for number in of], timeout=20)
        return {part.partition: part.offset for part in found}
    finally:
        consumer.close()


def value(kind: str, **row: Any) -> bytes:
    number = NUMBER_OF[EVENT_TOPICS[kind].name]
    body = io.BytesIO()
    fastavro.schemaless_writer(body, fastavro.parse_schema(SCHEMAS[number], named_schemas={}), row)
    return HEAD.pack(0, number) + body.getvalue()


def stock_record(product: int, delta: int, *, at_ms: int, place: int = 1) -> bytes:
    moment = datetime.fromtimestamp(at_ms / 1000, UTC)
    return value("inventory_update", product_id=product, quantity_delta=delta, warehouse_id=place, timestamp=moment)


def send(kafka: dict[str, Any], *records: tuple[str, bytes, bytes, int]) -> None:
    producer = Producer({**kafka, "enable.idempotence": True, "partitioner": "murmur2_random"})
    for topic, key, body, arrived_ms in records:
        producer.produce(topic, body, key, timestamp=arrived_ms)
    assert producer.flush(30) == 0


def pieces(nodes: Nodes, product: int) -> int:
    return int(nodes.ask("GET", f"/{PRODUCTS}/_doc/{product}")["_source"]["inventory_count"])


def until(holds: Any, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def tables(catalogue: Path) -> Catalogue:
    return Catalogue(catalogue)


@pytest.fixture
def product(tables: Catalogue) -> Iterator[int]:
    return next(tables.products())[99]["product_id"]


def test_a_change_of_stock_is_in_search_within_five_seconds(
    nodes: Nodes,
    opensearch: str,
    redis_port: int,
    kafka: Any,
    registry: Registry,
    redis: Redis,
    group: str,
    tables: Catalogue,
    product: int,
) -> None:
    fresh(nodes, kafka, tables)
    before = pieces(nodes, product)
    took = []
    with feeding(kafka, registry, nodes, redis), served(opensearch, redis_port) as client:

        def found() -> int:
            name = client.get(f"/api/v1/products/{product}").json()["name"]
            asked = {"q": name.replace(",", ""), "facets": False}
            answer = client.get("/api/v1/search", params=asked).json()
            (one,) = [one for one in answer["products"] if one["product_id"] == product]
            return int(one["inventory_count"])

        assert found() == before
        for number in range(6):
            now = int(time.time() * 1000)
            send(kafka, (STOCK_TOPIC, str(product).encode(), stock_record(product, 1, at_ms=now), now))
            begun = time.monotonic()
            until(lambda wanted=before + number + 1: found() == wanted)
            took.append(time.monotonic() - begun)
    # The first waits until the reader has joined its group.
    assert max(took[1:]) < 5, took


@pytest.mark.long
def test_what_is_no_change_of_the_speed_view_changes_nothing(
    nodes: Nodes, kafka: Any, registry: Registry, redis: Redis, group: str, tables: Catalogue, product: int
) -> None:
    fresh(nodes, kafka, tables)
    before, now, key = pieces(nodes, product), int(time.time() * 1000), str(product).encode()
    first = stock_record(product, -3, at_ms=now)
    send(
        kafka,
        (STOCK_TOPIC, key, first, now),
        (STOCK_TOPIC, key, first, now + 1000),
        (STOCK_TOPIC, key, stock_record(product, 0, at_ms=now + 1), now + 1),
        (STOCK_TOPIC, key, stock_record(product, -50, at_ms=now - LATENESS_MS - 1), now),
        (STOCK_TOPIC, key, b"{}", now),
        (STOCK_TOPIC, key, HEAD.pack(0, 99) + b"x", now),
        (STOCK_TOPIC, key, HEAD.pack(0, 1) + b"\xff\xff", now),
        (STOCK_TOPIC, b"17", stock_record(17, -1, at_ms=now), now),
        # The same product, place and time apart: another event.
        (STOCK_TOPIC, key, stock_record(product, -1, at_ms=now, place=2), now),
    )
    with feeding(kafka, registry, nodes, redis) as feed:
        until(lambda: sum(feed.counts.values()) >= 8)
        time.sleep(0.5)
        counted = dict(feed.counts)
    assert pieces(nodes, product) == before - 4
    assert counted == {"applied": 1, "duplicates": 1, "refused": 2, "unreadable": 3, "unknown_products": 1}


def test_a_batch_that_is_read_again_after_a_crash_counts_once(
    nodes: Nodes,
    kafka: Any,
    registry: Registry,
    redis: Redis,
    group: str,
    tables: Catalogue,
    product: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fresh(nodes, kafka, tables)
    before, now, key = pieces(nodes, product), int(time.time() * 1000), str(product).encode()
    send(kafka, *((STOCK_TOPIC, key, stock_record(product, -1, at_ms=now + n), now + n) for n in range(4)))
    consumer = Consumer(consumer_settings(kafka))
    try:
        feed = Feed(consumer, registry, nodes, redis)
        with monkeypatch.context() as crash:
            crash.setattr(feed, "_commit", lambda _messages: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                steps(feed)
    finally:
        consumer.close()
    assert pieces(nodes, product) == before - 4, "it was applied before the crash"
    with feeding(kafka, registry, nodes, redis) as again:
        until(lambda: again.counts["known"] + again.counts["applied"] > 0)
    assert pieces(nodes, product) == before - 4


def test_no_change_is_lost_or_doubled_while_the_index_is_made_anew(
    nodes: Nodes, kafka: Any, registry: Registry, redis: Redis, group: str, tables: Catalogue, product: int
) -> None:
    fresh(nodes, kafka, tables)
    before, key = pieces(nodes, product), str(product).encode()
    is_over, sent = threading.Event(), [0]

    def sending() -> None:
        while not is_over.is_set():
            now = int(time.time() * 1000)
            send(kafka, (STOCK_TOPIC, key, stock_record(product, -1, at_ms=now), now))
            sent[0] += 1
            time.sleep(0.02)

    with feeding(kafka, registry, nodes, redis) as feed:
        thread = threading.Thread(target=sending)
        thread.start()
        try:
            until(lambda: feed.counts["applied"] > 3)
            old = str(behind(nodes, PRODUCTS))
            where = offsets(kafka, in_use(nodes))
            stock = stock_of(nodes, old)
            time.sleep(1)
            made = build(nodes, tables, stock=stock, offsets=where, epoch="same")
            time.sleep(2)
        finally:
            is_over.set()
            thread.join()
        assert made.products_index == behind(nodes, PRODUCTS) != old
        until(lambda: pieces(nodes, product) == before - sent[0])
        time.sleep(1)
        assert feed.counts["rewinds"] == 1
    assert pieces(nodes, product) == before - sent[0]


def test_a_feed_waits_for_an_index_and_begins_with_the_records_that_were_sent_before_it(
    nodes: Nodes, kafka: Any, registry: Registry, redis: Redis, group: str, tables: Catalogue, product: int
) -> None:
    remove(nodes)
    now, key = int(time.time() * 1000), str(product).encode()
    first = offsets(kafka)
    is_over = threading.Event()

    @contextmanager
    def begun() -> Iterator[Feed]:
        consumer = Consumer(consumer_settings(kafka))
        try:
            yield Feed(consumer, registry, nodes, redis)
        finally:
            consumer.close()

    thread = threading.Thread(target=follow, args=(begun, is_over.is_set))
    thread.start()
    try:
        send(kafka, (STOCK_TOPIC, key, stock_record(product, -2, at_ms=now), now))
        build(nodes, tables, offsets=first)
        before = next(row for rows in tables.products() for row in rows if row["product_id"] == product)
        until(lambda: pieces(nodes, product) == before["inventory_count"] - 2)
        remove(nodes)
        assert offsets(kafka, replay=True) == dict.fromkeys(first, 0)
        build(nodes, tables, offsets=first)
        until(lambda: pieces(nodes, product) == before["inventory_count"] - 2)
    finally:
        is_over.set()
        thread.join()


def test_an_index_that_takes_stock_over_goes_on_where_that_stock_ends(
    nodes: Nodes, kafka: Any, group: str, tables: Catalogue, product: int
) -> None:
    now, key = int(time.time() * 1000), str(product).encode()
    begun = fresh(nodes, kafka, tables)
    index = in_use(nodes)
    assert index is not None
    send(kafka, (STOCK_TOPIC, key, stock_record(product, -1, at_ms=now), now))
    assert offsets(kafka, index) == index.offsets != offsets(kafka), "no feed has read the change yet"
    read = {part: place + 1 for part, place in index.offsets.items()}
    consumer = Consumer(consumer_settings(kafka))
    try:
        for name, wanted in ((begun.products_index, read), ("another index", index.offsets)):
            parts = [TopicPartition(STOCK_TOPIC, part, place, metadata=name) for part, place in read.items()]
            consumer.commit(offsets=parts, asynchronous=False)
            assert offsets(kafka, index) == wanted
    finally:
        consumer.close()


def test_the_stock_of_a_whole_shop_is_that_of_its_truth(
    nodes: Nodes, kafka: Any, registry: Registry, redis: Redis, group: str, tmp_path: Path
) -> None:
    out = tmp_path / "input"
    generate(out, days=1, seed=11, scale=Scale(rate=1.5, products=2000, users=900))
    fresh(nodes, kafka, Catalogue(out / "catalogue"))
    forms = {
        topic.name: Form.of(topic, lambda subject, _: NUMBER_OF.get(subject.rpartition("-")[0], 77))
        for topic in EVENT_TOPICS.values()
    }
    wanted = [row for batch in batches_of_files(out) for row in rows_of(forms, batch) if row[0] == STOCK_TOPIC]
    assert len(wanted) > 500
    producer = Producer({**kafka, "enable.idempotence": True})
    for topic, key, body, arrived_ms in wanted:
        producer.produce(topic, body, key, timestamp=arrived_ms)
        producer.poll(0)
    assert producer.flush(60) == 0
    ends = offsets(kafka)
    with feeding(kafka, registry, nodes, redis) as feed:
        until(lambda: committed(kafka, ends) == ends, 90)
        assert feed.counts["applied"] > 100
    found = {number: stock.pieces for number, stock in stock_of(nodes, str(behind(nodes, PRODUCTS))).items()}
    rows = pq.read_table(out / "truth" / "stock.parquet").to_pylist()
    truth = {row["product_id"]: row["stock"] for row in rows if row["view"] == "speed"}
    assert {number: found[number] for number in truth} == truth


def test_what_users_do_is_remembered_and_moves_their_answers(
    nodes: Nodes,
    opensearch: str,
    redis_port: int,
    kafka: Any,
    registry: Registry,
    redis: Redis,
    group: str,
    tables: Catalogue,
) -> None:
    fresh(nodes, kafka, tables)
    now = int(time.time() * 1000)
    moment = datetime.fromtimestamp(now / 1000, UTC)
    with feeding(kafka, registry, nodes, redis) as feed, served(opensearch, redis_port) as client:
        plain = client.get("/api/v1/search", params={"q": "rug", "size": 60, "user": 5}).json()["products"]
        liked = plain[-1]["product_id"]
        until(lambda: feed._consumer.assignment())
        time.sleep(1)
        line = {"product_id": liked, "quantity": 1, "unit_price": Decimal("10.00")}
        send(
            kafka,
            (
                EVENT_TOPICS["page_view"].name,
                b"5",
                value(
                    "page_view", user_id=5, page=f"/product/{liked}", timestamp=moment, session_id="s", referrer=None
                ),
                now,
            ),
            (
                EVENT_TOPICS["page_view"].name,
                b"5",
                value("page_view", user_id=5, page="/help", timestamp=moment, session_id="s", referrer="/"),
                now,
            ),
            (
                EVENT_TOPICS["add_to_cart"].name,
                b"5",
                value("add_to_cart", user_id=5, product_id=liked, quantity=1, timestamp=moment, session_id="s"),
                now,
            ),
            (
                EVENT_TOPICS["purchase"].name,
                b"5",
                value(
                    "purchase", user_id=5, order_id=1, products=[line], total_amount=Decimal("10.00"), timestamp=moment
                ),
                now,
            ),
        )
        until(lambda: feed.counts["remembered"] == 3)
        assert sorted(redis.lrange("shop:recent:5", 0, -1)) == sorted(f"{liked}:{points}" for points in (1, 3, 10))
        mine = client.get("/api/v1/search", params={"q": "rug", "size": 60, "user": 5}).json()
    assert mine["is_personal"]
    places = [[one["product_id"] for one in found].index(liked) for found in (plain, mine["products"])]
    assert places[1] < places[0]
