"""Payloads of the log's records: new series, and the columns of a batch. Encoder beside decoder."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from quintet.timeseries.model import Labels

__all__ = ["decode_points", "decode_series", "encode_points", "encode_series"]

_COUNT = struct.Struct("<Q")


def encode_series(first: int, labels: Sequence[Labels]) -> bytes:
    """Series that got the numbers from `first` on."""
    return json.dumps({"first": first, "series": labels}, separators=(",", ":")).encode()


def decode_series(payload: memoryview) -> tuple[int, list[Labels]]:
    """Number of the first series, and the series."""
    data = json.loads(bytes(payload))
    return data["first"], [tuple((name, value) for name, value in labels) for labels in data["series"]]


def encode_points(
    series: npt.NDArray[np.uint32], timestamps: npt.NDArray[np.int64], values: npt.NDArray[np.float64]
) -> list[bytes | memoryview]:
    """Parts of the payload, without a copy of the columns. Shapes: uint32[n], int64[n], float64[n]."""
    return [_COUNT.pack(len(series)), timestamps.data, values.data, series.data]


def decode_points(
    payload: memoryview,
) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Columns of a batch: series uint32[n], timestamps int64[n], values float64[n]."""
    (count,) = _COUNT.unpack_from(payload)
    timestamps = np.frombuffer(payload, np.int64, count, _COUNT.size)
    values = np.frombuffer(payload, np.float64, count, _COUNT.size + 8 * count)
    series = np.frombuffer(payload, np.uint32, count, _COUNT.size + 16 * count)
    return series.copy(), timestamps.copy(), values.copy()
