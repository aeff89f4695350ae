"""A replica of one shard: a store that is filled from a partition of the log, and knows how far it is.

The offset of the next record lies in the store (`offsets`), in the same append as the points before it. A replica is
therefore opened, killed and opened again without anything beside its folder; it can be copied as a snapshot, which
knows where the log goes on.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType

from quintet.errors import InputError
from quintet.timeseries.aggregates import Aggregates
from quintet.timeseries.cluster.gather import joined
from quintet.timeseries.cluster.offsets import (
    OFFSET,
    offset_batch,
    offset_series,
    read_offset,
    refuse_window,
    with_offset,
)
from quintet.timeseries.cluster.record import Deletion, Reader
from quintet.timeseries.downsample import Touch
from quintet.timeseries.errors import PointsRefusedError
from quintet.timeseries.model import (
    MAX_TIME,
    METRIC,
    MIN_TIME,
    Batch,
    Labels,
    Matcher,
    Options,
    Scan,
    ScanStats,
    StoreStats,
)
from quintet.timeseries.store import Store

__all__ = ["Freshness", "Replica"]

_LOG = logging.getLogger(__name__)

#: Points that records are put together to before they are appended: one entry of the store's log, one sync.
_APPEND_POINTS = 16_384
_HIDDEN = Matcher(METRIC, "!=", OFFSET)


@dataclass(frozen=True)
class Freshness:
    """How far a replica is. position: offset of the next record; lag: records of the log not in it when last asked.

    stale: seconds since it was known to hold all of the log; None: that was never known.
    """

    position: int
    lag: int | None
    stale: float | None


class Replica:
    """A store, a partition and the offset between them. `take` is called by one thread, questions by any.

    Raises:
        StoreError: the options let the store refuse late points, or it cannot be opened.

    """

    def __init__(self, folder: Path, shard: int, *, options: Options, topic: str) -> None:
        refuse_window(options.out_of_order_window)
        self.shard = shard
        self.store = Store.open(folder, options)
        self._series = offset_series(topic, shard)
        self._reader = Reader([self._series])
        self._moved = threading.Condition()
        self._position = read_offset(self.store, self._series)
        self._end: int | None = None
        #: An end of the log and when it was asked for; when the log was last known to be stored whole.
        self._asked: tuple[int, float] | None = None
        self._complete_at: float | None = None
        #: Records that were none of ours, or that the store did not take.
        self.refused = 0

    @property
    def position(self) -> int:
        """Offset of the next record of the log."""
        return self._position

    def take(self, records: Sequence[tuple[int, bytes]]) -> int:
        """Store records of the log, given as offset and content, in their order; points stored.

        A record that is already in the store is passed over.
        """
        points = 0
        waiting: list[Batch] = []
        for offset, content in records:
            if offset < self._position:
                continue
            try:
                found = self._reader.decode(content)
            except PointsRefusedError as error:
                self._refuse(offset, error)
                continue
            if isinstance(found, Deletion):
                points += self._append(waiting, offset)
                waiting = []
                self._delete(found, offset)
                self._move(offset_batch(self._series, offset + 1), offset + 1)
                continue
            waiting.append(found)
            if sum(map(len, waiting)) >= _APPEND_POINTS:
                points += self._append(waiting, offset + 1)
                waiting = []
        if records:
            points += self._append(waiting, records[-1][0] + 1)
        return points

    def _delete(self, deletion: Deletion, offset: int) -> None:
        try:
            self.store.delete([*deletion.matchers, _HIDDEN], deletion.start, deletion.end)
        except InputError as error:
            self._refuse(offset, error)

    def _append(self, batches: Sequence[Batch], following: int) -> int:
        """Append batches and the offset behind them, as one."""
        if following <= self._position:
            return 0
        if not batches:
            self._move(offset_batch(self._series, following), following)
            return 0
        whole = batches[0] if len(batches) == 1 else joined(batches, [self._series])
        try:
            self._move(with_offset(whole, following), following)
        except PointsRefusedError as error:
            if len(batches) == 1:
                self._refuse(following - 1, error)
                self._move(offset_batch(self._series, following), following)
                return 0
            # One of them is at fault: alone, so that only its own points are not taken. The offset comes last.
            for batch in batches:
                try:
                    self.store.append(batch)
                except PointsRefusedError as single:
                    self._refuse(following - 1, single)
            self._move(offset_batch(self._series, following), following)
        return len(whole)

    def _move(self, batch: Batch, following: int) -> None:
        self.store.append(batch)
        with self._moved:
            self._position = following
            self._moved.notify_all()

    def _refuse(self, offset: int, error: InputError) -> None:
        # Our writers check before they write: a record like this was acknowledged to nobody of them.
        self.refused += 1
        _LOG.warning("shard %d, record %d is not stored: %s", self.shard, offset, error)

    def seen_end(self, end: int, at: float) -> None:
        """The log ended at offset `end` when it was asked, at `at` (time.monotonic) or later."""
        with self._moved:
            self._end = end
            # The older question first: a replica that is always a little behind must be seen to answer it.
            if self._asked is None or self._settled():
                self._asked = (end, at)
                self._settled()

    def _settled(self) -> bool:
        """Whether the log up to the end that was asked for is stored; with the lock held."""
        if self._asked is None or self._position < self._asked[0]:
            return False
        self._complete_at = self._asked[1]
        return True

    def freshness(self) -> Freshness:
        """How far it is now."""
        with self._moved:
            if self._end is None:
                return Freshness(self._position, None, None)
            self._settled()
            complete = self._complete_at
            stale = None if complete is None else time.monotonic() - complete
            return Freshness(self._position, max(0, self._end - self._position), stale)

    def wait(self, offset: int, seconds: float) -> bool:
        """Wait until the record at an offset is stored; whether it is."""
        with self._moved:
            return self._moved.wait_for(lambda: self._position > offset, seconds)

    def scan(self, matchers: Sequence[Matcher], start: int, end: int) -> Scan:
        """Points, without the offset."""
        return self.store.scan([*matchers, _HIDDEN], start, end)

    def explain(self, matchers: Sequence[Matcher], start: int, end: int) -> ScanStats:
        """What `scan` would touch."""
        return self.store.explain([*matchers, _HIDDEN], start, end)

    def aggregates(self, matchers: Sequence[Matcher], start: int, end: int, step: int) -> Aggregates:
        """Aggregates by bucket, without the offset."""
        return self.store.aggregates([*matchers, _HIDDEN], start, end, step)

    def explain_downsample(self, matchers: Sequence[Matcher], start: int, end: int, step: int) -> list[Touch]:
        """What `aggregates` would touch."""
        return self.store.explain_downsample([*matchers, _HIDDEN], start, end, step)

    def series(self, matchers: Sequence[Matcher], start: int, end: int) -> list[Labels]:
        """Series that fit."""
        return self.store.series([*matchers, _HIDDEN], start, end)

    def label_names(self, start: int = MIN_TIME, end: int = MAX_TIME) -> list[str]:
        """Names of labels. The offset has the labels `topic` and `partition`: they count where others have them."""
        own = {name for name, _ in self._series}
        names = self.store.label_names(start, end)
        return [name for name in names if name not in own or self._others_have(name, start, end)]

    def _others_have(self, name: str, start: int, end: int) -> bool:
        return bool(self.store.series([Matcher(name, "!=", ""), _HIDDEN], start, end))

    def label_values(self, name: str, start: int = MIN_TIME, end: int = MAX_TIME) -> list[str]:
        """Values of a label."""
        own = dict(self._series).get(name)
        if own is None:
            return self.store.label_values(name, start, end)
        fits = [Matcher(name, "=", own), _HIDDEN]
        values = self.store.label_values(name, start, end)
        return [value for value in values if value != own or self.store.series(fits, start, end)]

    def stats(self) -> StoreStats:
        """Figures of the store; the newest time is not known beside that of the offset."""
        return replace(self.store.stats(), max_time=None)

    def close(self) -> None:
        """Close the store."""
        self.store.close()

    def __enter__(self) -> Replica:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
