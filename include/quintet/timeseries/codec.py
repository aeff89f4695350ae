"""Columns of a chunk as bytes and back: integers (timestamps, scaled decimals, indices) and floats. Lossless.

An integer column is brought to differences of order 0, 1 or 2 after its common divisor is taken out, and the
residuals are packed in groups of 128 with a base and a bit width each (frame of reference). A regular time axis
becomes one residual for the whole column. A float column takes the smallest of: constant, runs, dictionary, decimal
(integers times a power of ten, what does not come back bit for bit is kept apart), XOR with the value before, raw.
With `planes` the residuals are laid out byte by byte instead, which is what a general compressor wants.

FORMAT.md draws the bytes. Kernels trust what they read: the caller has compared the checksum of the chunk.

Source: Gorilla (Pelkonen et al., VLDB 2015) for delta-of-delta and XOR; FastPFOR (Lemire, Boytsov 2015) for frames
of reference; ALP (Afroozeh, Kuffo, Boncz, SIGMOD 2023) for decimals with exceptions.
"""

from __future__ import annotations

import numpy as np

from quintet.timeseries.compiled import kernel

__all__ = ["SLACK", "column_room", "decode_floats", "decode_ints", "encode_floats", "encode_ints"]

#: Bytes that must be readable after a column: bits are read eight bytes at a time.
SLACK = 16
#: Residuals that share a base and a width.
GROUP = 128

_CONSTANT, _PACKED, _PLANES = 0, 1, 2
_RAW, _SAME, _RUNS, _DICTIONARY, _DECIMAL, _XOR, _RAW_PLANES = 0, 1, 2, 3, 4, 5, 6
_TABLE = 1024
_MAX_DISTINCT = 256
_SAMPLES = 32
_MAX_EXPONENT = 18
_POWERS = np.array([10.0**exponent for exponent in range(_MAX_EXPONENT + 1)])
#: Integers up to here are exact as float64.
_EXACT = 2.0**53
_ONE = np.uint64(1)
_NONE = np.uint64(0)


