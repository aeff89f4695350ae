"""Bits and bytes of columns: numbers of variable length, words, packed groups, planes of bytes."""

from __future__ import annotations

import numpy as np

from quintet.timeseries.compiled import kernel

__all__ = [
    "NONE",
    "ONE",
    "SLACK",
    "bit_width",
    "get_planes",
    "get_varint",
    "get_word",
    "pack",
    "put_planes",
    "put_varint",
    "put_word",
    "unpack",
    "unzigzag",
    "varint_length",
    "zigzag",
]

#: Bytes that must be readable after a column: bits are read eight bytes at a time.
SLACK = 16
ONE = np.uint64(1)
NONE = np.uint64(0)


@kernel
def put_varint(out, at, value):  # type: ignore[no-untyped-def]
    """Write a number in groups of seven bits; the next position."""
    value = np.uint64(value)
    while value >= np.uint64(128):
        out[at] = np.uint8((value & np.uint64(127)) | np.uint64(128))
        value >>= np.uint64(7)
        at += 1
    out[at] = np.uint8(value)
    return at + 1


@kernel
def get_varint(data, at):  # type: ignore[no-untyped-def]
    """A number and the position after it."""
    value = NONE
    shift = NONE
    while True:
        byte = np.uint64(data[at])
        at += 1
        value |= (byte & np.uint64(127)) << shift
        if byte < np.uint64(128):
            return value, at
        shift += np.uint64(7)


@kernel
def zigzag(value):  # type: ignore[no-untyped-def]
    """A signed number as an unsigned one that is small where it is near 0."""
    return (np.uint64(value) << ONE) ^ np.uint64(np.int64(value) >> np.int64(63))


@kernel
def unzigzag(value):  # type: ignore[no-untyped-def]
    """What `zigzag` made an unsigned number of."""
    return np.int64(value >> ONE) ^ -np.int64(value & ONE)


@kernel
def varint_length(value):  # type: ignore[no-untyped-def]
    """Bytes that `put_varint` writes."""
    length = 1
    value = np.uint64(value)
    while value >= np.uint64(128):
        value >>= np.uint64(7)
        length += 1
    return length


@kernel
def bit_width(value):  # type: ignore[no-untyped-def]
    """Bits of an unsigned value."""
    value = np.uint64(value)
    bits = 0
    for step in (32, 16, 8, 4, 2, 1):
        if value >> np.uint64(step):
            bits += step
            value >>= np.uint64(step)
    return bits + np.int64(value)


@kernel
def put_word(out, at, value):  # type: ignore[no-untyped-def]
    """Write eight bytes, the lowest first; the next position."""
    for i in range(8):
        out[at + i] = np.uint8((value >> np.uint64(8 * i)) & np.uint64(255))
    return at + 8


@kernel
def get_word(data, at):  # type: ignore[no-untyped-def]
    """Eight bytes as a number."""
    return (
        np.uint64(data[at])
        | (np.uint64(data[at + 1]) << np.uint64(8))
        | (np.uint64(data[at + 2]) << np.uint64(16))
        | (np.uint64(data[at + 3]) << np.uint64(24))
        | (np.uint64(data[at + 4]) << np.uint64(32))
        | (np.uint64(data[at + 5]) << np.uint64(40))
        | (np.uint64(data[at + 6]) << np.uint64(48))
        | (np.uint64(data[at + 7]) << np.uint64(56))
    )


@kernel
def pack(values, start, stop, width, out, at):  # type: ignore[no-untyped-def]
    """Bits of values[start:stop], least significant first; ends on a byte."""
    held = NONE
    filled = 0
    for i in range(start, stop):
        value = values[i]
        held |= value << np.uint64(filled)
        filled += width
        if filled >= 64:
            at = put_word(out, at, held)
            filled -= 64
            # A shift by 64 is undefined: nothing of the value is left when the word filled exactly.
            held = value >> np.uint64(width - filled) if filled else NONE
    while filled > 0:
        out[at] = np.uint8(held & np.uint64(255))
        held >>= np.uint64(8)
        filled -= 8
        at += 1
    return at


@kernel
def unpack(data, at, width, count, out, start):  # type: ignore[no-untyped-def]
    """Read `count` numbers of `width` bits to out[start:]; the position after them."""
    mask = (ONE << np.uint64(width)) - ONE if width < 64 else ~NONE
    if width <= 56:
        for i in range(count):
            bit = i * width
            word = get_word(data, at + (bit >> 3))
            out[start + i] = (word >> np.uint64(bit & 7)) & mask
    else:
        for i in range(count):
            bit = i * width
            shift = np.uint64(bit & 7)
            value = get_word(data, at + (bit >> 3)) >> shift
            if shift:
                value |= np.uint64(data[at + (bit >> 3) + 8]) << (np.uint64(64) - shift)
            out[start + i] = value & mask
    return at + (count * width + 7) // 8


@kernel
def put_planes(words, bytes_each, out, at):  # type: ignore[no-untyped-def]
    """Write all lowest bytes of the words, then all next ones; the next position."""
    count = len(words)
    for plane in range(bytes_each):
        shift = np.uint64(8 * plane)
        for i in range(count):
            out[at + i] = np.uint8((words[i] >> shift) & np.uint64(255))
        at += count
    return at


@kernel
def get_planes(data, at, bytes_each, count, out, start):  # type: ignore[no-untyped-def]
    """Read words that `put_planes` wrote to out[start:]; the position after them."""
    for i in range(count):
        out[start + i] = NONE
    for plane in range(bytes_each):
        shift = np.uint64(8 * plane)
        for i in range(count):
            out[start + i] |= np.uint64(data[at + i]) << shift
        at += count
    return at
