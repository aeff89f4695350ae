"""A column of floats: the smallest of constant, runs, dictionary, decimal, XOR, raw. Lossless for every bit pattern.

Decimal: integers times a power of ten; what does not come back bit for bit is kept apart. XOR: with the value before.

Source: Gorilla (Pelkonen et al., VLDB 2015) for XOR; ALP (Afroozeh, Kuffo, Boncz, SIGMOD 2023) for decimals with
exceptions.
"""

from __future__ import annotations

import numpy as np

from quintet.timeseries.codec.bits import (
    NONE,
    bit_width,
    get_planes,
    get_varint,
    get_word,
    pack,
    put_planes,
    put_varint,
    put_word,
    unpack,
)
from quintet.timeseries.codec.integers import GROUP, decode_ints, encode_ints, ints_size
from quintet.timeseries.compiled import kernel

__all__ = ["decode_floats", "encode_floats"]

_RAW, _SAME, _RUNS, _DICTIONARY, _DECIMAL, _XOR, _RAW_PLANES = 0, 1, 2, 3, 4, 5, 6
_TABLE = 1024
_MAX_DISTINCT = 256
_SAMPLES = 32
_MAX_EXPONENT = 18
_POWERS = np.array([10.0**exponent for exponent in range(_MAX_EXPONENT + 1)])
#: Integers up to here are exact as float64.
_EXACT = 2.0**53


