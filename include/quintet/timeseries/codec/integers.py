"""A column of integers: differences of order 0, 1 or 2, packed in groups.

The common divisor is taken out first; the residuals are packed in groups of 128 with a base and a bit width each (frame
of reference). A regular time axis becomes one residual for the whole column. With `planes` the residuals are laid out
byte by byte instead, which is what a general compressor wants.

Source: Gorilla (Pelkonen et al., VLDB 2015) for delta-of-delta; FastPFOR (Lemire, Boytsov 2015) for frames of
reference.
"""

from __future__ import annotations

import numpy as np

from quintet.timeseries.codec.bits import (
    NONE,
    ONE,
    bit_width,
    get_planes,
    get_varint,
    pack,
    put_planes,
    put_varint,
    unpack,
    unzigzag,
    varint_length,
    zigzag,
)
from quintet.timeseries.compiled import kernel

__all__ = ["GROUP", "decode_ints", "encode_ints", "ints_size"]

#: Residuals that share a base and a width.
GROUP = 128
_CONSTANT, _PACKED, _PLANES = 0, 1, 2


@kernel
def _common_divisor(scaled):  # type: ignore[no-untyped-def]
    divisor = NONE
    for i in range(len(scaled)):
        value = scaled[i]
        a = np.uint64(value) if value >= 0 else NONE - np.uint64(value)
        if a == NONE or (divisor != NONE and a % divisor == NONE):
            continue
        b = divisor
        while b != NONE:
            a, b = b, a % b
        divisor = a
        if divisor == ONE:
            break
    return divisor if divisor != NONE else ONE


@kernel
def _difference(scaled, order, i):  # type: ignore[no-untyped-def]
    """Residual of element i; the sums wrap, which taking them back undoes."""
    if order == 0:
        return scaled[i]
    if order == 1:
        return scaled[i] - scaled[i - 1]
    return scaled[i] - scaled[i - 1] - (scaled[i - 1] - scaled[i - 2])


@kernel
def _plan(scaled, order):  # type: ignore[no-untyped-def]
    """Bytes of the packed groups, least and greatest residual of the column."""
    count = len(scaled)
    first = 1 if order < 2 else 2
    size = 0
    lowest = np.int64(0)
    highest = np.int64(0)
    start = first
    while start < count:
        stop = min(start + GROUP, count)
        low = _difference(scaled, order, start)
        high = low
        for i in range(start + 1, stop):
            value = _difference(scaled, order, i)
            low = min(low, value)
            high = max(high, value)
        width = bit_width(np.uint64(high) - np.uint64(low))
        size += 1 + varint_length(zigzag(low)) + ((stop - start) * width + 7) // 8
        lowest = low if start == first else min(lowest, low)
        highest = high if start == first else max(highest, high)
        start = stop
    return size, lowest, highest


@kernel
def _scale(values):  # type: ignore[no-untyped-def]
    """Distances to the first value over their common divisor."""
    count = len(values)
    scaled = np.empty(count, np.int64)
    first = values[0]
    for i in range(count):
        scaled[i] = values[i] - first
    divisor = _common_divisor(scaled)
    if divisor != ONE:
        if divisor >> np.uint64(63):  # 2**63 itself: no int64 to divide by
            divisor = ONE
        else:
            by = np.int64(divisor)
            for i in range(count):
                scaled[i] = scaled[i] // by
    return scaled, divisor


@kernel
def _best_order(scaled):  # type: ignore[no-untyped-def]
    """Order of differences with the fewest bytes, those bytes, least and greatest residual."""
    order = 0
    size, low, high = _plan(scaled, 0)
    if low == high:
        return 0, 0, low, high
    for candidate in (1, 2):
        if candidate >= len(scaled):
            break
        other, lowest, highest = _plan(scaled, candidate)
        if lowest == highest:
            return candidate, 0, lowest, highest
        if other < size:
            order, size, low, high = candidate, other, lowest, highest
    return order, size, low, high


@kernel
def ints_size(values):  # type: ignore[no-untyped-def]
    """About the bytes of the column, packed."""
    if len(values) < 2:
        return 12
    scaled, _ = _scale(values)
    return _best_order(scaled)[1] + 12


