"""Instants, money and lists as Arrow arrays, from whole numbers."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from quintet.ecommerce.draws import Array

__all__ = ["INSTANT", "euros", "instants", "lists"]

INSTANT = pa.timestamp("ms", "UTC")


def instants(ms: Array) -> pa.Array:
    """Instants of ms since the epoch."""
    return pa.array(ms, pa.int64()).cast(INSTANT)


def euros(cents: Array, precision: int = 14) -> pa.Array:
    """Cents as decimals of so many digits, two of them behind the point."""
    pairs = np.ascontiguousarray(np.stack([cents, cents >> 63], axis=1))
    return pa.Array.from_buffers(pa.decimal128(precision, 2), len(cents), [None, pa.py_buffer(pairs)])


def lists(values: pa.Array, counts: Array) -> pa.ListArray:
    """Values in runs of these lengths."""
    offsets = np.zeros(len(counts) + 1, np.int32)
    np.cumsum(counts, out=offsets[1:])
    return pa.ListArray.from_arrays(pa.array(offsets), values)