def column_room(points: int) -> int:
    """Bytes that an encoded column never exceeds."""
    return 8 * points + 24 * (points // GROUP + 2) + 64 + SLACK


@kernel
def _put_varint(out, at, value):  # type: ignore[no-untyped-def]
    value = np.uint64(value)
    while value >= np.uint64(128):
        out[at] = np.uint8((value & np.uint64(127)) | np.uint64(128))
        value >>= np.uint64(7)
        at += 1
    out[at] = np.uint8(value)
    return at + 1


@kernel
def _get_varint(data, at):  # type: ignore[no-untyped-def]
    value = _NONE
    shift = _NONE
    while True:
        byte = np.uint64(data[at])
        at += 1
        value |= (byte & np.uint64(127)) << shift
        if byte < np.uint64(128):
            return value, at
        shift += np.uint64(7)


@kernel
def _zigzag(value):  # type: ignore[no-untyped-def]
    return (np.uint64(value) << _ONE) ^ np.uint64(np.int64(value) >> np.int64(63))


@kernel
def _unzigzag(value):  # type: ignore[no-untyped-def]
    return np.int64(value >> _ONE) ^ -np.int64(value & _ONE)


@kernel
def _varint_length(value):  # type: ignore[no-untyped-def]
    length = 1
    value = np.uint64(value)
    while value >= np.uint64(128):
        value >>= np.uint64(7)
        length += 1
    return length


@kernel
def _width(value):  # type: ignore[no-untyped-def]
    """Bits of an unsigned value."""
    value = np.uint64(value)
    bits = 0
    for step in (32, 16, 8, 4, 2, 1):
        if value >> np.uint64(step):
            bits += step
            value >>= np.uint64(step)
    return bits + np.int64(value)


@kernel
def _put_word(out, at, value):  # type: ignore[no-untyped-def]
    for i in range(8):
        out[at + i] = np.uint8((value >> np.uint64(8 * i)) & np.uint64(255))
    return at + 8


@kernel
def _get_word(data, at):  # type: ignore[no-untyped-def]
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
def _pack(values, start, stop, width, out, at):  # type: ignore[no-untyped-def]
    """Bits of values[start:stop], least significant first; ends on a byte."""
    held = _NONE
    filled = 0
    for i in range(start, stop):
        value = values[i]
        held |= value << np.uint64(filled)
        filled += width
        if filled >= 64:
            at = _put_word(out, at, held)
            filled -= 64
            # A shift by 64 is undefined: nothing of the value is left when the word filled exactly.
            held = value >> np.uint64(width - filled) if filled else _NONE
    while filled > 0:
        out[at] = np.uint8(held & np.uint64(255))
        held >>= np.uint64(8)
        filled -= 8
        at += 1
    return at


@kernel
def _unpack(data, at, width, count, out, start):  # type: ignore[no-untyped-def]
    mask = (_ONE << np.uint64(width)) - _ONE if width < 64 else ~_NONE
    if width <= 56:
        for i in range(count):
            bit = i * width
            word = _get_word(data, at + (bit >> 3))
            out[start + i] = (word >> np.uint64(bit & 7)) & mask
    else:
        for i in range(count):
            bit = i * width
            shift = np.uint64(bit & 7)
            value = _get_word(data, at + (bit >> 3)) >> shift
            if shift:
                value |= np.uint64(data[at + (bit >> 3) + 8]) << (np.uint64(64) - shift)
            out[start + i] = value & mask
    return at + (count * width + 7) // 8


@kernel
def _common_divisor(scaled):  # type: ignore[no-untyped-def]
    divisor = _NONE
    for i in range(len(scaled)):
        value = scaled[i]
        a = np.uint64(value) if value >= 0 else _NONE - np.uint64(value)
        if a == _NONE or (divisor != _NONE and a % divisor == _NONE):
            continue
        b = divisor
        while b != _NONE:
            a, b = b, a % b
        divisor = a
        if divisor == _ONE:
            break
    return divisor if divisor != _NONE else _ONE


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
        width = _width(np.uint64(high) - np.uint64(low))
        size += 1 + _varint_length(_zigzag(low)) + ((stop - start) * width + 7) // 8
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
    if divisor != _ONE:
        if divisor >> np.uint64(63):  # 2**63 itself: no int64 to divide by
            divisor = _ONE
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
def _ints_size(values):  # type: ignore[no-untyped-def]
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
        at = _put_varint(out, at + 1, _zigzag(values[0]))
        at = _put_varint(out, at, _ONE)
        return _put_varint(out, at, _NONE)
    scaled, divisor = _scale(values)
    order, _, low, high = _best_order(scaled)
    layout = _CONSTANT if low == high else (_PLANES if planes else _PACKED)
    out[at] = np.uint8(order | (layout << 4))
    at = _put_varint(out, at + 1, _zigzag(values[0]))
    at = _put_varint(out, at, divisor)
    if order == 2:
        at = _put_varint(out, at, _zigzag(scaled[1]))
    if layout == _CONSTANT:
        return _put_varint(out, at, _zigzag(low))
    first = 1 if order < 2 else 2
    residuals = np.empty(count - first, np.uint64)
    if layout == _PLANES:
        at = _put_varint(out, at, _zigzag(low))
        for i in range(first, count):
            residuals[i - first] = np.uint64(_difference(scaled, order, i)) - np.uint64(low)
        bytes_each = (_width(np.uint64(high) - np.uint64(low)) + 7) // 8
        out[at] = np.uint8(bytes_each)
        return _put_planes(residuals, bytes_each, out, at + 1)
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
        width = _width(np.uint64(high) - np.uint64(low))
        out[at] = np.uint8(width)
        at = _put_varint(out, at + 1, _zigzag(low))
        if width:
            at = _pack(residuals, 0, stop - start, width, out, at)
        start = stop
    return at


@kernel
def _put_planes(words, bytes_each, out, at):  # type: ignore[no-untyped-def]
    count = len(words)
    for plane in range(bytes_each):
        shift = np.uint64(8 * plane)
        for i in range(count):
            out[at + i] = np.uint8((words[i] >> shift) & np.uint64(255))
        at += count
    return at


@kernel
def _get_planes(data, at, bytes_each, count, out, start):  # type: ignore[no-untyped-def]
    for i in range(count):
        out[start + i] = _NONE
    for plane in range(bytes_each):
        shift = np.uint64(8 * plane)
        for i in range(count):
            out[start + i] |= np.uint64(data[at + i]) << shift
        at += count
    return at


@kernel
def decode_ints(data, at, out):  # type: ignore[no-untyped-def]
    """Read a column of len(out) values from data (uint8, SLACK bytes readable after it); where it ended."""
    count = len(out)
    order = np.int64(data[at] & 15)
    layout = np.int64(data[at] >> 4)
    raw, at = _get_varint(data, at + 1)
    value = _unzigzag(raw)
    divisor, at = _get_varint(data, at)
    scale = np.int64(divisor)
    out[0] = value
    first = 1
    step = np.int64(0)
    if order == 2:
        raw, at = _get_varint(data, at)
        step = _unzigzag(raw) * scale
        out[1] = value + step
        first = 2
    words = out.view(np.uint64)
    if layout == _CONSTANT:
        raw, at = _get_varint(data, at)
        residual = np.uint64(_unzigzag(raw))
        for i in range(first, count):
            words[i] = residual
    elif layout == _PLANES:
        raw, at = _get_varint(data, at)
        base = np.uint64(_unzigzag(raw))
        bytes_each = np.int64(data[at])
        at = _get_planes(data, at + 1, bytes_each, count - first, words, first)
        for i in range(first, count):
            words[i] += base
    else:
        start = first
        while start < count:
            stop = min(start + GROUP, count)
            width = np.int64(data[at])
            raw, at = _get_varint(data, at + 1)
            base = np.uint64(_unzigzag(raw))
            if width:
                at = _unpack(data, at, width, stop - start, words, start)
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
        if abs(scaled) < _EXACT and scaled / power == values[i] and (scaled != 0.0 or bits[i] == _NONE):
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
        used = _NONE
        for i in range(start, stop):
            used |= bits[i] ^ bits[i - 1]
        size += 2 + ((stop - start) * (_width(used) - _trailing(used)) + 7) // 8
        start = stop
    return size


@kernel
def _trailing(used):  # type: ignore[no-untyped-def]
    """Zero bits at the low end; 0 for a value without bits."""
    return _width(used & (_NONE - used)) - 1 if used else 0


@kernel
def encode_floats(bits, out, at, planes):  # type: ignore[no-untyped-def]
    """Write float64 as its bit patterns uint64[n], n >= 1, in the smallest form; where the column ends."""
    count = len(bits)
    runs = 1
    for i in range(1, count):
        runs += bits[i] != bits[i - 1]
    if runs == 1:
        out[at] = np.uint8(_SAME)
        return _put_word(out, at + 1, bits[0])
    kind = _RAW_PLANES if planes else _RAW
    best = 8 * count + 1
    if 11 * runs + 16 < best:
        kind, best = _RUNS, 11 * runs + 16
    values = np.empty(_MAX_DISTINCT, np.uint64)
    indices = np.empty(count, np.int64)
    distinct = _distinct(bits, values, indices)
    if distinct:
        size = 8 * distinct + (count * _width(np.uint64(distinct - 1)) + 7) // 8 + 3 * (count // GROUP + 1) + 8
        if size < best:
            kind, best = _DICTIONARY, size
    exponent = _exponent(bits)
    integers = np.empty(count if exponent >= 0 else 1, np.int64)
    exceptions = np.empty(count if exponent >= 0 else 1, np.int64)
    failed = 0
    if exponent >= 0:
        failed = _decimals(bits, exponent, integers, exceptions)
        size = _ints_size(integers) + 10 * failed + 8
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
        return _put_planes(bits, 8, out, at)
    if kind == _RAW:
        for i in range(count):
            at = _put_word(out, at, bits[i])
        return at
    if kind == _RUNS:
        return _put_runs(bits, runs, out, at, planes)
    if kind == _DICTIONARY:
        at = _put_varint(out, at, np.uint64(distinct))
        for i in range(distinct):
            at = _put_word(out, at, values[i])
        return encode_ints(indices, out, at, planes)
    if kind == _DECIMAL:
        out[at] = np.uint8(exponent)
        at = _put_varint(out, at + 1, np.uint64(failed))
        last = np.int64(0)
        for i in range(failed):
            at = _put_varint(out, at, np.uint64(exceptions[i] - last))
            at = _put_word(out, at, bits[exceptions[i]])
            last = exceptions[i]
        return encode_ints(integers, out, at, planes)
    return _put_xor(bits, out, at)


@kernel
def _put_runs(bits, runs, out, at, planes):  # type: ignore[no-untyped-def]
    lengths = np.empty(runs, np.int64)
    at = _put_varint(out, at, np.uint64(runs))
    run = 0
    begin = 0
    for i in range(1, len(bits) + 1):
        if i == len(bits) or bits[i] != bits[begin]:
            at = _put_word(out, at, bits[begin])
            lengths[run] = i - begin
            run += 1
            begin = i
    return encode_ints(lengths, out, at, planes)


@kernel
def _put_xor(bits, out, at):  # type: ignore[no-untyped-def]
    count = len(bits)
    at = _put_word(out, at, bits[0])
    words = np.empty(GROUP, np.uint64)
    start = 1
    while start < count:
        stop = min(start + GROUP, count)
        used = _NONE
        for i in range(start, stop):
            used |= bits[i] ^ bits[i - 1]
        shift = _trailing(used)
        width = _width(used) - shift
        for i in range(start, stop):
            words[i - start] = (bits[i] ^ bits[i - 1]) >> np.uint64(shift)
        out[at] = np.uint8(shift)
        out[at + 1] = np.uint8(width)
        at += 2
        if width:
            at = _pack(words, 0, stop - start, width, out, at)
        start = stop
    return at


@kernel
def decode_floats(data, at, out):  # type: ignore[no-untyped-def]
    """Read len(out) bit patterns (uint64) from data (uint8, SLACK bytes readable after); where the column ended."""
    count = len(out)
    kind = np.int64(data[at])
    at += 1
    if kind == _SAME:
        value = _get_word(data, at)
        for i in range(count):
            out[i] = value
        return at + 8
    if kind == _RAW:
        for i in range(count):
            out[i] = _get_word(data, at + 8 * i)
        return at + 8 * count
    if kind == _RAW_PLANES:
        return _get_planes(data, at, 8, count, out, 0)
    if kind == _RUNS:
        raw, at = _get_varint(data, at)
        runs = np.int64(raw)
        lengths = np.empty(runs, np.int64)
        end = decode_ints(data, at + 8 * runs, lengths)
        row = 0
        for run in range(runs):
            value = _get_word(data, at + 8 * run)
            for _ in range(lengths[run]):
                out[row] = value
                row += 1
        return end
    if kind == _DICTIONARY:
        raw, at = _get_varint(data, at)
        distinct = np.int64(raw)
        values = np.empty(distinct, np.uint64)
        for i in range(distinct):
            values[i] = _get_word(data, at + 8 * i)
        indices = out.view(np.int64)
        at = decode_ints(data, at + 8 * distinct, indices)
        for i in range(count):
            out[i] = values[indices[i]]
        return at
    if kind == _DECIMAL:
        return _get_decimals(data, at, out)
    value = _get_word(data, at)
    at += 8
    out[0] = value
    start = 1
    while start < count:
        stop = min(start + GROUP, count)
        shift = np.uint64(data[at])
        width = np.int64(data[at + 1])
        at += 2
        if width:
            at = _unpack(data, at, width, stop - start, out, start)
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
    raw, at = _get_varint(data, at + 1)
    failed = np.int64(raw)
    listed = at
    for _ in range(failed):
        _, at = _get_varint(data, at)
        at += 8
    integers = out.view(np.int64)
    at = decode_ints(data, at, integers)
    values = out.view(np.float64)
    for i in range(len(out)):
        values[i] = np.float64(integers[i]) / power
    row = np.int64(0)
    for _ in range(failed):
        raw, listed = _get_varint(data, listed)
        row += np.int64(raw)
        out[row] = _get_word(data, listed)
        listed += 8
    return at
