"""Avro by columns: the same bytes that fastavro writes row by row, and what does not fit is refused."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

pytest.importorskip("fastavro", reason="the streaming environment has it")
pytest.importorskip("numpy", reason="the streaming environment has it")
import fastavro
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from quintet.errors import InputError
from quintet.streams.avrobatch import arrow_type, bodies, framed, head

PRICE = {"type": "bytes", "logicalType": "decimal", "precision": 18, "scale": 2}
LINE = {
    "type": "record",
    "name": "Line",
    "fields": [
        {"name": "number", "type": "int"},
        {"name": "price", "type": PRICE},
        {"name": "note", "type": ["null", "string"], "default": None},
    ],
}
SCHEMA: dict[str, Any] = {
    "type": "record",
    "name": "Everything",
    "fields": [
        {"name": "long", "type": "long"},
        {"name": "int", "type": "int"},
        {"name": "text", "type": "string"},
        {"name": "flag", "type": "boolean"},
        {"name": "double", "type": "double"},
        {"name": "amount", "type": PRICE},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "maybe", "type": ["null", "long"], "default": None},
        {"name": "words", "type": {"type": "array", "items": "string"}},
        {"name": "lines", "type": {"type": "array", "items": LINE}},
    ],
}
ARROW = pa.schema([(field["name"], arrow_type(field["type"])) for field in SCHEMA["fields"]])
PARSED = fastavro.parse_schema(SCHEMA)

longs = st.integers(-(2**63), 2**63 - 1)
ints = st.integers(-(2**31), 2**31 - 1)
texts = st.text(st.characters(codec="utf-8"), max_size=200)
#: Of these fastavro writes a byte more than it has to; Java and we do not.
LONGER = {-(2 ** (8 * size - 1)) for size in range(1, 8)}
prices = (
    st.integers(-(10**18) + 1, 10**18 - 1)
    .filter(lambda cents: cents not in LONGER)
    .map(lambda cents: Decimal(cents).scaleb(-2))
)
instants = st.integers(-(2**40), 2**42).map(lambda ms: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms))
lines = st.fixed_dictionaries({"number": ints, "price": prices, "note": st.none() | texts})
rows = st.fixed_dictionaries(
    {
        "long": longs,
        "int": ints,
        "text": texts,
        "flag": st.booleans(),
        "double": st.floats(allow_nan=False),
        "amount": prices,
        "at": instants,
        "maybe": st.none() | longs,
        "words": st.lists(texts, max_size=4),
        "lines": st.lists(lines, max_size=4),
    }
)


def by_fastavro(row: dict[str, Any]) -> bytes:
    body = io.BytesIO()
    fastavro.schemaless_writer(body, PARSED, row)
    return body.getvalue()


@given(st.lists(rows, min_size=1, max_size=8), st.integers(0, 3))
def test_every_row_has_the_bytes_that_fastavro_writes(made: list[dict[str, Any]], skipped: int) -> None:
    table = pa.Table.from_pylist(made, ARROW)
    assert bodies(table, SCHEMA).to_pylist() == [by_fastavro(row) for row in made]
    assert bodies(table.slice(skipped), SCHEMA).to_pylist() == [by_fastavro(row) for row in made[skipped:]]


@pytest.mark.parametrize("number", [0, -1, 1, 63, 64, -64, -65, 8191, 8192, 2**63 - 1, -(2**63)])
def test_numbers_at_the_edges_of_their_lengths(number: int) -> None:
    schema = {"type": "record", "name": "One", "fields": [{"name": "n", "type": "long"}]}
    (body,) = bodies(pa.table({"n": pa.array([number], pa.int64())}), schema).to_pylist()
    assert fastavro.schemaless_reader(io.BytesIO(body), fastavro.parse_schema(schema)) == {"n": number}
    expected = io.BytesIO()
    fastavro.schemaless_writer(expected, fastavro.parse_schema(schema), {"n": number})
    assert body == expected.getvalue()


@pytest.mark.parametrize("cents", sorted(LONGER))
def test_money_at_the_edges_of_its_lengths_is_as_short_as_can_be(cents: int) -> None:
    schema = {"type": "record", "name": "One", "fields": [{"name": "p", "type": PRICE}]}
    amount = Decimal(cents).scaleb(-2)
    (body,) = bodies(pa.table({"p": pa.array([amount], arrow_type(PRICE))}), schema).to_pylist()
    assert fastavro.schemaless_reader(io.BytesIO(body), fastavro.parse_schema(schema)) == {"p": amount}
    assert len(body) == 1 + (-cents).bit_length() // 8


def test_a_table_without_rows_has_no_bodies() -> None:
    assert bodies(ARROW.empty_table(), SCHEMA).to_pylist() == []


def test_a_head_is_a_zero_and_the_number_of_the_schema() -> None:
    (value,) = framed(pa.array([b"body"], pa.binary()), 258).to_pylist()
    assert value == head(258) + b"body" == b"\x00\x00\x00\x01\x02body"


@pytest.mark.parametrize(
    ("table", "told"),
    [
        (pa.table({"m": pa.array([1], pa.int64())}), r"the columns \['m'\] are not those of One"),
        (pa.table({"n": pa.array([1], pa.int32())}), "One.n is int32, the schema wants int64"),
        (pa.table({"n": pa.array([1, None], pa.int64())}), "One.n is null in 1 rows"),
    ],
)
def test_what_does_not_fit_the_schema_is_refused_by_its_column(table: pa.Table, told: str) -> None:
    with pytest.raises(InputError, match=told):
        bodies(table, {"type": "record", "name": "One", "fields": [{"name": "n", "type": "long"}]})


def test_a_type_that_is_not_written_is_refused() -> None:
    with pytest.raises(InputError, match="is not written by columns"):
        arrow_type({"type": "map", "values": "long"})
