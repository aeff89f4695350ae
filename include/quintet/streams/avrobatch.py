"""Avro by whole columns: the rows of an Arrow table as bodies under a schema, without a Python object a field.

Each field becomes an array of byte strings, one a row; Arrow joins them row by row. What is refused: a column that the
schema lacks or wants and does not get, a type that is not the schema's, a null where the schema has none.

| Avro | Arrow |
|---|---|
| long, int | int64, int32 |
| timestamp-millis | timestamp[ms] |
| string | string |
| boolean, double | bool, float64 |
| decimal on bytes | decimal128 of the same precision and scale |
| array | list of the items' type |
| record | struct with the same fields |
| ["null", x] | x, with nulls |

Source: Apache Avro 1.12 specification, "Binary encoding" and "Logical types".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from quintet.errors import InputError
from quintet.streams.registry import HEAD

__all__ = ["arrow_type", "bodies", "framed", "head"]

_PLAIN = {"long": pa.int64(), "int": pa.int32(), "string": pa.string(), "boolean": pa.bool_(), "double": pa.float64()}
_EMPTY = pa.scalar(b"", pa.binary())
#: Bytes of the longest variable-length number.
_LONGEST = 10


def head(number: int) -> bytes:
    """What Confluent's form puts before a body: a zero and the schema's id in the registry."""
    return HEAD.pack(0, number)


def framed(values: pa.Array, number: int) -> pa.Array:
    """Bodies with that head before each, binary[n]."""
    return pc.binary_join_element_wise(pa.scalar(head(number), pa.binary()), values, _EMPTY)


def arrow_type(kind: Any) -> pa.DataType:
    """Type of Arrow whose values an Avro type takes.

    Raises:
        InputError: the type is not among those above.

    """
    if isinstance(kind, list):
        return arrow_type(_optional(kind))
    if isinstance(kind, str) and kind in _PLAIN:
        return _PLAIN[kind]
    if isinstance(kind, Mapping):
        logical = kind.get("logicalType")
        if logical == "decimal":
            return pa.decimal128(kind["precision"], kind["scale"])
        if logical == "timestamp-millis":
            return pa.timestamp("ms", "UTC")
        if kind["type"] == "array":
            return pa.list_(arrow_type(kind["items"]))
        if kind["type"] == "record":
            return pa.struct([(field["name"], arrow_type(field["type"])) for field in kind["fields"]])
    raise InputError(
        f"the Avro type {kind} is not written by columns", remedy="Use one of those of quintet.streams.avrobatch"
    )


def bodies(table: pa.Table | pa.RecordBatch, schema: Mapping[str, Any]) -> pa.Array:
    """Body of each row under a record's schema, without a head, binary[n].

    Raises:
        InputError: the table does not fit the schema; the message names the column.

    """
    names = [field["name"] for field in schema["fields"]]
    if table.schema.names != names:
        raise InputError(f"the columns {table.schema.names} are not those of {schema['name']}: {names}")
    parts = []
    for field in schema["fields"]:
        column = table.column(field["name"])
        values = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        parts.append(_encoded(values, field["type"], f"{schema['name']}.{field['name']}"))
    return pc.binary_join_element_wise(*parts, _EMPTY)


def _encoded(values: pa.Array, kind: Any, name: str) -> pa.Array:
    if values.type != arrow_type(kind):
        raise InputError(f"{name} is {values.type}, the schema wants {arrow_type(kind)}")
    if isinstance(kind, list):
        return _nullable(values, kind, name)
    if values.null_count:
        raise InputError(f"{name} is null in {values.null_count} rows, the schema has no null")
    if isinstance(kind, Mapping) and kind["type"] == "array":
        return _array(values, kind["items"], name)
    if isinstance(kind, Mapping) and kind["type"] == "record":
        return _record(values, kind["fields"], name)
    if pa.types.is_string(values.type):
        return _prefixed(pc.cast(values, pa.binary()))
    if pa.types.is_decimal(values.type):
        return _prefixed(_decimals(values, name))
    if pa.types.is_boolean(values.type):
        return _fixed(np.asarray(values.cast(pa.uint8())).view(np.uint8), 1)
    if pa.types.is_floating(values.type):
        return _fixed(np.asarray(values).astype("<f8").view(np.uint8), 8)
    return _numbers(np.asarray(values.cast(pa.int64())))


def _nullable(values: pa.Array, kind: list[Any], name: str) -> pa.Array:
    if kind[0] != "null":
        raise InputError(f"{name} has its null last", remedy='Write the type as ["null", …] with the default null')
    there = values.is_valid()
    body = _encoded(values.drop_null(), _optional(kind), name)
    # Each row that has a value takes the next of the bodies.
    places = np.where(np.asarray(there), np.cumsum(np.asarray(there)) - 1, 0)
    spread = body.take(pa.array(places)) if len(body) else pa.array([b""] * len(values), pa.binary())
    branch = _numbers(np.asarray(there.cast(pa.int64())))
    return pc.binary_join_element_wise(branch, pc.if_else(there, spread, _EMPTY), _EMPTY)


def _array(values: pa.Array, items: Any, name: str) -> pa.Array:
    offsets = np.asarray(values.offsets)
    children = _encoded(values.values.slice(offsets[0], offsets[-1] - offsets[0]), items, f"{name}[]")
    counts = np.diff(offsets)
    # A row's items lie one behind the other: their bytes are one piece.
    pieces = _offsets_of(children)[offsets - offsets[0]]
    packed = pa.Array.from_buffers(
        pa.binary(), len(values), [None, pa.py_buffer(pieces.astype(np.int32)), children.buffers()[2]]
    )
    end = _numbers(np.zeros(len(values), np.int64))
    count = pc.if_else(pa.array(counts > 0), _numbers(counts.astype(np.int64)), _EMPTY)
    return pc.binary_join_element_wise(count, packed, end, _EMPTY)


def _record(values: pa.Array, fields: list[Mapping[str, Any]], name: str) -> pa.Array:
    parts = [
        _encoded(part, field["type"], f"{name}.{field['name']}")
        for part, field in zip(values.flatten(), fields, strict=True)
    ]
    return pc.binary_join_element_wise(*parts, _EMPTY)


def _prefixed(values: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(_numbers(np.asarray(pc.binary_length(values)).astype(np.int64)), values, _EMPTY)


def _numbers(values: np.ndarray) -> pa.Array:
    """Zigzag, seven bits a byte, the lowest first."""
    rest = ((values << 1) ^ (values >> 63)).view(np.uint64)
    matrix = np.empty((len(values), _LONGEST), np.uint8)
    lengths = np.ones(len(values), np.int64)
    for place in range(_LONGEST):
        matrix[:, place] = rest & np.uint64(0x7F)
        rest = rest >> np.uint64(7)
        more = rest != 0
        if not more.any():
            matrix = matrix[:, : place + 1]
            break
        matrix[more, place] |= 0x80
        lengths += more
    return _binary(matrix[np.arange(matrix.shape[1]) < lengths[:, None]], lengths)


def _decimals(values: pa.Array, name: str) -> pa.Array:
    """Unscaled values, two's complement, the highest byte first, a bit for the sign."""
    low, high = np.frombuffer(values.buffers()[1], np.int64)[2 * values.offset :][: 2 * len(values)].reshape(-1, 2).T
    if (high != low >> 63).any():
        raise InputError(f"{name} has a value beyond 64 bits")
    width = np.ones(len(low), np.int64)
    size = np.where(low < 0, -(low + 1), low)
    for count in range(1, 8):
        width += size >= np.int64(1) << (8 * count - 1)
    bytes_of = low.astype(">i8").view(np.uint8).reshape(-1, 8)
    return _binary(bytes_of[np.arange(8) >= 8 - width[:, None]], width)


def _fixed(data: np.ndarray, width: int) -> pa.Array:
    return _binary(data, np.full(len(data) // width, width, np.int64))


def _binary(data: np.ndarray, lengths: np.ndarray) -> pa.Array:
    offsets = np.zeros(len(lengths) + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(data))]
    return pa.Array.from_buffers(pa.binary(), len(lengths), buffers)


def _offsets_of(values: pa.Array) -> np.ndarray:
    return np.frombuffer(values.buffers()[1], np.int32)[values.offset : values.offset + len(values) + 1]


def _optional(kind: list[Any]) -> Any:
    (value,) = [part for part in kind if part != "null"]
    return value
