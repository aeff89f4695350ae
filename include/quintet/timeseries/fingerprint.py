"""What a store holds, in three figures: two stores with the same fingerprint answer every query alike."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from quintet.timeseries.model import MAX_TIME, METRIC, MIN_TIME, Matcher, series_text
from quintet.timeseries.storage import Storage

__all__ = ["Fingerprint", "fingerprint"]


@dataclass(frozen=True)
class Fingerprint:
    """Series, points, and the SHA-256 (hex) of all labels, times and values, bit for bit."""

    series: int
    points: int
    sha256: str


def fingerprint(store: Storage) -> Fingerprint:
    """Read everything, one metric at a time, so that memory holds the points of one."""
    digest = hashlib.sha256()
    series = points = 0
    for matcher in _metrics(store):
        scan = store.scan([matcher], MIN_TIME, MAX_TIME)
        series += len(scan.labels)
        points += len(scan.timestamps)
        for row, labels in enumerate(scan.labels):
            begin, end = int(scan.offsets[row]), int(scan.offsets[row + 1])
            digest.update(f"{series_text(labels)} {end - begin}\n".encode())
            digest.update(scan.timestamps[begin:end].astype("<i8").tobytes())
            digest.update(scan.values[begin:end].astype("<f8").tobytes())
    return Fingerprint(series, points, digest.hexdigest())


def _metrics(store: Storage) -> Iterator[Matcher]:
    yield Matcher(METRIC, "=", "")  # series without a name
    for name in store.label_values(METRIC):
        yield Matcher(METRIC, "=", name)