@kernel
def encode_ints(values, out, at, planes):  # type: ignore[no-untyped-def]
    """Write int64[n], n >= 1, to out (uint8) at a position; where the column ends.

    planes: lay residuals out byte by byte, for a general compressor, where there is more than one residual.
    """
    count = len(values)
    if count == 1:
        out[at] = np.uint8(_CONSTANT)
        at = put_varint(out, at + 1, zigzag(values[0]))
        at = put_varint(out, at, ONE)
        return put_varint(out, at, NONE)
    scaled, divisor = _scale(values)
    order, _, low, high = _best_order(scaled)
    layout = _CONSTANT if low == high else (_PLANES if planes else _PACKED)
    out[at] = np.uint8(order | (layout << 4))
    at = put_varint(out, at + 1, zigzag(values[0]))
    at = put_varint(out, at, divisor)
    if order == 2:
        at = put_varint(out, at, zigzag(scaled[1]))
    if layout == _CONSTANT:
        return put_varint(out, at, zigzag(low))
    first = 1 if order < 2 else 2
    residuals = np.empty(count - first, np.uint64)
    if layout == _PLANES:
        at = put_varint(out, at, zigzag(low))
        for i in range(first, count):
            residuals[i - first] = np.uint64(_difference(scaled, order, i)) - np.uint64(low)
        bytes_each = (bit_width(np.uint64(high) - np.uint64(low)) + 7) // 8
        out[at] = np.uint8(bytes_each)
        return put_planes(residuals, bytes_each, out, at + 1)
    start = first
    while start < count:
        stop = min(start + GROUP, count)
        low = _difference(scaled, order, start)
        high = low
        for i in range(start, stop):
            value = _difference(scaled, order, i)
            low = min(low, value)
            high = max(high, value)
        for i in range(start, stop):
            residuals[i - start] = np.uint64(_difference(scaled, order, i)) - np.uint64(low)
        width = bit_width(np.uint64(high) - np.uint64(low))
        out[at] = np.uint8(width)
        at = put_varint(out, at + 1, zigzag(low))
        if width:
            at = pack(residuals, 0, stop - start, width, out, at)
        start = stop
    return at


@kernel
def decode_ints(data, at, out):  # type: ignore[no-untyped-def]
    """Read a column of len(out) values from data (uint8, SLACK bytes readable after it); where it ended."""
    count = len(out)
    order = np.int64(data[at] & 15)
    layout = np.int64(data[at] >> 4)
    raw, at = get_varint(data, at + 1)
    value = unzigzag(raw)
    divisor, at = get_varint(data, at)
    scale = np.int64(divisor)
    out[0] = value
    first = 1
    step = np.int64(0)
    if order == 2:
        raw, at = get_varint(data, at)
        step = unzigzag(raw) * scale
        out[1] = value + step
        first = 2
    words = out.view(np.uint64)
    if layout == _CONSTANT:
        raw, at = get_varint(data, at)
        residual = np.uint64(unzigzag(raw))
        for i in range(first, count):
            words[i] = residual
    elif layout == _PLANES:
        raw, at = get_varint(data, at)
        base = np.uint64(unzigzag(raw))
        bytes_each = np.int64(data[at])
        at = get_planes(data, at + 1, bytes_each, count - first, words, first)
        for i in range(first, count):
            words[i] += base
    else:
        start = first
        while start < count:
            stop = min(start + GROUP, count)
            width = np.int64(data[at])
            raw, at = get_varint(data, at + 1)
            base = np.uint64(unzigzag(raw))
            if width:
                at = unpack(data, at, width, stop - start, words, start)
                for i in range(start, stop):
                    words[i] += base
            else:
                for i in range(start, stop):
                    words[i] = base
            start = stop
    if order == 0:
        for i in range(first, count):
            out[i] = value + out[i] * scale
    elif order == 1:
        for i in range(first, count):
            value += out[i] * scale
            out[i] = value
    else:
        value += step
        for i in range(first, count):
            step += out[i] * scale
            value += step
            out[i] = value
    return at
