"""The store: append, scan, delete, and its care. The one object that a program opens.

An append goes to the log and the head; a full head becomes a block of level 0, compaction merges blocks. Points are
seen by readers as soon as they are in the head, which is before they are on disk; append returns when they are as
lasting as the options say. Many threads append and read; the lock of the store is held for the work in memory only,
not while the disk syncs, a block is written or a chunk is decoded.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import numpy as np
import pyarrow as pa

from quintet.timeseries import backup, manifest
from quintet.timeseries.background import Worker
from quintet.timeseries.blockset import BlockSet
from quintet.timeseries.errors import CorruptionError, StoreClosedError, StoreError, TierError
from quintet.timeseries.head import Head
from quintet.timeseries.index import Postings, select
from quintet.timeseries.intake import Intake
from quintet.timeseries.lock import StoreLock
from quintet.timeseries.manifest import Entry
from quintet.timeseries.merge import HeadPart, merge
from quintet.timeseries.model import (
    MAX_TIME,
    METRIC,
    MIN_TIME,
    Batch,
    Cardinality,
    CompactReport,
    Labels,
    Matcher,
    Options,
    Scan,
    ScanStats,
    StoreStats,
)
from quintet.timeseries.reading import Reading, to_table
from quintet.timeseries.wal import EMPTY_BYTES

__all__ = ["Store"]

_LOG = logging.getLogger(__name__)


class Store:
    """A store on disk; made by `open`, ended by `close` or as a context manager.

    All intervals are [start, end), ns since the epoch, UTC.
    """

    def __init__(self, path: Path, options: Options) -> None:
        self.path = path
        self.options = options
        path.mkdir(parents=True, exist_ok=True)
        self._lock_file = StoreLock(path)
        try:
            self._blocks = BlockSet(path, options, _state(path))
            state = self._blocks.state
            newest = max((entry.facts.max_time for entry in state.entries), default=MIN_TIME)
            self._intake = Intake(
                path,
                options,
                wal_from=state.wal_from,
                wal_open=state.wal_open,
                wal_bytes=state.wal_bytes,
                newest=newest,
            )
            self._mark_log(0)
        except BaseException:
            self._lock_file.release()
            raise
        #: The head being written to a block, and the segment that the log counts from once it is.
        self._frozen: tuple[Head, int] | None = None
        self._closed = False
        self._appended = 0
        self._lock = threading.Lock()
        self._room = threading.Condition(self._lock)
        self._maintenance = threading.RLock()
        self._moving = threading.Lock()
        self._copying = threading.Lock()
        self._recount()
        self._worker = Worker(self._care, self._intake.wal.sync, options)

    def _mark_log(self, size: int) -> None:
        first = max(self._intake.first_segment, self._blocks.state.wal_from)
        self._blocks.mark_log(wal_from=first, wal_open=self._intake.wal.number, wal_bytes=size)

    @classmethod
    def open(cls, path: Path, options: Options | None = None) -> Store:
        """Open a store, or make one in an empty folder.

        Raises:
            StoreLockedError: it is open elsewhere.
            CorruptionError: a file is damaged or missing; file, offset, remedy.
            StoreError: it needs a tier that the options do not name.

        """
        return cls(Path(path), options or Options())

    def append(self, batch: Batch) -> int:
        """Store points; how many were accepted: all but those older than the out-of-order window.

        Raises:
            CardinalityError: it would make more series than allowed; nothing of the batch is stored.
            PointsRefusedError: the batch is malformed; nothing of it is stored.
            StoreError: the disk refused.
            StoreClosedError: the store is closed.

        """
        with self._lock:
            self._wait_for_room()
            accepted, position = self._intake.accept(batch)
            self._appended += accepted
            full = self._intake.head.points >= self.options.head_points
        if accepted and self.options.durability == "batch":
            self._intake.wal.sync(position)
        if full and self.options.background:
            self._worker.wake()
        elif full:
            self.flush()
        return accepted

    def _wait_for_room(self) -> None:
        """With the lock held: hand a full head over; wait while the one before is still being written."""
        self._refuse_if_closed()
        while self.options.background and self._intake.head.points >= self.options.head_points:
            if self._frozen is None:
                self._frozen = self._intake.freeze()
                self._worker.wake()
                return
            if self._worker.trouble:
                raise StoreError(
                    f"the store {self.path} takes no points, its memory is full: {self._worker.trouble}",
                    remedy="Make room on the disk; writing the block is tried again each second",
                )
            self._room.wait(1)
            self._refuse_if_closed()

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise StoreClosedError(f"the store {self.path} is closed", remedy="Open it again")

    def _read(self, matchers: Sequence[Matcher], start: int, end: int) -> Reading:
        start, end = max(start, MIN_TIME), min(end, MAX_TIME)
        with self._lock:
            self._refuse_if_closed()
            blocks = self._blocks.view
            heads = [
                head.view(select(head.postings, matchers).to_array(), start, end)
                for head in self._heads()
                if head.min_time < end and head.max_time >= start
            ]
        return Reading.plan(blocks, heads, matchers, start, end)

    def _heads(self) -> list[Head]:
        return [*([self._frozen[0]] if self._frozen else []), self._intake.head]

    def scan(self, matchers: Sequence[Matcher], start: int, end: int) -> Scan:
        """Points of the series that fit all matchers.

        Raises:
            MatcherError: a matcher cannot be read.
            CorruptionError: a block that is touched is damaged.
            TierError: a block that is touched lies in a tier that is not reached.

        """
        return self._read(matchers, start, end).scan()

    def query(self, matchers: Sequence[Matcher], start: int, end: int) -> pa.Table:
        """The points of `scan` as a table, one row each.

        Shapes: series dictionary<string>, as Prometheus writes it; labels dictionary<map<string, string>>;
        timestamp timestamp[ns, UTC]; value double.
        """
        return to_table(self.scan(matchers, start, end))

    def explain(self, matchers: Sequence[Matcher], start: int, end: int) -> ScanStats:
        """What `scan` would touch; nothing is decoded."""
        return self._read(matchers, start, end).stats

    def series(self, matchers: Sequence[Matcher], start: int, end: int) -> list[Labels]:
        """Series that fit, sorted; to the exactness of a chunk: one that reaches into the interval counts."""
        return self._read(matchers, start, end).series()

    def label_names(self, start: int = MIN_TIME, end: int = MAX_TIME) -> list[str]:
        """Names of labels, sorted; to the exactness of a block: one that reaches into the interval counts."""
        return sorted({name for postings in self._postings(start, end) for name in postings.names()})

    def label_values(self, name: str, start: int = MIN_TIME, end: int = MAX_TIME) -> list[str]:
        """Values of a label, sorted; to the exactness of a block: one that reaches into the interval counts."""
        return sorted({value for postings in self._postings(start, end) for value in postings.values(name)})

    def _postings(self, start: int, end: int) -> list[Postings]:
        with self._lock:
            self._refuse_if_closed()
            blocks = [source.block for source in self._blocks.view.sources]
            return [
                *(block for block in blocks if block.facts.min_time < end and block.facts.max_time >= start),
                *(head.postings for head in self._heads() if head.min_time < end and head.max_time >= start),
            ]

    def cardinality(self) -> Cardinality:
        """Distinct series: in all, by metric; distinct values by label."""
        everything = self.series((), MIN_TIME, MAX_TIME)
        metrics = Counter(dict(labels).get(METRIC, "") for labels in everything)
        pairs = {pair for labels in everything for pair in labels}
        return Cardinality(
            len(everything), dict(metrics.most_common()), dict(Counter(name for name, _ in pairs).most_common())
        )

    def delete(self, matchers: Sequence[Matcher], start: int, end: int) -> int:
        """Delete what is stored now in the interval; number of series concerned. Later appends are not concerned.

        The points are out of sight at once and off the disk after the next `compact`.
        """
        with self._maintenance:
            self.flush()  # what is deleted lies in blocks, what comes after is newer than all of them
            concerned = self._blocks.bury(matchers, start, end)
            return concerned

    def flush(self) -> None:
        """Write what is in memory to a block and drop its part of the log."""
        with self._maintenance:
            taken = False
            while not taken:
                self._write_frozen()
                with self._lock:
                    self._refuse_if_closed()
                    taken = self._frozen is None  # else an appender has frozen its head meanwhile
                    if taken and self._intake.head.points:
                        self._frozen = self._intake.freeze()
            self._write_frozen()

    def _write_frozen(self) -> None:
        with self._lock:
            frozen = self._frozen
        if frozen is None:
            return
        head, segment = frozen
        view = head.view(np.arange(len(head.labels)), MIN_TIME, MAX_TIME)
        self._blocks.add(merge([HeadPart(view)], MIN_TIME, MAX_TIME), wal_from=segment)
        with self._room:
            self._frozen = None
            self._room.notify_all()
        self._intake.wal.drop_before(segment)

    def compact(self) -> CompactReport:
        """Merge blocks by level until nothing is left to do, and take what was deleted off the disk.

        Raises:
            CorruptionError: a block is damaged; the blocks stay as they were.

        """
        with self._maintenance:
            self._refuse_if_closed()
            report = self._blocks.compact(least=1)
            self._recount()
            return report

    def _care(self) -> None:
        """What the background does when it is woken."""
        with self._maintenance:
            if self._closed:
                return
            with self._lock:
                if self._frozen is None and self._intake.head.points >= self.options.head_points:
                    self._frozen = self._intake.freeze()
            self._write_frozen()
            try:
                self._blocks.compact(least=self.options.merge_blocks)
            except TierError as error:  # no reason to stop writers: what lies here was compacted
                _LOG.warning("compaction waits: %s", error)

    def _recount(self) -> None:
        with self._lock:
            blocks = [source.block for source in self._blocks.view.sources]
            self._intake.count.rebuild(blocks, [head.labels for head in self._heads()])

    def retain(self, now: int) -> int:
        """Remove blocks whose newest point is older than the retention before `now`; how many."""
        if self.options.retention is None:
            return 0
        with self._maintenance:
            self._refuse_if_closed()
            dropped = self._blocks.drop_before(now - self.options.retention)
            self._recount()
            return dropped

    def move_tiers(self, now: int) -> int:
        """Move blocks older than `warm_after` before `now` to the warm folder, than `s3_after` to S3; how many.

        Each counts in its new place as soon as it is there; appends and queries go on meanwhile.

        Raises:
            TierError: a tier cannot be reached; what was moved before stays moved, all else stays where it is.

        """
        horizons = {}
        if self.options.warm is not None:
            horizons["warm"] = now - self.options.warm_after
        if self.options.s3 is not None:
            horizons["s3"] = now - self.options.s3_after
        with self._moving:
            return sum(self._move_all(tier, horizons) for tier in horizons)

    def _move_all(self, tier: str, horizons: dict[str, int]) -> int:
        with self._maintenance:
            self._refuse_if_closed()
            entries = [entry for entry, target in self._blocks.colder(horizons) if target == tier]
            if entries:
                self._blocks.sweep(tier)
        return sum(self._move(entry, tier) for entry in entries)

    def _move(self, entry: Entry, tier: str) -> bool:
        try:
            self._blocks.copy(entry, tier)
        except (FileNotFoundError, CorruptionError):
            with self._lock:
                if entry in self._blocks.state.entries:
                    raise
            return False  # a compaction or the retention was faster
        with self._maintenance:
            self._refuse_if_closed()
            return self._blocks.moved(entry, tier)

    def snapshot(self, target: Path) -> None:
        """Write everything to blocks and copy them to a new folder, which is a store itself: by links where it can.

        It holds what the store held when its blocks were written; appends, queries, compaction and moves go on while
        blocks are copied, however long those in S3 take. A block that is replaced meanwhile stays until it is copied.

        Raises:
            StoreError: the folder exists and is not empty.
            TierError: a block cannot be fetched from its tier; there is no folder then.
            StoreClosedError: the store was closed meanwhile; there is no folder then.

        """
        with self._copying:
            with self._maintenance:
                self.flush()
                pinned = self._blocks.pin()
            try:
                backup.snapshot(pinned, self._fetch, Path(target))
            finally:
                with self._maintenance:
                    self._blocks.unpin(pinned, remove=not self._closed)

    def _fetch(self, entry: Entry, target: Path) -> None:
        self._refuse_if_closed()
        self._blocks.tier(entry.tier).fetch(entry.facts.name, target)

    @staticmethod
    def restore(source: Path, target: Path) -> None:
        """Copy a snapshot to a new folder after every block was read and compared with its checksums.

        Raises:
            CorruptionError: the snapshot is damaged; the target is not made.
            StoreError: the target exists and is not empty.

        """
        backup.restore(Path(source), Path(target))

    def stats(self) -> StoreStats:
        """Figures for metrics and the status page."""
        with self._lock:
            self._refuse_if_closed()
            entries = self._blocks.state.entries
            heads = [head for head in self._heads() if head.points]
            replayed = self._intake.replayed
            times = [(entry.facts.min_time, entry.facts.max_time) for entry in entries]
            times += [(head.min_time, head.max_time) for head in heads]
            return StoreStats(
                points_head=sum(head.points for head in heads),
                points_blocks=sum(entry.facts.points for entry in entries),
                series_head=len(self._intake.head.labels),
                series=len(self._intake.count),
                series_limit=self.options.max_series or 0,
                blocks=len(entries),
                blocks_by_level=dict(sorted(Counter(entry.facts.level for entry in entries).items())),
                blocks_by_tier=dict(Counter(entry.tier for entry in entries)),
                bytes_blocks=sum(entry.bytes for entry in entries),
                bytes_wal=self._intake.wal.bytes(),
                appended_points=self._appended,
                refused_points=self._intake.refused,
                wal_syncs=self._intake.wal.syncs,
                wal_failures=self._intake.wal.failures,
                wal_cut_bytes=replayed.cut_bytes,
                quarantined=len(replayed.quarantined),
                tombstones=len(self._blocks.state.tombstones),
                trouble=self._intake.wal.trouble or self._worker.trouble,
                min_time=min((low for low, _ in times), default=None),
                max_time=max((high for _, high in times), default=None),
            )

    def close(self) -> None:
        """Sync and seal the log, give the lock free; what is in memory comes back from the log."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._room.notify_all()
        self._worker.stop()
        # A snapshot ends at its next block: the files are another process's once the lock is given free.
        with self._copying, self._maintenance, self._lock:
            try:
                self._mark_log(self._intake.wal.close())
                self._blocks.close()
            finally:
                self._lock_file.release()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _state(path: Path) -> manifest.Manifest:
    """The manifest; an empty one for a folder in which nothing was stored yet."""
    if (path / manifest.FILE_NAME).exists():
        return manifest.load(path)
    # A process that ended while it made the store has left a segment without records.
    if any(path.glob("blocks/*.block")) or any(file.stat().st_size > EMPTY_BYTES for file in path.glob("wal/*.wal")):
        raise CorruptionError(
            path / manifest.FILE_NAME,
            "the file is missing",
            remedy="Restore a snapshot, or run a repair, which makes the manifest anew from the blocks",
        )
    return manifest.Manifest()
