"""Chunks: up to `CHUNK_POINTS` points of one series as two encoded columns, and the table that says where they lie.

A chunk's bytes are the column of timestamps and that of values, each in the codec that makes it smallest, each with
zstd on top when that pays. What a reader must know before it decodes is in the table: place, lengths, checksum,
time span, and statistics of the values.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import zstandard

from quintet.timeseries.codec import SLACK, column_room, decode_floats, decode_ints, encode_floats, encode_ints
from quintet.timeseries.compiled import kernel
from quintet.timeseries.files import checksum

__all__ = ["CHUNK_POINTS", "ENTRY", "ChunkEncoder", "chunk_bounds", "decode_chunk"]

#: Points of a chunk at most: enough for the compressor, little to decode for one recent value.
CHUNK_POINTS = 8192
#: A row of the table of chunks. low, high, total: of the `finite` values that are numbers (not NaN).
ENTRY = np.dtype(
    [
        ("series", "<u4"),
        ("points", "<u4"),
        ("min_time", "<i8"),
        ("max_time", "<i8"),
        ("low", "<f8"),
        ("high", "<f8"),
        ("total", "<f8"),
        ("numbers", "<u4"),
        ("flags", "<u4"),
        ("offset", "<u8"),
        ("time_bytes", "<u4"),
        ("value_bytes", "<u4"),
        ("checksum", "<u8"),
    ]
)
_TIME_ZSTD, _VALUE_ZSTD = 1, 2
#: A compressed column must be smaller by this factor, else reading it costs more than it saves.
_PAYS = 0.95
_local = threading.local()


def chunk_bounds(offsets: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Cut series into chunks: index of the series and first point of each chunk, and one end more.

    Shapes: offsets int64[k + 1]; series int64[c]; bounds int64[c + 1].
    """
    counts = np.diff(offsets)
    chunks = -(-counts // CHUNK_POINTS)
    series = np.repeat(np.arange(len(counts)), chunks)
    first = np.cumsum(chunks) - chunks
    starts = offsets[:-1][series] + (np.arange(len(series)) - first[series]) * CHUNK_POINTS
    return series, np.append(starts, offsets[-1])


@kernel
def _statistics(values, bounds, low, high, total, numbers):  # type: ignore[no-untyped-def]
    for chunk in range(len(bounds) - 1):
        least = np.inf
        most = -np.inf
        whole = 0.0
        count = 0
        for i in range(bounds[chunk], bounds[chunk + 1]):
            value = values[i]
            if value == value:  # not NaN
                least = min(least, value)
                most = max(most, value)
                whole += value
                count += 1
        low[chunk], high[chunk], total[chunk], numbers[chunk] = least, most, whole, count


class ChunkEncoder:
    """Encodes chunks of sorted points; zstd_level None leaves the general compressor out."""

    def __init__(self, zstd_level: int | None) -> None:
        self._compressor = zstandard.ZstdCompressor(level=zstd_level) if zstd_level is not None else None
        self._room = np.empty(column_room(CHUNK_POINTS), np.uint8)

    def encode(
        self, offsets: npt.NDArray[np.int64], timestamps: npt.NDArray[np.int64], values: npt.NDArray[np.float64]
    ) -> Iterator[tuple[np.void, bytes]]:
        """Row of the table and bytes of each chunk; `series` is the index into offsets, `offset` is left to the caller.

        Shapes: offsets int64[k + 1]; timestamps int64[n], ns, rising within a series; values float64[n].
        """
        series, bounds = chunk_bounds(offsets)
        table = np.zeros(len(series), ENTRY)
        table["series"] = series
        table["points"] = np.diff(bounds)
        table["min_time"] = timestamps[bounds[:-1]]
        table["max_time"] = timestamps[bounds[1:] - 1]
        _statistics(values, bounds, table["low"], table["high"], table["total"], table["numbers"])
        bits = values.view(np.uint64)
        edges = bounds.tolist()
        for row, (start, stop) in zip(table, pairwise(edges), strict=True):
            time, time_flag = self._column(encode_ints, timestamps[start:stop], _TIME_ZSTD)
            value, value_flag = self._column(encode_floats, bits[start:stop], _VALUE_ZSTD)
            data = time + value
            row["flags"] = time_flag | value_flag
            row["time_bytes"], row["value_bytes"] = len(time), len(value)
            row["checksum"] = checksum(data)
            yield row, data

    def _column(self, encode, column, flag: int) -> tuple[bytes, int]:  # type: ignore[no-untyped-def]
        packed = self._room[: encode(column, self._room, 0, False)].tobytes()
        if self._compressor is None or len(packed) < 64:
            return packed, 0
        planes = self._room[: encode(column, self._room, 0, True)].tobytes()
        smallest = min((self._compressor.compress(data) for data in (packed, planes)), key=len)
        return (smallest, flag) if len(smallest) < _PAYS * len(packed) else (packed, 0)


def decode_chunk(
    data: npt.NDArray[np.uint8],
    entry: np.void,
    timestamps: npt.NDArray[np.int64],
    bits: npt.NDArray[np.uint64],
    base: int = 0,
) -> bool:
    """Decode the chunk of a row into int64[points] and uint64[points]; False: its bytes are not those of the row.

    `data` is the file from offset `base` on: `SLACK` bytes follow the chunk in it.
    """
    offset, time_bytes, value_bytes = int(entry["offset"]) - base, int(entry["time_bytes"]), int(entry["value_bytes"])
    end = offset + time_bytes + value_bytes
    if end + SLACK > len(data) or checksum(data[offset:end].data) != int(entry["checksum"]):
        return False
    flags = int(entry["flags"])
    _decode(decode_ints, data, offset, time_bytes, flags & _TIME_ZSTD, timestamps)
    _decode(decode_floats, data, offset + time_bytes, value_bytes, flags & _VALUE_ZSTD, bits)
    return True


def _decode(decode, data, offset: int, length: int, compressed: int, out) -> None:  # type: ignore[no-untyped-def]
    if not compressed:
        decode(data, offset, out)
        return
    try:
        decompressor = _local.decompressor
    except AttributeError:  # an object is for one thread only
        decompressor = _local.decompressor = zstandard.ZstdDecompressor()
    raw = decompressor.decompress(data[offset : offset + length].data)
    decode(np.frombuffer(raw + bytes(SLACK), np.uint8), 0, out)
