"""Arrow arrays from a few Python values, built from buffers.

`pyarrow.array` and `pyarrow.scalar` import pandas when it is installed, which costs a landing more than reading its
files. The layout of the buffers is that of the Arrow columnar format.

Source: Apache Arrow columnar format 1.5, "Variable-size Binary Layout", "Fixed-Size Primitive Layout".
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from datetime import UTC, date, datetime

import pyarrow as pa

__all__ = ["Value", "column", "constant"]

Value = str | int | date | datetime | None

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_DAY = date(1970, 1, 1)


def column(values: Sequence[Value], kind: pa.DataType) -> pa.Array:
    """Array of values; types: string, int32, int64, date32, timestamp[us]."""
    present = sum(1 << place for place, value in enumerate(values) if value is not None)
    valid = pa.py_buffer(present.to_bytes((len(values) + 7) // 8, "little"))
    if pa.types.is_string(kind):
        texts = [b"" if value is None else str(value).encode() for value in values]
        ends = array("i", [0])
        for text in texts:
            ends.append(ends[-1] + len(text))
        return pa.Array.from_buffers(kind, len(values), [valid, pa.py_buffer(ends), pa.py_buffer(b"".join(texts))])
    numbers = array(_code(kind), map(_number, values))
    return pa.Array.from_buffers(kind, len(values), [valid, pa.py_buffer(numbers)])


def constant(value: Value, kind: pa.DataType, rows: int) -> pa.Array:
    """Array of one value, `rows` times."""
    if value is None:
        return pa.nulls(rows, kind)
    if pa.types.is_string(kind):
        text = str(value).encode()
        ends = array("i", range(0, len(text) * rows + 1, len(text)) if text else [0] * (rows + 1))
        return pa.Array.from_buffers(kind, rows, [None, pa.py_buffer(ends), pa.py_buffer(text * rows)])
    return pa.Array.from_buffers(kind, rows, [None, pa.py_buffer(array(_code(kind), [_number(value)]) * rows)])


def _code(kind: pa.DataType) -> str:
    return "i" if kind.bit_width == 32 else "q"


def _number(value: Value) -> int:
    if isinstance(value, datetime):
        since = value - _EPOCH
        return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    if isinstance(value, date):
        return (value - _FIRST_DAY).days
    return int(value or 0)
