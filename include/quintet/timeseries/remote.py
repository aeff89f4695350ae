"""Prometheus' remote write and read: protocol buffers in a snappy block.

The messages are few and small in kind, so their bytes are read here: the scan of a write request is compiled, as
samples come by the hundred thousand. Of a write request the samples are stored; exemplars and metadata are skipped,
native histograms refused, as a store of floats cannot hold them. Timestamps are ms on the wire, ns in the store.

Source: Prometheus, `prompb/remote.proto` and `prompb/types.proto`; "Prometheus Remote-Write Specification" 1.0.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cramjam
import numpy as np
import numpy.typing as npt

from quintet.timeseries.bodies import BodyError
from quintet.timeseries.errors import PointsRefusedError
from quintet.timeseries.model import Batch, Labels, LabelTable, Matcher, Scan, labels_of
from quintet.timeseries.remotekernel import encode_samples, scan_labels, scan_write

__all__ = [
    "KnownSeries",
    "ReadQuery",
    "compress",
    "decompress",
    "encode_read_response",
    "encode_write",
    "read_queries",
    "read_write",
]

#: Largest time in ms that is a time in ns.
_LAST_MS = (2**63 - 1) // 1_000_000
_OPERATORS: tuple[Literal["=", "!=", "=~", "!~"], ...] = ("=", "!=", "=~", "!~")


@dataclass(frozen=True)
class ReadQuery:
    """A query of a read request: [start, end), ns."""

    matchers: tuple[Matcher, ...]
    start: int
    end: int


def compress(message: bytes) -> bytes:
    """A snappy block."""
    return bytes(cramjam.snappy.compress_raw(message))


def decompress(body: bytes, limit: int) -> bytes:
    """The message in a snappy block.

    Raises:
        BodyError: the block is damaged (400), or larger than `limit` bytes (413).

    """
    size, _ = _varint(body, 0)
    if size > limit:
        raise BodyError(413, f"message of {size} bytes, the limit is {limit}: send smaller batches")
    try:
        return bytes(cramjam.snappy.decompress_raw(body))
    except Exception as error:
        raise BodyError(400, f"snappy: {error}") from error


class KnownSeries:
    """Series met before: their numbers in one table, by the bytes of their labels. Not for two threads at once."""

    def __init__(self) -> None:
        self.table = LabelTable()
        self._numbers: dict[bytes, int] = {}
        self._names: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self.table)

    def numbers(self, message: bytes, spans: npt.NDArray[np.int64]) -> npt.NDArray[np.uint32]:
        """Numbers of the series whose labels are message[start:end], those that are new among them.

        Raises:
            BodyError: labels are damaged (400).
            PointsRefusedError: labels name no series.

        """
        keys = [message[start:end] for start, end in zip(spans[:, 0].tolist(), spans[:, 1].tolist(), strict=True)]
        found = [self._numbers.get(key, -1) for key in keys]
        new = [row for row, number in enumerate(found) if number < 0]
        if new:
            self._learn(message, keys, spans, new)
            for row in new:
                found[row] = self._numbers[keys[row]]
        return np.array(found, np.uint32)

    def _learn(self, message: bytes, keys: list[bytes], spans: npt.NDArray[np.int64], new: list[int]) -> None:
        pieces, ends, plain = scan_labels(np.frombuffer(message, np.uint8), spans[new])
        text = message.decode("latin-1")  # a character for each byte, where labels are ASCII
        # Names are few: one object for each has one hash.
        names = [self._names.setdefault(word, word) for word in _words(text, pieces[:, :2])]
        pairs, first = list(zip(names, _words(text, pieces[:, 2:]), strict=True)), 0
        for row, end, is_plain in zip(new, ends.tolist(), plain.tolist(), strict=True):
            key = keys[row]
            if key not in self._numbers:  # one request may hold a series twice
                self._numbers[key] = self.table.add(tuple(pairs[first:end]) if is_plain else _labels(key))
            first = end


def _words(text: str, spans: npt.NDArray[np.int64]) -> list[str]:
    return [text[start:end] for start, end in zip(spans[:, 0].tolist(), spans[:, 1].tolist(), strict=True)]


def read_write(message: bytes, known: KnownSeries) -> Batch:
    """The samples of a write request; `known` keeps the series met before.

    Raises:
        BodyError: the message is damaged (400).
        PointsRefusedError: labels that name no series, a time out of range, or native histograms.

    """
    text = np.frombuffer(message, np.uint8)
    series, counts, times, values, status = scan_write(text)
    if status:
        what = "native histograms" if status == 2 else ""
        if what:
            raise PointsRefusedError(f"the request holds {what}", remedy="Send float samples: classic histograms")
        raise BodyError(400, "the message is no write request")
    numbers = known.numbers(message, series)
    if len(times) and (int(times.max()) > _LAST_MS or int(times.min()) < -_LAST_MS):
        raise PointsRefusedError("a timestamp beyond int64 nanoseconds (years 1677 to 2262)")
    return Batch(known.table, np.repeat(numbers, counts), times * 1_000_000, values)


def encode_write(batch: Batch) -> bytes:
    """A write request with the points of a batch, for tests and for forwarding; times are cut to ms."""
    parts = []
    order = np.argsort(batch.series, kind="stable")
    bounds = np.searchsorted(batch.series[order], np.arange(len(batch.labels) + 1))
    for number, labels in enumerate(batch.labels):
        rows = order[bounds[number] : bounds[number + 1]]
        samples = encode_samples(batch.timestamps[rows] // 1_000_000, batch.values[rows])
        parts.append(_field(1, _encoded_labels(labels) + samples.tobytes()))
    return b"".join(parts)


def read_queries(message: bytes) -> list[ReadQuery]:
    """The queries of a read request.

    Raises:
        BodyError: the message is damaged (400).

    """
    try:
        return [_query(body) for number, body in _fields(message) if number == 1 and isinstance(body, bytes)]
    except (IndexError, UnicodeDecodeError, struct.error) as error:
        raise BodyError(400, "the message is no read request") from error


def encode_read_response(scans: Sequence[Scan]) -> bytes:
    """A read response with a result for each scan; times are cut to ms, of points in one ms the last is kept."""
    parts = []
    for scan in scans:
        result = []
        times = scan.timestamps // 1_000_000
        for number, labels in enumerate(scan.labels):
            rows = slice(scan.offsets[number], scan.offsets[number + 1])
            own = times[rows]
            kept = np.append(own[1:] != own[:-1], True)
            samples = encode_samples(own[kept], scan.values[rows][kept])
            result.append(_field(1, _encoded_labels(labels) + samples.tobytes()))
        parts.append(_field(1, b"".join(result)))
    return b"".join(parts)


def _labels(key: bytes) -> Labels:
    pairs: dict[str, str] = {}
    try:
        for _, label in _fields(key):
            if not isinstance(label, bytes):
                raise BodyError(400, "the message is no write request")
            parts = {number: part for number, part in _fields(label) if isinstance(part, bytes)}
            name = parts.get(1, b"").decode()
            if name in pairs:
                raise PointsRefusedError(f"label {name!r} given twice in one series")
            pairs[name] = parts.get(2, b"").decode()
    except (IndexError, UnicodeDecodeError) as error:
        raise BodyError(400, "the message is no write request") from error
    return labels_of(pairs)


def _query(body: bytes) -> ReadQuery:
    start, end, matchers = 0, 0, []
    for number, value in _fields(body):
        if number == 1 and isinstance(value, int):
            start = _signed(value)
        elif number == 2 and isinstance(value, int):
            end = _signed(value)
        elif number == 3 and isinstance(value, bytes):
            parts = dict(_fields(value))
            kind, name, text = parts.get(1, 0), parts.get(2, b""), parts.get(3, b"")
            if not isinstance(kind, int) or not isinstance(name, bytes) or not isinstance(text, bytes):
                raise BodyError(400, "the message is no read request")
            matchers.append(Matcher(name.decode(), _OPERATORS[kind], text.decode()))
    bounded = [max(-_LAST_MS, min(_LAST_MS, time)) for time in (start, end + 1)]
    return ReadQuery(tuple(matchers), bounded[0] * 1_000_000, bounded[1] * 1_000_000)


def _fields(message: bytes) -> list[tuple[int, int | bytes]]:
    """Fields of a message: their number, and a number or bytes."""
    found: list[tuple[int, int | bytes]] = []
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        kind = tag & 7
        if kind == 0:
            value, position = _varint(message, position)
            found.append((tag >> 3, value))
        elif kind == 2:
            length, position = _varint(message, position)
            if position + length > len(message):
                raise IndexError
            found.append((tag >> 3, message[position : position + length]))
            position += length
        elif kind in {1, 5}:
            position += 8 if kind == 1 else 4
        else:
            raise IndexError
    return found


def _varint(message: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while position < len(message):
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
        if shift > 63:
            break
    raise BodyError(400, "a number in the message does not end")


def _signed(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value


def _number(value: int) -> bytes:
    value &= 2**64 - 1
    parts = bytearray()
    while value >= 0x80:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def _field(number: int, body: bytes) -> bytes:
    return _number(number << 3 | 2) + _number(len(body)) + body


def _encoded_labels(labels: Labels) -> bytes:
    return b"".join(_field(1, _field(1, name.encode()) + _field(2, value.encode())) for name, value in labels)
