"""Types of the catalogue as Arrow types."""

from __future__ import annotations

import re

import pyarrow as pa

__all__ = ["arrow_type"]

_PLAIN = {
    "string": pa.string(),
    "long": pa.int64(),
    "integer": pa.int32(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "boolean": pa.bool_(),
    "double": pa.float64(),
}
_DECIMAL = re.compile(r"decimal\((\d+),(\d+)\)")


def arrow_type(name: str) -> pa.DataType:
    """Arrow type of a type of the catalogue; `timestamp` is timestamp[us, tz=UTC]. Raises KeyError."""
    decimal = _DECIMAL.fullmatch(name)
    if decimal:
        return pa.decimal128(int(decimal[1]), int(decimal[2]))
    return _PLAIN[name]
