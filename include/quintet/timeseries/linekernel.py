"""The compiled scan of line protocol: bytes to columns of points, with a table of the series met so far.

The scan knows the syntax of a line; what a series key means (tags, their escapes, UTF-8) is read once per new key in
`quintet.timeseries.lineprotocol`. Senders send their series in one order again and again: the key that came after this
one last time is compared first, and only where it is another one is the key read byte by byte and found by hash. Keys
are compared whole in both cases, so that two keys never meet in one series whatever their hashes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from quintet.timeseries.compiled import kernel
from quintet.timeseries.decimals import INTEGER, INVALID, OVERFLOW, UNDECIDED, parse_decimal

__all__ = ["ERRORS", "POINTS", "REASONS", "UNDECIDED_VALUES", "KeyTable", "scan_lines"]

#: Why a line is refused, by the code that the scan reports.
REASONS = {
    1: "measurement missing",
    2: "fields missing",
    3: "field name missing",
    4: "field value missing",
    5: "invalid field value",
    6: "integer beyond 2^53: float64 cannot hold it exactly, send it as a float if the nearest double will do",
    7: "string field: only numbers and booleans are stored",
    8: "string without closing quote",
    9: "invalid timestamp",
    10: "timestamp outside int64 nanoseconds (years 1677 to 2262)",
    11: "number outside float64",
    12: "text after the timestamp",
}
_NO_MEASUREMENT, _NO_FIELDS, _NO_NAME, _NO_VALUE, _BAD_VALUE, _BIG_INTEGER = 1, 2, 3, 4, 5, 6
_STRING, _OPEN_STRING, _BAD_TIME, _TIME_RANGE, _NUMBER_RANGE, _TRAILING = 7, 8, 9, 10, 11, 12

#: Slots of `progress`.
POSITION, LINE, POINTS, ERRORS, KEYS, ARENA, UNDECIDED_VALUES = range(7)
#: The scan is through, or stopped at the start of a line because the table of keys must grow.
_DONE, _GROW = 0, 1

_TAB, _NEWLINE, _RETURN, _SPACE, _QUOTE, _HASH, _COMMA, _EQUALS, _BACKSLASH = 9, 10, 13, 32, 34, 35, 44, 61, 92
_FNV_PRIME = np.uint64(0x100000001B3)
_MIX = np.uint64(0xFF51AFD7ED558CCD)
_SHIFT = np.uint64(32)
_MAX = np.int64(2**63 - 1)


@dataclass
class KeyTable:
    """Series keys (`raw series bytes`, newline, `raw field name bytes`) by number, found by hash; grows by doubling."""

    slots: npt.NDArray[np.int32] = field(default_factory=lambda: np.full(1 << 12, -1, np.int32))
    hashes: npt.NDArray[np.uint64] = field(default_factory=lambda: np.empty(1 << 11, np.uint64))
    ends: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros((1 << 11) + 1, np.int64))
    #: Length of each key's series bytes, and the key that came after key - 1 last time; 0 for the first of a body.
    heads: npt.NDArray[np.int32] = field(default_factory=lambda: np.zeros(1 << 11, np.int32))
    after: npt.NDArray[np.int32] = field(default_factory=lambda: np.full((1 << 11) + 1, -1, np.int32))
    arena: npt.NDArray[np.uint8] = field(default_factory=lambda: np.empty(1 << 18, np.uint8))
    keys: int = 0
    used: int = 0

    def grow(self) -> None:
        """Double what is short: the slots for keys, or their bytes."""
        if self.keys == len(self.hashes):
            self.slots = np.full(2 * len(self.slots), -1, np.int32)
            self.hashes = np.concatenate([self.hashes, np.empty(len(self.hashes), np.uint64)])
            self.ends = np.concatenate([self.ends, np.zeros(len(self.ends) - 1, np.int64)])
            self.heads = np.concatenate([self.heads, np.zeros(len(self.heads), np.int32)])
            self.after = np.concatenate([self.after, np.full(len(self.after) - 1, -1, np.int32)])
            _rehash(self.slots, self.hashes, self.keys)
        else:
            self.arena = np.concatenate([self.arena, np.empty(len(self.arena), np.uint8)])

    def key(self, number: int) -> bytes:
        """The bytes of a key."""
        return bytes(self.arena[self.ends[number] : self.ends[number + 1]])


@kernel
def _rehash(slots, hashes, keys):  # type: ignore[no-untyped-def]
    mask = np.uint64(len(slots) - 1)
    for key in range(keys):
        slot = hashes[key] & mask
        while slots[slot] >= 0:
            slot = (slot + np.uint64(1)) & mask
        slots[slot] = key


@kernel
def _equal(text, start, arena, offset, length):  # type: ignore[no-untyped-def]
    """Whether text[start:start + length] is arena[offset:offset + length]; compares many bytes at once."""
    one, other = text[start : start + length], arena[offset : offset + length]
    different = np.uint8(0)
    for index in range(length):
        different |= one[index] ^ other[index]
    return different == 0


@kernel
def _hash(text, start, end, hash_):  # type: ignore[no-untyped-def]
    for index in range(start, end):
        hash_ = (hash_ ^ np.uint64(text[index])) * _FNV_PRIME
    return hash_


@kernel
def _find(text, start, middle, name, end, hash_, slots, hashes, ends, heads, arena, progress):  # type: ignore[no-untyped-def]
    """Number of the key text[start:middle], text[name:end]; a new one is added; -1 when there is no room."""
    mask = np.uint64(len(slots) - 1)
    slot = hash_ & mask
    head = middle - start
    length = head + 1 + end - name
    while slots[slot] >= 0:
        key = slots[slot]
        if hashes[key] == hash_ and ends[key + 1] - ends[key] == length:
            offset = ends[key]
            if (
                heads[key] == head
                and _equal(text, start, arena, offset, head)
                and _equal(text, name, arena, offset + head + 1, end - name)
            ):
                return key
        slot = (slot + np.uint64(1)) & mask
    keys = progress[KEYS]
    if keys >= len(hashes) or progress[ARENA] + length > len(arena):
        return -1
    offset = progress[ARENA]
    arena[offset : offset + head] = text[start:middle]
    arena[offset + head] = _NEWLINE
    arena[offset + head + 1 : offset + length] = text[name:end]
    hashes[keys] = hash_
    ends[keys + 1] = offset + length
    heads[keys] = head
    slots[slot] = keys
    progress[KEYS] = keys + 1
    progress[ARENA] = offset + length
    return keys


@kernel
def _word(text, start, end, bits):  # type: ignore[no-untyped-def]
    """Whether text[start:end] is true, false, nan or inf with a sign; its value goes to bits[0]."""
    length = end - start
    first = text[start] | 32
    if first == 116 or first == 102:
        words = (b"true", b"TRUE", b"True", b"false", b"FALSE", b"False", b"t", b"T", b"f", b"F")
        for word in words:
            if len(word) == length:
                same = True
                for index in range(length):
                    if word[index] != text[start + index]:
                        same = False
                if same:
                    bits[0] = np.float64(1.0 if first == 116 else 0.0).view(np.uint64)
                    return True
        return False
    negative = text[start] == 45
    signed = negative or text[start] == 43
    if signed:
        start += 1
        length -= 1
    if length != 3:
        return False
    a, b, c = text[start] | 32, text[start + 1] | 32, text[start + 2] | 32
    if a == 110 and b == 97 and c == 110 and not signed:
        bits[0] = np.uint64(0x7FF8000000000001)
        return True
    if a == 105 and b == 110 and c == 102:
        bits[0] = np.float64(-np.inf if negative else np.inf).view(np.uint64)
        return True
    return False


@kernel
def _time(text, start, end, scale, out):  # type: ignore[no-untyped-def]
    """The timestamp text[start:end] times `scale` into out[0]; 0 or the code of an error."""
    position = start
    negative = text[position] == 45
    if negative:
        position += 1
    if position == end:
        return _BAD_TIME
    value = np.int64(0)
    limit = _MAX // scale
    beyond = False
    safe = min(end, position + 18)  # so many digits are an int64
    while position < safe:
        digit = np.int64(text[position]) - 48
        if digit < 0 or digit > 9:
            return _BAD_TIME
        value = value * 10 + digit
        position += 1
    beyond = value > limit
    while position < end:
        digit = np.int64(text[position]) - 48
        if digit < 0 or digit > 9:
            return _BAD_TIME
        if beyond or value > (limit - digit) // 10:
            beyond = True
            value = 0
        value = value * 10 + digit
        position += 1
    if beyond:
        return _TIME_RANGE
    out[0] = -value * scale if negative else value * scale
    return 0


@kernel
def scan_lines(  # type: ignore[no-untyped-def]
    text,
    scale,
    now,
    seed,
    slots,
    hashes,
    ends,
    heads,
    after,
    arena,
    progress,
    series,
    times,
    values,
    lines,
    errors,
    undecided,
):
    """Scan from progress[POSITION] to the end, or to a line whose new key finds no room.

    Shapes: text uint8[n]; series int32[p], times int64[p], values float64[p] and lines int64[p] with p at least the
    number of `=`; errors int64[l, 2] as (line, code) with l at least the number of lines; undecided int64[p, 3] as
    (point, start, end) of numbers that only an exact conversion can round; progress int64[7].
    """
    size = len(text)
    bits = np.zeros(2, np.uint64)
    words = values.view(np.uint64)
    stamp = np.zeros(1, np.int64)
    last = -1  # key of the point before
    while progress[POSITION] < size:
        line_start = progress[POSITION]
        line = progress[LINE]
        first_point = progress[POINTS]
        first_undecided = progress[UNDECIDED_VALUES]
        points = first_point
        position = line_start
        while position < size and (text[position] == _SPACE or text[position] == _TAB or text[position] == _RETURN):
            position += 1
        if position >= size:
            break
        if text[position] == _NEWLINE:
            progress[POSITION] = position + 1
            progress[LINE] = line + 1
            continue
        code = 0
        has_time = False
        breaks = 0  # newlines inside strings
        if text[position] != _HASH:
            start = position
            if text[position] == _COMMA:
                code = _NO_MEASUREMENT
            guess = after[last + 1]
            # The bytes of a key's series with a space behind them end where the loop below would end, too.
            guessed = (
                guess >= 0
                and position + heads[guess] < size
                and text[position + heads[guess]] == _SPACE
                and _equal(text, position, arena, ends[guess], heads[guess])
            )
            if guessed:
                position += heads[guess]
            while not guessed and position < size:
                byte = text[position]
                if byte in (_SPACE, _NEWLINE):
                    break
                position += 1
                if byte == _BACKSLASH and position < size and text[position] != _NEWLINE:
                    position += 1
            middle = position
            hash_ = np.uint64(0)  # of the series, once it is wanted
            while position < size and text[position] == _SPACE:
                position += 1
            if code == 0 and (position >= size or text[position] == _NEWLINE or text[position] == _RETURN):
                code = _NO_FIELDS
            while code == 0:
                name = position
                if not guessed:
                    guess = after[last + 1]
                    guessed = (
                        guess >= 0
                        and heads[guess] == middle - start
                        and _equal(text, start, arena, ends[guess], heads[guess])
                    )
                if guessed:
                    length = ends[guess + 1] - ends[guess] - heads[guess] - 1
                    guessed = (
                        position + length < size
                        and text[position + length] == _EQUALS
                        and _equal(text, position, arena, ends[guess] + heads[guess] + 1, length)
                    )
                    if guessed:
                        position += length
                while not guessed and position < size:
                    byte = text[position]
                    if byte in (_EQUALS, _NEWLINE, _SPACE, _COMMA):
                        break
                    position += 1
                    if byte == _BACKSLASH and position < size and text[position] != _NEWLINE:
                        position += 1
                name_end = position
                if position >= size or text[position] != _EQUALS:
                    code = _NO_VALUE if name_end > name else _NO_NAME
                    break
                if name_end == name:
                    code = _NO_NAME
                    break
                position += 1
                value = position
                if position < size and text[position] == _QUOTE:
                    inner_breaks = 0
                    position += 1
                    while position < size and text[position] != _QUOTE:
                        if text[position] == _BACKSLASH:
                            position += 1
                        if position < size and text[position] == _NEWLINE:
                            inner_breaks += 1
                        position += 1
                    if position >= size:
                        code = _OPEN_STRING
                        position = value  # the lines that the string swallowed are read as lines
                    else:
                        code = _STRING
                        breaks += inner_breaks
                    break
                status, position = parse_decimal(text, position, size, bits)
                stop = position
                undecided_value = status == UNDECIDED
                if status == OVERFLOW:
                    code = _NUMBER_RANGE
                elif status == INVALID:
                    stop = value
                    while stop < size:
                        byte = text[stop]
                        if byte in (_COMMA, _SPACE, _NEWLINE, _RETURN):
                            break
                        stop += 1
                    if stop == value:
                        code = _NO_VALUE
                    elif not _word(text, value, stop, bits):
                        code = _BAD_VALUE
                    position = stop
                elif position < size and (text[position] == 105 or text[position] == 117):
                    signed = text[value] == 45 or text[value] == 43
                    if (status != INTEGER and not undecided_value) or (signed and text[position] == 117):
                        code = _BAD_VALUE
                    elif undecided_value or bits[1] != 0:
                        code = _BIG_INTEGER
                    position += 1
                if code != 0:
                    break
                if position < size:
                    byte = text[position]
                    if byte != _COMMA and byte != _SPACE and byte != _NEWLINE and byte != _RETURN:
                        code = _BAD_VALUE
                        break
                key = np.int64(guess)
                if not guessed:
                    if hash_ == 0:
                        hash_ = _hash(text, start, middle, seed)
                    field_hash = _hash(text, name, name_end, (hash_ ^ np.uint64(_NEWLINE)) * _FNV_PRIME)
                    field_hash = (field_hash ^ (field_hash >> _SHIFT)) * _MIX
                    field_hash ^= field_hash >> _SHIFT
                    key = _find(
                        text, start, middle, name, name_end, field_hash, slots, hashes, ends, heads, arena, progress
                    )
                    if key < 0:
                        progress[POINTS] = first_point
                        progress[UNDECIDED_VALUES] = first_undecided
                        return _GROW
                    after[last + 1] = key
                last = key
                guessed = False
                series[points] = key
                words[points] = bits[0]
                lines[points] = line
                if undecided_value:
                    slot = progress[UNDECIDED_VALUES]
                    undecided[slot, 0] = points
                    undecided[slot, 1] = value
                    undecided[slot, 2] = stop
                    progress[UNDECIDED_VALUES] = slot + 1
                points += 1
                if position < size and text[position] == _COMMA:
                    position += 1
                    continue
                break
            if code == 0:
                while position < size and text[position] == _SPACE:
                    position += 1
                if position < size and text[position] != _NEWLINE and text[position] != _RETURN:
                    begin = position
                    while position < size:
                        byte = text[position]
                        if byte in (_SPACE, _NEWLINE, _RETURN):
                            break
                        position += 1
                    code = _time(text, begin, position, scale, stamp)
                    has_time = True
                    while position < size and (text[position] == _SPACE or text[position] == _RETURN):
                        position += 1
                    if code == 0 and position < size and text[position] != _NEWLINE:
                        code = _TRAILING
        if code == 0:
            for point in range(first_point, points):
                times[point] = stamp[0] if has_time else now
            progress[POINTS] = points
        else:
            slot = progress[ERRORS]
            errors[slot, 0] = line
            errors[slot, 1] = code
            progress[ERRORS] = slot + 1
            progress[UNDECIDED_VALUES] = first_undecided
        while position < size and text[position] != _NEWLINE:
            position += 1
        progress[POSITION] = position + 1
        progress[LINE] = line + breaks + 1
    return _DONE
