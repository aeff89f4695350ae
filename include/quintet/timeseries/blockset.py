"""The set of blocks of a store: what the manifest names, opened; every change of it is one new manifest.

Readers take a view, which stays valid whatever is replaced meanwhile: a block that is removed keeps its content
mapped until the last view is gone. Changes are made by one thread at a time (the store's maintenance lock).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from weakref import ref

import numpy as np
from pyroaring import BitMap

from quintet.timeseries import compact, manifest
from quintet.timeseries.block import Block, BlockFacts, BlockWriter
from quintet.timeseries.compact import Job, Source, cut, window_of
from quintet.timeseries.errors import CorruptionError, StoreError, TierError
from quintet.timeseries.manifest import Entry, Manifest
from quintet.timeseries.merge import Merged
from quintet.timeseries.model import MIN_TIME, CompactReport, Matcher, Options
from quintet.timeseries.s3settings import S3Settings
from quintet.timeseries.tiers import FolderTier, Tier
from quintet.timeseries.tombstone import Tombstone, erased

__all__ = ["BlockSet", "BlockView"]

#: Files that one flush writes; what is older than the windows of all but the last goes to one file.
_FLUSH_FILES = 16
_FOLDERS = {"hot", "warm"}
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class BlockView:
    """Blocks in the order in which later ones count, and what is deleted in them."""

    sources: tuple[Source, ...] = ()
    tombstones: tuple[Tombstone, ...] = ()


class BlockSet:
    """Opens what the manifest names.

    Raises:
        CorruptionError: the manifest or a block is missing or damaged.
        StoreError: a block lies in a tier that the options do not name.

    """

    def __init__(self, folder: Path, options: Options, state: Manifest) -> None:
        self._folder = folder
        self._options = options
        self.hot = FolderTier("hot", folder / "blocks")
        #: From the nearest to the farthest.
        self._tiers: dict[str, Tier] = {"hot": self.hot}
        if options.warm is not None:
            self._tiers["warm"] = FolderTier("warm", options.warm)
        if options.s3 is not None:
            self._tiers["s3"] = _s3(options.s3, folder)
        self.state = state
        self._doomed: list[_Doomed] = []
        self._pinned: list[Manifest] = []
        self.view = BlockView(tuple(self._open(entry) for entry in state.entries), state.tombstones)
        self.hot.sweep(self._named("hot"))

    def _open(self, entry: Entry) -> Source:
        tier = self._tiers.get(entry.tier)
        if tier is None:
            raise StoreError(
                f"the block {entry.facts.name} lies in the tier {entry.tier!r}, which is not configured",
                remedy=f"Open the store with Options({entry.tier}={'settings' if entry.tier == 's3' else 'folder'})",
            )
        block = tier.open(entry.facts, entry.bytes)
        if block.size != entry.bytes or block.facts.number != entry.facts.number:
            raise CorruptionError(
                block.path,
                f"has {block.size} bytes, the manifest says {entry.bytes}",
                offset=min(block.size, entry.bytes),
                remedy="Restore the block from a snapshot, or run a repair",
            )
        return Source(block, entry.erased)

    def _named(self, tier: str) -> set[str]:
        return {entry.facts.name for entry in self.state.entries if entry.tier == tier}

    def tier(self, name: str) -> Tier:
        """A tier by name."""
        return self._tiers[name]

    def pin(self) -> Manifest:
        """What the store is made of now; its files stay where they are until `unpin`."""
        pinned = replace(self.state)
        self._pinned.append(pinned)
        return pinned

    def unpin(self, pinned: Manifest, *, remove: bool) -> None:
        """Let go of what was pinned, and remove what was replaced meanwhile."""
        self._pinned = [one for one in self._pinned if one is not pinned]
        if remove:
            self._remove_doomed()

    def _commit(self, state: Manifest) -> None:
        manifest.save(self._folder, state)
        opened = {source.block.facts.number: source.block for source in self.view.sources}
        tiers = {entry.facts.number: entry.tier for entry in self.state.entries}
        sources = []
        for entry in state.entries:
            if tiers.get(entry.facts.number) == entry.tier:
                sources.append(Source(opened[entry.facts.number], entry.erased))
            else:
                sources.append(self._open(entry))
                sources[-1].block.load_index()
        self.state = state
        self.view = BlockView(tuple(sources), state.tombstones)

    def _entry(self, facts: BlockFacts) -> Entry:
        return Entry(facts, "hot", self.hot.local(facts.name).stat().st_size, facts.erased)

    def mark_log(self, *, wal_from: int, wal_open: int, wal_bytes: int) -> None:
        """Say which segments of the log must be there from now on; bytes of the last one, 0 while it grows."""
        self._commit(replace(self.state, wal_from=wal_from, wal_open=wal_open, wal_bytes=wal_bytes))

    def add(self, points: Merged, *, wal_from: int) -> None:
        """Write sorted points as level 0 blocks; the log counts from `wal_from` on."""
        done = [
            facts
            for index, part in enumerate(self._windows(points))
            if (facts := self._write(part, self.state.next_block + index)) is not None
        ]
        number = self.state.next_block + max(1, len(done))
        self._commit(
            self.state.replacing((), [self._entry(facts) for facts in done], wal_from=wal_from, next_block=number)
        )

    def _windows(self, points: Merged) -> list[Merged]:
        timestamps = points[2]
        if not len(timestamps):
            return []
        parts: list[Merged] = []
        newest, oldest = int(timestamps.max()), int(timestamps.min())
        while newest >= oldest and len(parts) < _FLUSH_FILES - 1:
            start = max(window_of(newest, 1, self._options).start, MIN_TIME)
            parts.append(cut(points, start, newest + 1))
            rest = timestamps[timestamps < start]
            if not len(rest):
                return parts
            newest = int(rest.max())
        return [*parts, cut(points, MIN_TIME, newest + 1)]

    def _write(self, points: Merged, number: int) -> BlockFacts | None:
        # Without the general compressor: the first compaction brings it, appends should not wait for it.
        writer = BlockWriter(number=number, level=0, sequence=number, zstd_level=None).open(self.hot.folder)
        try:
            writer.add(*points)
            return writer.finish()
        except BaseException:
            writer.abandon()
            raise

    def compact(self, *, least: int) -> CompactReport:
        """Run jobs until none is left. least: level 0 blocks that are worth one."""
        total = CompactReport()
        out_of_reach: frozenset[int] = frozenset()
        trouble: TierError | None = None
        while True:
            job = compact.plan(
                self.view.sources, self.view.tombstones, self._options, least=least, without=out_of_reach
            )
            if job is None:
                break
            try:
                total = _sum(total, self._run(job))
            except TierError as error:  # what lies here is compacted all the same
                trouble = error
                out_of_reach |= {entry.facts.number for entry in self.state.entries if entry.tier not in _FOLDERS}
        del job
        self._forget_tombstones()
        self._remove_doomed()
        if trouble is not None:
            raise trouble
        return total

    def _run(self, job: Job) -> CompactReport:
        number = self.state.next_block
        made = compact.run(job, self.view.tombstones, self._options, self.hot.folder, number)
        entries = [self._entry(facts) for facts in made]
        following = max([facts.number for facts in made], default=number) + 1
        self._replace([source.block.facts.number for source in job.sources], entries, next_block=following)
        return CompactReport(
            len(job.sources),
            len(entries),
            sum(entry.facts.points for entry in entries),
            sum(source.block.size for source in job.sources),
            sum(entry.bytes for entry in entries),
        )

    def _replace(self, gone: Sequence[int], entries: Sequence[Entry], next_block: int | None = None) -> None:
        old = [entry for entry in self.state.entries if entry.facts.number in set(gone)]
        blocks = {source.block.facts.number: ref(source.block) for source in self.view.sources}
        self._commit(self.state.replacing(gone, entries, next_block=next_block or self.state.next_block))
        self._doomed += [_Doomed(entry, blocks[entry.facts.number]) for entry in old]
        self._remove_doomed()

    def _remove_doomed(self) -> None:
        """Remove files that no manifest names any more; one that is pinned, still read or not reached, later."""
        kept = []
        pinned = {(entry.tier, entry.facts.name) for state in self._pinned for entry in state.entries}
        for doomed in self._doomed:
            tier = self._tiers[doomed.entry.tier]
            # A mapped file keeps its content for its readers, an object does not.
            is_read = not isinstance(tier, FolderTier) and doomed.block() is not None
            if is_read or (doomed.entry.tier, doomed.entry.facts.name) in pinned:
                kept.append(doomed)
                continue
            try:
                tier.remove(doomed.entry.facts.name)
            except TierError as error:
                _LOG.warning("removed from the store, but not from its place: %s", error)
                kept.append(doomed)
        self._doomed = kept

    def _forget_tombstones(self) -> None:
        kept = tuple(
            one
            for one in self.state.tombstones
            if any(erased([one], source.block, source.erased) for source in self.view.sources)
        )
        if kept != self.state.tombstones:
            self._commit(replace(self.state, tombstones=kept))

    def bury(self, matchers: Sequence[Matcher], start: int, end: int) -> int:
        """Delete points in [start, end) of the series that fit from all blocks; series with a chunk that reaches in."""
        number = self.state.next_tombstone
        tombstone = Tombstone(number, self.state.next_block - 1, tuple(matchers), start, end)
        concerned = set()
        for source in self.view.sources:
            block = source.block
            rows = block.rows(BitMap(erased([tombstone], block, source.erased)), start, end)
            concerned |= {block.labels(series) for series in np.unique(block.chunks["series"][rows]).tolist()}
        if concerned:
            self._commit(replace(self.state, tombstones=(*self.state.tombstones, tombstone), next_tombstone=number + 1))
        return len(concerned)

    def newest_before(self, horizon: int) -> int | None:
        """The newest point of the blocks that `drop_before` would remove; None: there are none."""
        return max((one.facts.max_time for one in self.state.entries if one.facts.max_time < horizon), default=None)

    def drop_before(self, horizon: int) -> int:
        """Remove blocks whose points are all older; how many."""
        old = [entry.facts.number for entry in self.state.entries if entry.facts.max_time < horizon]
        if old:
            self._replace(old, ())
            self._forget_tombstones()
        return len(old)

    def colder(self, horizons: dict[str, int]) -> list[tuple[Entry, str]]:
        """Blocks to move: those whose points are all older than the horizon of a tier farther away than theirs."""
        order = list(self._tiers)
        found = []
        for entry in self.state.entries:
            fitting = [tier for tier, horizon in horizons.items() if entry.facts.max_time < horizon]
            target = max(fitting, key=order.index, default="hot")
            if order.index(target) > order.index(entry.tier):
                found.append((entry, target))
        return found

    def sweep(self, tier: str) -> None:
        """Remove from a tier what the manifest does not name, if the tier knows whose it is: a warm folder does not."""
        if tier not in _FOLDERS:
            self._tiers[tier].sweep(self._named(tier) | {doomed.entry.facts.name for doomed in self._doomed})

    def copy(self, entry: Entry, tier: str) -> None:
        """Copy a block to a tier; it counts there after `moved`. Needs no lock: neither file is changed by others."""
        source = self._tiers[entry.tier]
        if not isinstance(source, FolderTier):
            raise StoreError(f"the tier {entry.tier!r} is the farthest one", remedy="Move blocks outwards only")
        self._tiers[tier].put(source.local(entry.facts.name))

    def moved(self, entry: Entry, tier: str) -> bool:
        """Let a block that was copied count in its new tier; False: it is no longer part of the store."""
        if entry not in self.state.entries:
            self._tiers[tier].remove(entry.facts.name)
            return False
        self._replace([entry.facts.number], [replace(entry, tier=tier)])
        return True

    def close(self) -> None:
        """End what the tiers hold."""
        for tier in self._tiers.values():
            tier.close()


@dataclass(frozen=True)
class _Doomed:
    """A file to remove, and the block in memory that may still be read."""

    entry: Entry
    block: ref[Block]


def _s3(settings: S3Settings, folder: Path) -> Tier:
    # Importing the S3 library takes a tenth of a second that other stores do not need.
    from quintet.timeseries.s3tier import S3Tier

    return S3Tier("s3", settings, folder / "remote")


def _sum(one: CompactReport, other: CompactReport) -> CompactReport:
    return CompactReport(*(sum(pair) for pair in zip(astuple(one), astuple(other), strict=True)))
