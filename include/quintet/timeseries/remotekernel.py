"""The compiled part of remote write and read: samples out of and into protocol buffers.

`WriteRequest { repeated TimeSeries timeseries = 1 }`, `TimeSeries { repeated Label labels = 1; repeated Sample samples
= 2; … exemplars = 3; … histograms = 4 }`, `Sample { double value = 1; int64 timestamp = 2 }`.
"""

from __future__ import annotations

import numpy as np

from quintet.timeseries.compiled import kernel

__all__ = ["encode_samples", "scan_labels", "scan_write"]

_OK, _DAMAGED, _HISTOGRAMS = range(3)
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


@kernel
def _varint(text, position, end):  # type: ignore[no-untyped-def]
    """(value, next position); position -1 when the number does not end."""
    value, shift = np.uint64(0), np.uint64(0)
    while position < end and shift < np.uint64(70):
        byte = np.uint64(text[position])
        position += 1
        value |= (byte & np.uint64(0x7F)) << shift
        if byte < np.uint64(0x80):
            return np.int64(value), position
        shift += np.uint64(7)
    return np.int64(0), np.int64(-1)


@kernel
def _skip(text, kind, position, end):  # type: ignore[no-untyped-def]
    """Position after a field's value; -1 when it does not fit."""
    if kind == _VARINT:
        _, position = _varint(text, position, end)
        return position
    if kind == _BYTES:
        length, position = _varint(text, position, end)
        return position + length if position >= 0 and 0 <= length <= end - position else np.int64(-1)
    if kind == _FIXED64:
        return position + 8 if position + 8 <= end else np.int64(-1)
    if kind == _FIXED32:
        return position + 4 if position + 4 <= end else np.int64(-1)
    return np.int64(-1)


@kernel
def _walk(text, fill, series, counts, times, words):  # type: ignore[no-untyped-def]
    """One pass over a write request: counts, and with `fill` also writes. (series, samples, status)."""
    position, size = np.int64(0), len(text)
    rows, samples = 0, 0
    while position < size:
        tag, position = _varint(text, position, size)
        if position < 0:
            return rows, samples, _DAMAGED
        if tag != (1 << 3 | _BYTES):
            position = _skip(text, tag & 7, position, size)
            if position < 0:
                return rows, samples, _DAMAGED
            continue
        length, position = _varint(text, position, size)
        if position < 0 or length < 0 or length > size - position:
            return rows, samples, _DAMAGED
        end = position + length
        labels_start, labels_end = np.int64(-1), np.int64(-1)
        before = samples
        while position < end:
            field_start = position
            tag, position = _varint(text, position, end)
            if position < 0:
                return rows, samples, _DAMAGED
            body = position
            position = _skip(text, tag & 7, position, end)
            if position < 0:
                return rows, samples, _DAMAGED
            if tag == (1 << 3 | _BYTES):
                if labels_start < 0:
                    labels_start = field_start
                elif labels_end != field_start:  # every encoder writes the labels of a series in one run
                    return rows, samples, _DAMAGED
                labels_end = position
            elif tag == (4 << 3 | _BYTES):
                return rows, samples, _HISTOGRAMS
            elif tag == (2 << 3 | _BYTES):
                _, place = _varint(text, body, position)
                if fill:
                    times[samples] = 0
                    words[samples] = 0
                while place < position:
                    tag, place = _varint(text, place, position)
                    if place < 0:
                        return rows, samples, _DAMAGED
                    start = place
                    place = _skip(text, tag & 7, place, position)
                    if place < 0:
                        return rows, samples, _DAMAGED
                    if fill and tag == (1 << 3 | _FIXED64):
                        word = np.uint64(0)
                        for byte in range(8):
                            word |= np.uint64(text[start + byte]) << np.uint64(8 * byte)
                        words[samples] = word
                    elif fill and tag == (2 << 3 | _VARINT):
                        times[samples] = _varint(text, start, position)[0]
                samples += 1
        if fill:
            series[rows, 0] = max(labels_start, 0)
            series[rows, 1] = max(labels_end, 0)
            counts[rows] = samples - before
        rows += 1
    return rows, samples, _OK