@kernel
def _exponent(bits):  # type: ignore[no-untyped-def]
    """Power of ten that brings most of a sample to integers, or -1."""
    values = bits.view(np.float64)
    count = len(bits)
    stride = max(1, count // _SAMPLES)
    seen = 0
    failed = 0
    found = np.zeros(_MAX_EXPONENT + 1, np.int64)
    for i in range(0, count, stride):
        value = values[i]
        seen += 1
        hit = False
        if abs(value) < _EXACT:
            for exponent in range(_MAX_EXPONENT + 1):
                scaled = np.rint(value * _POWERS[exponent])
                if abs(scaled) >= _EXACT:
                    break
                if scaled / _POWERS[exponent] == value:
                    found[exponent] += 1
                    hit = True
                    break
        if not hit:
            failed += 1
            if failed * 4 > _SAMPLES:
                return -1
    # The sample's rarest sixteenth may be exceptions: one long number must not widen all the others.
    spare = (seen - failed) // 16
    for exponent in range(_MAX_EXPONENT, -1, -1):
        spare -= found[exponent]
        if spare < 0:
            return exponent
    return -1


@kernel
def _decimals(bits, exponent, integers, exceptions):  # type: ignore[no-untyped-def]
    """Fill integers (int64) and the positions of exceptions; the number of exceptions."""
    values = bits.view(np.float64)
    power = _POWERS[exponent]
    failed = 0
    last = np.int64(0)
    for i in range(len(bits)):
        scaled = np.rint(values[i] * power)
        # Equal numbers are equal bits, but for the zeros: an integer has no negative one.
        if abs(scaled) < _EXACT and scaled / power == values[i] and (scaled != 0.0 or bits[i] == NONE):
            last = np.int64(scaled)
            integers[i] = last
            continue
        integers[i] = last  # costs nothing in the differences
        exceptions[failed] = i
        failed += 1
    return failed


@kernel
def _distinct(bits, values, indices):  # type: ignore[no-untyped-def]
    """Distinct patterns in order of appearance and their index by row; 0: more than a dictionary holds."""
    slots = np.full(_TABLE, -1, np.int64)
    found = 0
    last = bits[0]
    index = np.int64(-1)
    for i in range(len(bits)):
        pattern = bits[i]
        if index < 0 or pattern != last:
            slot = np.int64((pattern * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(54))
            while slots[slot] >= 0 and values[slots[slot]] != pattern:
                slot = (slot + 1) & (_TABLE - 1)
            if slots[slot] < 0:
                if found == _MAX_DISTINCT:
                    return 0
                values[found] = pattern
                slots[slot] = found
                found += 1
            index = slots[slot]
            last = pattern
        indices[i] = index
    return found


@kernel
def _xor_size(bits):  # type: ignore[no-untyped-def]
    count = len(bits)
    size = 9
    start = 1
    while start < count:
        stop = min(start + GROUP, count)
        used = NONE
        for i in range(start, stop):
            used |= bits[i] ^ bits[i - 1]
        size += 2 + ((stop - start) * (bit_width(used) - _trailing(used)) + 7) // 8
        start = stop
    return size


@kernel
def _trailing(used):  # type: ignore[no-untyped-def]
    """Zero bits at the low end; 0 for a value without bits."""
    return bit_width(used & (NONE - used)) - 1 if used else 0


@kernel
def encode_floats(bits, out, at, planes):  # type: ignore[no-untyped-def]
    """Write float64 as its bit patterns uint64[n], n >= 1, in the smallest form; where the column ends."""
    count = len(bits)
    runs = 1
    for i in range(1, count):
        runs += bits[i] != bits[i - 1]
    if runs == 1:
        out[at] = np.uint8(_SAME)
        return put_word(out, at + 1, bits[0])
    kind = _RAW_PLANES if planes else _RAW
    best = 8 * count + 1
    if 11 * runs + 16 < best:
        kind, best = _RUNS, 11 * runs + 16
    values = np.empty(_MAX_DISTINCT, np.uint64)
    indices = np.empty(count, np.int64)
    distinct = _distinct(bits, values, indices)
    if distinct:
        size = 8 * distinct + (count * bit_width(np.uint64(distinct - 1)) + 7) // 8 + 3 * (count // GROUP + 1) + 8
        if size < best:
            kind, best = _DICTIONARY, size
    exponent = _exponent(bits)
    integers = np.empty(count if exponent >= 0 else 1, np.int64)
    exceptions = np.empty(count if exponent >= 0 else 1, np.int64)
    failed = 0
    if exponent >= 0:
        failed = _decimals(bits, exponent, integers, exceptions)
        size = ints_size(integers) + 10 * failed + 8
        if size < best:
            kind, best = _DECIMAL, size
    if not planes or kind == _RAW_PLANES:
        size = _xor_size(bits)
        # Planes of whole values compress better than packed bits: XOR stays for what is read without a compressor.
        if size < best and not planes:
            kind, best = _XOR, size
    out[at] = np.uint8(kind)
    at += 1
    if kind == _RAW_PLANES:
        return put_planes(bits, 8, out, at)
    if kind == _RAW:
        for i in range(count):
            at = put_word(out, at, bits[i])
        return at
    if kind == _RUNS:
        return _put_runs(bits, runs, out, at, planes)
    if kind == _DICTIONARY:
        at = put_varint(out, at, np.uint64(distinct))
        for i in range(distinct):
            at = put_word(out, at, values[i])
        return encode_ints(indices, out, at, planes)
    if kind == _DECIMAL:
        out[at] = np.uint8(exponent)
        at = put_varint(out, at + 1, np.uint64(failed))
        last = np.int64(0)
        for i in range(failed):
            at = put_varint(out, at, np.uint64(exceptions[i] - last))
            at = put_word(out, at, bits[exceptions[i]])
            last = exceptions[i]
        return encode_ints(integers, out, at, planes)
    return _put_xor(bits, out, at)


@kernel
def _put_runs(bits, runs, out, at, planes):  # type: ignore[no-untyped-def]
    lengths = np.empty(runs, np.int64)
    at = put_varint(out, at, np.uint64(runs))
    run = 0
    begin = 0
    for i in range(1, len(bits) + 1):
        if i == len(bits) or bits[i] != bits[begin]:
            at = put_word(out, at, bits[begin])
            lengths[run] = i - begin
            run += 1
            begin = i
    return encode_ints(lengths, out, at, planes)


@kernel
def _put_xor(bits, out, at):  # type: ignore[no-untyped-def]
    count = len(bits)
    at = put_word(out, at, bits[0])
    words = np.empty(GROUP, np.uint64)
    start = 1
    while start < count:
        stop = min(start + GROUP, count)
        used = NONE
        for i in range(start, stop):
            used |= bits[i] ^ bits[i - 1]
        shift = _trailing(used)
        width = bit_width(used) - shift
        for i in range(start, stop):
            words[i - start] = (bits[i] ^ bits[i - 1]) >> np.uint64(shift)
        out[at] = np.uint8(shift)
        out[at + 1] = np.uint8(width)
        at += 2
        if width:
            at = pack(words, 0, stop - start, width, out, at)
        start = stop
    return at


@kernel
def decode_floats(data, at, out):  # type: ignore[no-untyped-def]
    """Read len(out) bit patterns (uint64) from data (uint8, SLACK bytes readable after); where the column ended."""
    count = len(out)
    kind = np.int64(data[at])
    at += 1
    if kind == _SAME:
        value = get_word(data, at)
        for i in range(count):
            out[i] = value
        return at + 8
    if kind == _RAW:
        for i in range(count):
            out[i] = get_word(data, at + 8 * i)
        return at + 8 * count
    if kind == _RAW_PLANES:
        return get_planes(data, at, 8, count, out, 0)
    if kind == _RUNS:
        raw, at = get_varint(data, at)
        runs = np.int64(raw)
        lengths = np.empty(runs, np.int64)
        end = decode_ints(data, at + 8 * runs, lengths)
        row = 0
        for run in range(runs):
            value = get_word(data, at + 8 * run)
            for _ in range(lengths[run]):
                out[row] = value
                row += 1
        return end
    if kind == _DICTIONARY:
        raw, at = get_varint(data, at)
        distinct = np.int64(raw)
        values = np.empty(distinct, np.uint64)
        for i in range(distinct):
            values[i] = get_word(data, at + 8 * i)
        indices = out.view(np.int64)
        at = decode_ints(data, at + 8 * distinct, indices)
        for i in range(count):
            out[i] = values[indices[i]]
        return at
    if kind == _DECIMAL:
        return _get_decimals(data, at, out)
    value = get_word(data, at)
    at += 8
    out[0] = value
    start = 1
    while start < count:
        stop = min(start + GROUP, count)
        shift = np.uint64(data[at])
        width = np.int64(data[at + 1])
        at += 2
        if width:
            at = unpack(data, at, width, stop - start, out, start)
            for i in range(start, stop):
                value ^= out[i] << shift
                out[i] = value
        else:
            for i in range(start, stop):
                out[i] = value
        start = stop
    return at


@kernel
def _get_decimals(data, at, out):  # type: ignore[no-untyped-def]
    power = _POWERS[np.int64(data[at])]
    raw, at = get_varint(data, at + 1)
    failed = np.int64(raw)
    listed = at
    for _ in range(failed):
        _, at = get_varint(data, at)
        at += 8
    integers = out.view(np.int64)
    at = decode_ints(data, at, integers)
    values = out.view(np.float64)
    for i in range(len(out)):
        values[i] = np.float64(integers[i]) / power
    row = np.int64(0)
    for _ in range(failed):
        raw, listed = get_varint(data, listed)
        row += np.int64(raw)
        out[row] = get_word(data, listed)
        listed += 8
    return at
