"""The process that the crash test kills: it appends numbered batches and says each number once append has returned."""

from __future__ import annotations

import itertools
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from batches import SECOND, START, series
from killed import fork_for_each_line, say

from quintet.timeseries import Batch, Options, Store

#: Small enough that a second of work passes through rotation, flush and compaction many times.
OPTIONS = Options(head_points=3000, segment_bytes=64 * 1024, merge_blocks=2, block_span=100 * SECOND)
SENSORS = 5
POINTS = 20
LABELS = tuple(series(sensor=str(index)) for index in range(SENSORS))
#: Series whose one time every batch writes again.
LATEST = series("latest")


def numbered(number: int) -> Batch:
    """Batch whose points belong to no other, and one point that all of them write; the value is the number."""
    count = SENSORS * POINTS
    times = START + number * SECOND + np.arange(count)
    times[::7] -= 50 * SECOND  # some arrive late, between those of older batches
    return Batch(
        (*LABELS, LATEST),
        np.append(np.arange(count) % SENSORS, SENSORS).astype(np.uint32),
        np.append(times, START),
        np.full(count + 1, float(number)),
    )


def write(folder: Path, first: int) -> None:
    """Append from a number on until killed."""
    store = Store.open(folder, OPTIONS)
    for number in itertools.count(first):
        store.append(numbered(number))
        say(str(number))


def warm() -> None:
    """Load what is compiled, so that a writer that is forked off works at once."""
    with TemporaryDirectory() as folder, Store.open(Path(folder), replace(OPTIONS, background=False)) as store:
        for number in range(3):
            store.append(numbered(number))
            store.flush()
        store.compact()


if __name__ == "__main__":
    warm()
    place = Path(sys.argv[1])
    fork_for_each_line(lambda line: write(place, int(line)))