@kernel
def scan_write(text):  # type: ignore[no-untyped-def]
    """Series and samples of a write request.

    Returns:
        (series int64[k, 2], start and end of the bytes of its labels; counts int64[k] of its samples; times int64[n],
        ms; values float64[n]; status: 0, 1 damaged, 2 native histograms).

    """
    nothing = np.empty((0, 2), np.int64)
    none = np.empty(0, np.int64)
    rows, samples, status = _walk(text, False, nothing, none, none, np.empty(0, np.uint64))
    if status != _OK:
        rows, samples = 0, 0
    series = np.empty((rows, 2), np.int64)
    counts = np.empty(rows, np.int64)
    times = np.empty(samples, np.int64)
    words = np.empty(samples, np.uint64)
    if status == _OK:
        _walk(text, True, series, counts, times, words)
    return series, counts, times, words.view(np.float64), status


@kernel
def scan_labels(text, spans):  # type: ignore[no-untyped-def]
    """Where names and values of labels are in text[spans[i, 0]:spans[i, 1]], for each series i.

    Returns:
        (pieces int64[m, 4], start and end of name and value of a label; ends int64[k], pieces up to and with a series;
        plain bool[k]: the labels are ASCII, canonical and of known fields alone. What is not plain has no pieces).

    """
    room = np.int64(0)
    for row in range(len(spans)):
        room += (spans[row, 1] - spans[row, 0]) // 8 + 1  # a label with a name and a value takes 8 bytes
    pieces = np.empty((room, 4), np.int64)
    ends = np.empty(len(spans), np.int64)
    plain = np.empty(len(spans), np.bool_)
    count = np.int64(0)
    for row in range(len(spans)):
        found = _labels_of(text, spans[row, 0], spans[row, 1], pieces, count)
        plain[row] = found >= 0
        if found >= 0:
            count = found
        ends[row] = count
    return pieces[:count], ends, plain


@kernel
def _labels_of(text, position, end, pieces, count):  # type: ignore[no-untyped-def]
    """Pieces after those of one series; -1 when it is not plain."""
    first = count
    while position < end:
        if text[position] != (1 << 3 | _BYTES):
            return np.int64(-1)
        length, position = _varint(text, position + 1, end)
        if position < 0 or length < 8 - 2 or length > end - position:
            return np.int64(-1)
        stop = position + length
        for word in range(2):
            if position >= stop or text[position] != (word + 1) << 3 | _BYTES:
                return np.int64(-1)
            length, position = _varint(text, position + 1, stop)
            if position < 0 or length <= 0 or length > stop - position:
                return np.int64(-1)
            for index in range(position, position + length):
                if text[index] > 127:
                    return np.int64(-1)
            pieces[count, 2 * word] = position
            position += length
            pieces[count, 2 * word + 1] = position
        if position != stop:
            return np.int64(-1)
        if count > first and not _rises(text, pieces, count):
            return np.int64(-1)
        count += 1
    return count if count > first else np.int64(-1)


@kernel
def _rises(text, pieces, count):  # type: ignore[no-untyped-def]
    """Whether the name of a label comes after that of the one before."""
    one, one_end = pieces[count - 1, 0], pieces[count - 1, 1]
    other, other_end = pieces[count, 0], pieces[count, 1]
    while one < one_end and other < other_end:
        if text[one] != text[other]:
            return text[one] < text[other]
        one += 1
        other += 1
    return other < other_end


@kernel
def encode_samples(times, values):  # type: ignore[no-untyped-def]
    """Samples (times in ms) as fields 2 of a series: uint8 bytes."""
    words = values.copy().view(np.uint64)
    out = np.empty(23 * len(times), np.uint8)
    position = 0
    for index in range(len(times)):
        out[position] = 2 << 3 | _BYTES
        begin = position + 2
        out[begin] = 1 << 3 | _FIXED64
        for byte in range(8):
            out[begin + 1 + byte] = (words[index] >> np.uint64(8 * byte)) & np.uint64(0xFF)
        out[begin + 9] = 2 << 3 | _VARINT
        place = begin + 10
        time = np.uint64(times[index])
        while time >= np.uint64(0x80):
            out[place] = (time & np.uint64(0x7F)) | np.uint64(0x80)
            time >>= np.uint64(7)
            place += 1
        out[place] = time
        place += 1
        out[position + 1] = place - begin  # at most 20, one byte
        position = place
    return out[:position]
