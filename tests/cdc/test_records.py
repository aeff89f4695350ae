"""Records of change topics: what is read, and by what word everything else is put aside."""

from __future__ import annotations

import io
import json
import struct
from decimal import Decimal
from typing import Any

import pytest

pytest.importorskip("fastavro", reason="the streaming environment has it")
import fastavro

from quintet.cdc.errors import ChangeError
from quintet.cdc.records import UNCHANGED, Decoder
from quintet.streams.registry import Registry

TOPIC = "lakehouse.things.changes"
ROW = {
    "type": "record",
    "name": "Value",
    "fields": [
        {"name": "id", "type": "long"},
        {
            "name": "price",
            "type": {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2},
        },
        {"name": "day", "type": ["null", {"type": "int", "connect.name": "io.debezium.time.Date"}], "default": None},
        {"name": "at", "type": {"type": "string", "connect.name": "io.debezium.time.ZonedTimestamp"}},
        {"name": "text", "type": ["null", "string"], "default": None},
    ],
}
SOURCE = {
    "type": "record",
    "name": "Source",
    "fields": [
        {"name": "ts_ms", "type": "long"},
        {"name": "ts_us", "type": ["null", "long"]},
        {"name": "txId", "type": ["null", "long"]},
        {"name": "lsn", "type": ["null", "long"]},
    ],
}
VALUE = {
    "type": "record",
    "name": "Envelope",
    "fields": [
        {"name": "before", "type": ["null", ROW], "default": None},
        {"name": "after", "type": ["null", "Value"], "default": None},
        {"name": "source", "type": SOURCE},
        {"name": "op", "type": "string"},
        {"name": "ts_ms", "type": ["null", "long"]},
        {"name": "ts_us", "type": ["null", "long"]},
    ],
}
KEY = {"type": "record", "name": "Key", "fields": [{"name": "id", "type": "long"}]}
SCHEMAS = {1: KEY, 2: VALUE}
THING = {"id": 7, "price": Decimal("12.50"), "day": 20_000, "at": "2026-01-02T03:04:05.6Z", "text": "Köln"}


class KnownSchemas(Registry):
    """The registry's client with its schemas at hand: it asks nobody."""

    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:1")
        self._known.update(SCHEMAS)


def written(number: int, record: dict[str, Any]) -> bytes:
    body = io.BytesIO()
    fastavro.schemaless_writer(body, fastavro.parse_schema(SCHEMAS[number], named_schemas={}), record)
    return struct.pack(">bI", 0, number) + body.getvalue()


def change(operation: str, row: dict[str, Any] | None) -> bytes:
    source = {"ts_ms": 5, "ts_us": 5_001, "txId": 9, "lsn": 11}
    told = {"before": None, "after": row, "source": source, "op": operation, "ts_ms": 6, "ts_us": 6_002}
    return written(2, told)


KEY_BYTES = written(1, {"id": 7})


def test_a_change_becomes_json_with_its_place_and_times() -> None:
    found = Decoder(KnownSchemas()).change(TOPIC, KEY_BYTES, change("u", THING))
    assert json.loads(found.row or "") == {
        "id": 7,
        "price": "12.50",
        "day": "2024-10-04",
        "at": "2026-01-02T03:04:05.6Z",
        "text": "Köln",
    }
    assert (found.operation, found.key, found.unchanged) == ("u", '{"id":7}', ())
    assert (found.lsn, found.transaction_id, found.changed_us, found.captured_us, found.schema_id) == (
        11,
        9,
        5_001,
        6_002,
        2,
    )


def test_a_deletion_has_a_key_and_no_row() -> None:
    found = Decoder(KnownSchemas()).change(TOPIC, KEY_BYTES, change("d", None))
    assert (found.operation, found.key, found.row) == ("d", '{"id":7}', None)


def test_a_value_that_the_source_left_out_is_named_and_not_taken_for_one() -> None:
    found = Decoder(KnownSchemas()).change(TOPIC, KEY_BYTES, change("u", {**THING, "text": UNCHANGED}))
    assert found.unchanged == ("text",)
    assert "text" not in json.loads(found.row or "")


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        (None, change("c", THING), "null-key"),
        (KEY_BYTES, b"{}", "malformed"),
        (KEY_BYTES, b"", "malformed"),
        (KEY_BYTES, b"\x01" + change("c", THING)[1:], "malformed"),
        (KEY_BYTES, change("c", THING)[:-3], "malformed"),
        (KEY_BYTES, change("c", THING) + b"x", "malformed"),
        (b"x", change("c", THING), "malformed"),
        (KEY_BYTES, KEY_BYTES, "no-change"),
        (KEY_BYTES, change("t", None), "no-change"),
        (KEY_BYTES, change("u", None), "no-change"),
        (KEY_BYTES, change("d", THING), "no-change"),
    ],
)
def test_what_is_no_change_is_refused_by_one_word(key: bytes | None, value: bytes, reason: str) -> None:
    with pytest.raises(ChangeError) as refused:
        Decoder(KnownSchemas()).change(TOPIC, key, value)
    assert refused.value.reason == reason


def test_each_schema_of_values_is_told_once_a_topic() -> None:
    told: list[str] = []
    decoder = Decoder(KnownSchemas(), lambda topic, schema: told.append(f"{topic} {schema['name']}"))
    for topic in (TOPIC, TOPIC, "other"):
        decoder.change(topic, KEY_BYTES, change("c", THING))
    assert told == [f"{TOPIC} Envelope", "other Envelope"]
