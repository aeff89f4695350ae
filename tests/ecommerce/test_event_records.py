"""What goes to the topics: events that decode to what was meant, records that do not decode, by time of arrival."""

from __future__ import annotations

import io
import struct
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastavro", reason="the streaming environment has it")
pytest.importorskip("numpy", reason="the streaming environment has it")
import fastavro
import pyarrow.parquet as pq

from quintet.catalogue.ecommerce import ECOMMERCE_TABLES, ECOMMERCE_TOPICS, EVENT_TOPICS
from quintet.contracts import read_contracts
from quintet.contracts.avro import breaches
from quintet.ecommerce.definitions import KINDS
from quintet.ecommerce.sending import Pace, ahead, batches_of_files, rows_of
from quintet.ecommerce.truth import Truth
from quintet.streams.batchproducer import Form
from quintet.streams.schemas import key_schema, value_schema

#: Numbers of the schemas, as a registry would give them.
SUBJECTS = [name for topic in EVENT_TOPICS.values() for name in (topic.subject, topic.key_subject)]
NUMBERS = {name: place for place, name in enumerate(SUBJECTS, 1)}
FORMS = {topic.name: Form.of(topic, lambda subject, _schema: NUMBERS[subject]) for topic in EVENT_TOPICS.values()}
SCHEMAS = {NUMBERS[topic.subject]: fastavro.parse_schema(value_schema(topic)) for topic in EVENT_TOPICS.values()}


class UnreadableError(Exception):
    pass


def decoded(value: bytes) -> Any:
    """What a reader of Confluent's form makes of a value; refuses what has no known head or not that schema's body."""
    try:
        zero, number = struct.unpack(">bI", value[:5])
        if zero != 0 or number not in SCHEMAS:
            raise UnreadableError("no head of a known schema")
        return fastavro.schemaless_reader(io.BytesIO(value[5:]), SCHEMAS[number])
    except (struct.error, EOFError, IndexError, UnicodeDecodeError) as error:
        raise UnreadableError from error


@pytest.fixture(scope="module")
def sent(small: tuple[Path, Truth]) -> list[Any]:
    return [row for batch in batches_of_files(small[0]) for row in rows_of(FORMS, batch)]


def test_all_records_are_sent_in_order_of_arrival(small: tuple[Path, Truth], sent: list[Any]) -> None:
    expect = small[1].expect
    assert len(sent) == expect["records"] + expect["malformed"]
    assert [row[3] for row in sent] == sorted(row[3] for row in sent)


def test_every_event_decodes_to_the_row_of_its_file(small: tuple[Path, Truth], sent: list[Any]) -> None:
    for kind in KINDS:
        files = sorted((small[0] / "by_day").glob(f"*/{kind}.parquet"))
        rows = [row for file in files for row in pq.read_table(file).to_pylist()]
        values = [(value, at) for topic, key, value, at in sent if key is not None and topic == EVENT_TOPICS[kind].name]
        assert len(values) == len(rows) > 0
        for (value, at), row in zip(values, rows, strict=True):
            arrived = row.pop("arrived_at")
            assert decoded(value) == row
            assert at == arrived.timestamp() * 1000


def test_the_key_is_the_field_that_the_catalogue_names(sent: list[Any]) -> None:
    for topic in EVENT_TOPICS.values():
        schema = fastavro.parse_schema(key_schema(topic))
        for _, key, value, _ in [row for row in sent if row[0] == topic.name and row[1] is not None][:200]:
            event = decoded(value)
            body = fastavro.schemaless_reader(io.BytesIO(key[5:]), schema)
            assert body == {name: event[name] for name in topic.key}


def test_what_is_no_event_does_not_decode_and_every_way_is_there(small: tuple[Path, Truth], sent: list[Any]) -> None:
    strange = [value for _, key, value, _ in sent if key is None]
    assert len(strange) == small[1].expect["malformed"]
    for value in strange:
        with pytest.raises(UnreadableError):
            decoded(value)
    assert all(small[1].malformed.values())


@pytest.mark.parametrize("kind", KINDS)
def test_the_schema_of_a_topic_holds_its_contract(kind: str) -> None:
    topic = EVENT_TOPICS[kind]
    assert breaches(read_contracts()[topic.name], value_schema(topic)) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_field_that_is_added_with_a_default_reads_older_records(kind: str, sent: list[Any]) -> None:
    schema = value_schema(EVENT_TOPICS[kind])
    newer = {**schema, "fields": [*schema["fields"], {"name": "device", "type": ["null", "string"], "default": None}]}
    value = next(value for topic, key, value, _ in sent if key is not None and topic == EVENT_TOPICS[kind].name)
    old, new = fastavro.parse_schema(schema), fastavro.parse_schema(newer)
    read = fastavro.schemaless_reader(io.BytesIO(value[5:]), old, new)
    assert read == {**decoded(value), "device": None}


def test_fields_are_those_of_the_specification_in_its_order() -> None:
    assert {kind: [column.name for column in topic.columns] for kind, topic in EVENT_TOPICS.items()} == {
        "page_view": ["user_id", "page", "timestamp", "session_id", "referrer"],
        "add_to_cart": ["user_id", "product_id", "quantity", "timestamp", "session_id"],
        "purchase": ["user_id", "order_id", "products", "total_amount", "timestamp"],
        "inventory_update": ["product_id", "quantity_delta", "warehouse_id", "timestamp"],
        "search": [
            "query",
            "user_id",
            "session_id",
            "timestamp",
            "results_count",
            "clicked_products",
            "search_type",
            "filters_applied",
        ],
    }


def test_no_topic_of_events_forgets_by_the_time_of_its_records() -> None:
    # Records carry the time of their arrival in the simulation: those of last year would be gone at once.
    assert all(topic.retention_bytes and topic.retention_hours is None for topic in EVENT_TOPICS.values())


def test_tables_have_their_key_among_their_columns() -> None:
    for table in ECOMMERCE_TABLES:
        assert set(table.key) <= {column.name for column in table.columns}
        assert table.full_name.startswith(("iceberg.silver_ecommerce.", "postgres.live_ecommerce."))


def test_topics_have_names_of_their_own_and_keys_among_their_fields() -> None:
    names = Counter(topic.name for topic in ECOMMERCE_TOPICS)
    assert max(names.values()) == 1
    for topic in ECOMMERCE_TOPICS:
        assert set(topic.key) | set(topic.identity) <= {column.name for column in topic.columns}


class Clock:
    """Time that passes when somebody waits, and for the work in between."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_records_wait_for_their_time_and_who_is_late_is_told() -> None:
    clock = Clock()
    pace = Pace(1_000_000, speed=2.0, lead_s=1.0, clock=clock, sleep=clock.sleep)
    pace.wait(1_004_000)
    assert clock.now == pytest.approx(103.0)
    assert pace.behind_s == 0
    clock.now += 5
    pace.wait(1_006_000)
    assert clock.now == pytest.approx(108.0)
    assert pace.behind_s == pytest.approx(4.0)


def test_without_a_limit_nothing_waits() -> None:
    clock = Clock()
    Pace(0, speed=0, clock=clock, sleep=clock.sleep).wait(10**9)
    assert clock.now == 100.0


def test_what_fails_ahead_fails_where_it_is_wanted() -> None:
    def made() -> Any:
        yield 1
        raise RuntimeError("broken in the other thread")

    things = ahead(made(), 4)
    assert next(things) == 1
    with pytest.raises(RuntimeError, match="broken in the other thread"):
        next(things)
    assert list(ahead(range(100), 3)) == list(range(100))
