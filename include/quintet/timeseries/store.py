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
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType

import numpy as np
import pyarrow as pa

from quintet.timeseries import backup, manifest
from quintet.timeseries.aggregates import Aggregates, bucketed, joined
from quintet.timeseries.background import Worker
from quintet.timeseries.blockset import BlockSet
from quintet.timeseries.downsample import PORTION, RAW, ROWS, Fill, Touch, filled_table, whole_buckets
from quintet.timeseries.errors import CorruptionError, StoreClosedError, StoreError, TierError
from quintet.timeseries.head import Head, HeadView
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
from quintet.timeseries.rolled import FOLDER
from quintet.timeseries.rollups import ROLL_BATCH, Piece, Rollup, Rollups
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
            self._rollups = Rollups(path, options, Store)
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

    def reading(self, matchers: Sequence[Matcher], start: int, end: int) -> Callable[[], Reading]:
        """What plans a question on the state that the store has now, whenever it is called."""
        start, end = max(start, MIN_TIME), min(end, MAX_TIME)
        with self._lock:
            self._refuse_if_closed()
            return partial(Reading.plan, self._blocks.view, self._views(matchers, start, end), matchers, start, end)

    def _read(self, matchers: Sequence[Matcher], start: int, end: int) -> Reading:
        return self.reading(matchers, start, end)()

    def _views(self, matchers: Sequence[Matcher], start: int, end: int) -> list[HeadView]:
        """With the lock held: what is in memory."""
        return [
            head.view(select(head.postings, matchers).to_array(), start, end)
            for head in self._heads()
            if head.min_time < end and head.max_time >= start
        ]

    def _pieces(self, matchers: Sequence[Matcher], bounds: tuple[int, int], step: int) -> list[tuple[Piece, Reading]]:
        """Who answers what of a question by buckets, all on one state of the store."""
        with self._lock:
            self._refuse_if_closed()
            view = self._blocks.view
            days = {day for head in self._heads() for day in head.days}
            planned = [
                (
                    piece,
                    piece.reading
                    or partial(
                        Reading.plan,
                        view,
                        self._views(matchers, piece.start, piece.end),
                        matchers,
                        piece.start,
                        piece.end,
                    ),
                )
                for piece in self._rollups.plan(bounds, step, matchers, view, days)
            ]
        return [(piece, plan()) for piece, plan in planned]

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

    def downsample(
        self,
        matchers: Sequence[Matcher],
        start: int,
        end: int,
        step: int,
        fill: Fill = "none",
        *,
        limit: int = ROWS,
    ) -> pa.Table:
        """Aggregates of the series that fit, one row for each bucket of `step` ns that reaches into the interval.

        Shapes: as `filled_table` says, which also says what fills gaps.

        Raises:
            InputError: the step is not above 0.
            QueryLimitError: the answer would have more than `limit` rows.
            MatcherError, CorruptionError, TierError: as `scan`.

        """
        return filled_table(self.aggregates(matchers, start, end, step), step, fill, limit)

    def aggregates(self, matchers: Sequence[Matcher], start: int, end: int, step: int) -> Aggregates:
        """What `downsample` makes its rows of: with exact sums. Raises as it does."""
        pieces = []
        for piece, reading in self._pieces(matchers, whole_buckets(start, end, step), step):
            if piece.rollup is not None:
                pieces.append(bucketed(piece.rollup.aggregates(reading), step))
            else:
                pieces += [bucketed(Aggregates.of_points(scan), step) for scan in reading.portions(PORTION)]
        return bucketed(joined(pieces), step)

    def explain_downsample(self, matchers: Sequence[Matcher], start: int, end: int, step: int) -> list[Touch]:
        """What `downsample` would touch, in the order of time: of a rollup, or of the points; nothing is decoded."""
        return [
            Touch(piece.rollup.name if piece.rollup else RAW, piece.start, piece.end, reading.stats)
            for piece, reading in self._pieces(matchers, whole_buckets(start, end, step), step)
        ]

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
            unchanged = [(rollup, rollup.delete(matchers, start, end)) for rollup in self._rollups]
            concerned = self._blocks.bury(matchers, start, end)
            for rollup, windows in unchanged:
                rollup.believe(windows)
            return concerned

    def hide_before(self, horizon: int) -> int:
        """Take points before a time out of sight, as the retention does: rollups keep what they had of them.

        The points are off the disk after the next `compact`. Returns the number of series concerned.
        """
        with self._maintenance:
            self.flush()
            self._retire(horizon)
            return self._blocks.bury((), MIN_TIME, horizon)

    def _retire(self, horizon: int) -> None:
        """Before points go that are older: roll them up, and let that count from now on."""
        if self._rollups:
            self.roll_up(before=horizon)
            for rollup in self._rollups:
                rollup.retire(horizon)

    def roll_up(self, *, before: int | None = None) -> dict[str, int]:
        """Bring the rollups up to date for the windows (days, as a rule) after which there are points.

        before: for all windows that begin before this time, ns, as well. Appends and queries go on meanwhile.

        Returns windows computed, by rollup.

        Raises:
            CorruptionError: a block is damaged; what was computed before stays.

        """
        self.flush()
        todo = self._rollups.stale(self._blocks.view, before)
        for rollup, windows in todo:
            for first in range(0, len(windows), ROLL_BATCH):
                self._roll(rollup, windows[first : first + ROLL_BATCH])
            if windows:
                with self._maintenance:
                    rollup.compact(least=self.options.merge_blocks)
        return {rollup.name: len(windows) for rollup, windows in todo}

    def _roll(self, rollup: Rollup, windows: Sequence[int]) -> None:
        with self._maintenance:
            self._refuse_if_closed()
            rollup.roll(windows, self._blocks.view)

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
            report = self._merge(least=1)
            for rollup in self._rollups:
                rollup.compact(least=1)
            self._recount()
            return report

    def _merge(self, *, least: int) -> CompactReport:
        current = [(rollup, rollup.state.current(self._blocks.view)) for rollup in self._rollups]
        try:
            return self._blocks.compact(least=least)
        finally:
            for rollup, windows in current:
                rollup.renew(windows, self._blocks.view)

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
                self._merge(least=self.options.merge_blocks)
            except TierError as error:  # no reason to stop writers: what lies here was compacted
                _LOG.warning("compaction waits: %s", error)
        self._roll_some()

    def _roll_some(self) -> None:
        """In the background: some windows at a time, as full heads wait meanwhile."""
        for rollup, windows in self._rollups.stale(self._blocks.view, None):
            if not windows or self._closed:
                continue
            try:
                self._roll(rollup, windows[:ROLL_BATCH])
            except (CorruptionError, TierError) as error:  # no reason to stop writers: points answer meanwhile
                _LOG.warning("the rollup %s waits: %s", rollup.name, error)
            else:
                if len(windows) > ROLL_BATCH:
                    self._worker.wake()

    def _recount(self) -> None:
        with self._lock:
            blocks = [source.block for source in self._blocks.view.sources]
            self._intake.count.rebuild(blocks, [head.labels for head in self._heads()])

    def retain(self, now: int) -> int:
        """Remove blocks whose newest point is older than the retention before `now`; how many."""
        with self._maintenance:
            self._refuse_if_closed()
            dropped = 0
            if self.options.retention is not None:
                horizon = now - self.options.retention
                if (newest := self._blocks.newest_before(horizon)) is not None:
                    self._retire(newest + 1)
                dropped = self._blocks.drop_before(horizon)
                self._recount()
            for rollup in self._rollups:
                rollup.retain(now)
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
                backup.snapshot(pinned, self._fetch, Path(target), self._add_rollups)
            finally:
                with self._maintenance:
                    self._blocks.unpin(pinned, remove=not self._closed)

    def _add_rollups(self, target: Path) -> None:
        """Copy the rollups to a snapshot; a window that was computed of later points is not up to date in it."""
        with self._maintenance:
            self._refuse_if_closed()
            for rollup in self._rollups:
                rollup.snapshot(target / FOLDER / rollup.name)

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
        rollups = [rollup.store.stats() for rollup in self._rollups] if not self._closed else []
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
                rollup_points=sum(one.points_blocks for one in rollups),
                rollup_blocks=sum(one.blocks for one in rollups),
                rollup_bytes=sum(one.bytes_blocks for one in rollups),
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
                self._rollups.close()
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
