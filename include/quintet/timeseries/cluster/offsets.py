"""How far a log is in a store, kept in the store: a point written in the same append as the points of the log.

An append is in a store whole or not at all, so points and offset cannot differ after any crash: the next start goes
on exactly behind what is stored. The point lies at the end of time, where no retention reaches it; the last written
counts. That a log is read twice all the same (a snapshot taken before, an offset lost with an unsynced tail) does no
harm: of each time of each series the record that comes last in the log wins, however often the records before it are
written again.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from quintet.timeseries.errors import StoreError
from quintet.timeseries.model import MAX_TIME, METRIC, NOTE_TIME, Batch, Labels, Matcher, labels_of
from quintet.timeseries.storage import Storage

__all__ = ["LINES_OFFSET", "OFFSET", "offset_batch", "offset_series", "read_offset", "refuse_window", "with_offset"]

#: Metrics of the series that hold offsets: of the cluster's log, and of the topic of lines.
OFFSET = "quintet_log_offset"
LINES_OFFSET = "quintet_lines_offset"


def offset_series(topic: str, partition: int, metric: str = OFFSET) -> Labels:
    """The series that says how far a partition of a topic is in the store."""
    return labels_of({METRIC: metric, "topic": topic, "partition": str(partition)})


def with_offset(batch: Batch, following: int) -> Batch:
    """The batch and the offset of the record that follows it; the last of its labels is the series of offsets."""
    return Batch(
        batch.labels,
        np.append(batch.series, np.uint32(len(batch.labels) - 1)),
        np.append(batch.timestamps, np.int64(NOTE_TIME)),
        np.append(batch.values, np.float64(following)),
    )


def offset_batch(series: Labels, following: int) -> Batch:
    """An offset alone, behind a record without points."""
    empty = Batch((series,), np.empty(0, np.uint32), np.empty(0, np.int64), np.empty(0, np.float64))
    return with_offset(empty, following)


def read_offset(store: Storage, series: Labels) -> int:
    """Offset of the first record that is not in the store; 0: none is."""
    matchers: Sequence[Matcher] = [Matcher(name, "=", value) for name, value in series]
    values = store.scan(matchers, NOTE_TIME, MAX_TIME).values
    return int(values[-1]) if len(values) else 0


def refuse_window(window: int | None) -> None:
    """Refuse a store that refuses late points: whoever wrote them to the log was told that they are stored.

    Raises:
        StoreError: an out-of-order window is set.

    """
    if window is not None:
        raise StoreError(
            "a store that is filled from a log cannot refuse late points: the log has acknowledged them",
            remedy="Open it without out_of_order_window",
        )
