"""What a record of the log holds: points with their series, or a deletion. Encoder beside decoder.

The payloads are those of the write-ahead log (`quintet.timeseries.logrecord`), so that points have one form on disk
and between processes; the frame around them makes a record complete in itself, as its reader may begin anywhere:

| bytes | field |
|---|---|
| 4 | magic `QTSR` |
| 1 | version, 1 |
| 1 | kind: 1 points, 2 deletion |
| 2 | reserved, 0 |
| 8 | length of the first payload |
| 8 | XXH3 of all fields before it and both payloads |
| n | first payload: series of the points, or the deletion as JSON; filled up to a multiple of 8 |
| m | second payload: columns of the points; none for a deletion |
"""

from __future__ import annotations

import json
import struct
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from quintet.timeseries.errors import PointsRefusedError
from quintet.timeseries.files import checksum
from quintet.timeseries.logrecord import decode_points, decode_series, encode_points, encode_series
from quintet.timeseries.model import Batch, Labels, Matcher

__all__ = ["MAX_BYTES", "Deletion", "Reader", "encode_batch", "encode_deletion"]

#: Bytes of one record; Kafka's brokers take 1 MiB with what they add to it.
MAX_BYTES = 900_000
_MAX_POINTS = 32_768
_MAGIC, _VERSION = b"QTSR", 1
_POINTS, _DELETION = 1, 2
#: All fields of the header but the checksum, which covers them.
_FIELDS, _CHECKSUM = struct.Struct("<4sBBHQ"), struct.Struct("<Q")
_CONTENT = _FIELDS.size + _CHECKSUM.size
#: Sets of series whose labels a reader keeps: one for each kind of batch that a writer repeats.
_REMEMBERED = 256


@dataclass(frozen=True)
class Deletion:
    """Points in [start, end), ns, of the series that fit are gone, as far as they are in the log before this."""

    matchers: tuple[Matcher, ...]
    start: int
    end: int


def encode_batch(batch: Batch, *, limit: int | None = MAX_BYTES) -> Iterator[bytes]:
    """One record, or as many as the limit asks for, in the order of the points. limit: bytes; None: one record.

    Raises:
        PointsRefusedError: the labels of one point alone are larger than a record.

    """
    if limit is None or len(batch) <= _MAX_POINTS:
        record = _frame(
            _POINTS, encode_series(0, batch.labels), *encode_points(batch.series, batch.timestamps, batch.values)
        )
        if limit is None or len(record) <= limit:
            yield record
            return
        if len(batch) == 1:
            raise PointsRefusedError(f"the labels of a series take {len(record)} bytes", remedy=f"Stay below {limit}")
    half = len(batch) // 2
    for rows in (slice(0, half), slice(half, None)):
        yield from encode_batch(_part(batch, rows), limit=limit)


def _part(batch: Batch, rows: slice) -> Batch:
    """Some points of a batch, with the labels of these only."""
    used, series = np.unique(batch.series[rows], return_inverse=True)
    return Batch(
        tuple(batch.labels[number] for number in used.tolist()),
        series.astype(np.uint32),
        batch.timestamps[rows],
        batch.values[rows],
    )


def encode_deletion(deletion: Deletion) -> bytes:
    """The record of a deletion."""
    return _frame(_DELETION, json.dumps(asdict(deletion), separators=(",", ":")).encode())


def _frame(kind: int, first: bytes, *rest: bytes | memoryview) -> bytes:
    filled = first + bytes(-len(first) % 8)
    fields = _FIELDS.pack(_MAGIC, _VERSION, kind, 0, len(first))
    return b"".join([fields, _CHECKSUM.pack(checksum(fields, filled, *rest)), filled, *rest])


class Reader:
    """Decodes records; labels of a set of series that comes again and again are made once.

    Not for two threads at once. `extra` are series added behind those of every batch.
    """

    def __init__(self, extra: Sequence[Labels] = ()) -> None:
        self._extra = tuple(extra)
        self._known: OrderedDict[bytes, tuple[Labels, ...]] = OrderedDict()

    def decode(self, record: bytes) -> Batch | Deletion:
        """Points or a deletion.

        Raises:
            PointsRefusedError: the bytes are no record, or a damaged one.

        """
        if len(record) < _CONTENT:
            raise PointsRefusedError(f"{len(record)} bytes are no record of points")
        magic, version, kind, _, length = _FIELDS.unpack_from(record)
        if magic != _MAGIC or version != _VERSION or kind not in {_POINTS, _DELETION}:
            raise PointsRefusedError(f"a record begins with {record[:6]!r}: it is of another program or version")
        (expected,) = _CHECKSUM.unpack_from(record, _FIELDS.size)
        content = memoryview(record)[_CONTENT:]
        if checksum(memoryview(record)[: _FIELDS.size], content) != expected:
            raise PointsRefusedError("a record is damaged: the checksum does not fit the content")
        first, rest = content[:length], content[length + -length % 8 :]
        if kind == _DELETION:
            found = json.loads(bytes(first))
            return Deletion(tuple(Matcher(**one) for one in found["matchers"]), found["start"], found["end"])
        series, timestamps, values = decode_points(rest)
        return Batch(self._labels(bytes(first)), series, timestamps, values)

    def _labels(self, payload: bytes) -> tuple[Labels, ...]:
        known = self._known.get(payload)
        if known is None:
            _, labels = decode_series(memoryview(payload))
            known = self._known[payload] = (*labels, *self._extra)
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(payload)
        return known
