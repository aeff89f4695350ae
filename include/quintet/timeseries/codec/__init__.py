"""Columns of a chunk as bytes and back: integers (timestamps, scaled decimals, indices) and floats. Lossless.

FORMAT.md draws the bytes. Kernels trust what they read: the caller has compared the checksum of the chunk.
"""

from __future__ import annotations

from quintet.timeseries.codec.bits import SLACK
from quintet.timeseries.codec.floats import decode_floats, encode_floats
from quintet.timeseries.codec.integers import GROUP, decode_ints, encode_ints

__all__ = ["SLACK", "column_room", "decode_floats", "decode_ints", "encode_floats", "encode_ints"]


def column_room(points: int) -> int:
    """Bytes that an encoded column never exceeds."""
    return 8 * points + 24 * (points // GROUP + 2) + 64 + SLACK
