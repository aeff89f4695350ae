"""Snapshot, restore, check and repair of whole stores."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from itertools import count
from pathlib import Path

from quintet.timeseries import manifest, rolled
from quintet.timeseries.block import Block
from quintet.timeseries.errors import CorruptionError, StoreError
from quintet.timeseries.files import sync_folder
from quintet.timeseries.lock import StoreLock
from quintet.timeseries.manifest import Entry, Manifest
from quintet.timeseries.model import SECOND, Options, Rollup
from quintet.timeseries.rolled import REBUILD
from quintet.timeseries.tiers import FolderTier
from quintet.timeseries.wal import segments

__all__ = ["check", "repair", "restore", "set_rollups_aside", "snapshot"]

_SNAPSHOT = "Restore another snapshot"


def snapshot(
    state: Manifest,
    fetch: Callable[[Entry, Path], None],
    target: Path,
    add_rollups: Callable[[Path], None] = lambda _: None,
) -> None:
    """Fetch all blocks, of every tier, to a new folder; it appears whole or not at all.

    fetch: of (entry, its file); add_rollups: of the folder that is being made.
    """
    _refuse_filled(target)
    aside = _fresh(target)
    try:
        for entry in state.entries:
            fetch(entry, aside / "blocks" / entry.facts.name)
        add_rollups(aside)
    except BaseException:
        shutil.rmtree(aside)
        raise
    _finish(aside, target, state)


def restore(source: Path, target: Path) -> None:
    """Copy a snapshot after reading all of it; the copy shares no file with it."""
    _refuse_filled(target)
    state = manifest.load(source)
    aside = _fresh(target)
    tier = FolderTier("hot", aside / "blocks")
    try:
        for entry in state.entries:
            Block(source / "blocks" / entry.facts.name)  # says it in our words when the file is missing
            tier.put(source / "blocks" / entry.facts.name)
            Block(tier.local(entry.facts.name)).verify()
        for rollup in rolled.folders(source):
            state_of_rollup = rolled.load(rollup, remedy=_SNAPSHOT)
            (aside / rolled.FOLDER).mkdir(exist_ok=True)
            restore(rollup, aside / rolled.FOLDER / rollup.name)
            rolled.save(aside / rolled.FOLDER / rollup.name, state_of_rollup)
    except BaseException:
        shutil.rmtree(aside)
        raise
    _finish(aside, target, state)


def _refuse_filled(target: Path) -> None:
    if target.exists() and any(target.iterdir()):
        raise StoreError(f"the folder {target} is not empty", remedy="Name a new folder")


def _fresh(target: Path) -> Path:
    aside = target.with_name(target.name + ".partial")
    shutil.rmtree(aside, ignore_errors=True)
    (aside / "blocks").mkdir(parents=True)
    return aside


def _finish(aside: Path, target: Path, state: Manifest) -> None:
    entries = tuple(replace(entry, tier="hot") for entry in state.entries)
    sync_folder(aside / "blocks")
    manifest.save(aside, replace(state, entries=entries, wal_from=0, wal_open=0, wal_bytes=0))
    if target.exists():
        target.rmdir()
    aside.rename(target)
    sync_folder(target.parent)


def set_rollups_aside(path: Path) -> list[Rollup]:
    """Move the rollups of a closed store that are damaged to `quarantine`; what makes them anew, for `Options`.

    Raises:
        StoreLockedError: the store is open.

    """
    lock = StoreLock(path)
    try:
        found = []
        for folder in rolled.folders(path):
            if not (_check_rollup(folder) or _log_damage(folder)):
                continue
            try:
                state = rolled.load(folder, remedy="")
                found.append(Rollup(state.step, state.retention))
            except CorruptionError:
                found.append(Rollup(int(folder.name[:-1]) * SECOND))
            aside = path / "quarantine"
            aside.mkdir(exist_ok=True)
            numbers = (f"{folder.name}-{number}" for number in count(1))
            folder.rename(next(aside / name for name in numbers if not (aside / name).exists()))
            sync_folder(aside)
            sync_folder(folder.parent)
        return found
    finally:
        lock.release()


def _log_damage(folder: Path) -> CorruptionError | None:
    """Damage that opening finds: the log is read then."""
    # The store imports this module.
    from quintet.timeseries.store import Store

    try:
        Store.open(folder, Options(background=False, max_series=None)).close()
    except CorruptionError as error:
        return error
    return None


def _check_rollup(folder: Path) -> list[CorruptionError]:
    found = check(folder)
    try:
        rolled.load(folder, remedy=REBUILD)
    except CorruptionError as error:
        found.append(error)
    return [CorruptionError(error.path, error.what, offset=error.offset, remedy=REBUILD) for error in found]


def check(path: Path) -> list[CorruptionError]:
    """Read every block of the folder `blocks`, the manifest and the rollups; what is damaged. Changes nothing."""
    found = []
    named: set[str] = set()
    try:
        named = {entry.facts.name for entry in manifest.load(path).entries if entry.tier == "hot"}
    except CorruptionError as error:
        found.append(error)
        named = {file.name for file in (path / "blocks").glob("*.block")}
    for name in sorted(named):
        try:
            Block(path / "blocks" / name).verify()
        except CorruptionError as error:
            found.append(error)
    return found + [error for folder in rolled.folders(path) for error in _check_rollup(folder)]


def repair(path: Path) -> list[Path]:
    """Make a closed store open again: damaged blocks go to `quarantine`, the manifest is made anew; files set aside.

    What a readable manifest says stays: tombstones, tiers, the place in the log. Without one, deleted points that
    no compaction removed come back, and blocks that another one replaced are told by their sources.

    Raises:
        StoreLockedError: the store is open.

    """
    lock = StoreLock(path)
    try:
        aside: list[Path] = []
        good: dict[str, Block] = {}
        (path / "quarantine").mkdir(exist_ok=True)
        for file in sorted((path / "blocks").glob("*.block")):
            try:
                block = Block(file)
                block.verify()
                good[file.name] = block
            except CorruptionError:
                aside.append(path / "quarantine" / file.name)
                file.rename(aside[-1])
        manifest.save(path, _rebuilt(path, good))
        if aside:
            _forget_windows(path)
        return aside
    finally:
        lock.release()


def _forget_windows(path: Path) -> None:
    """Rollups may hold what was set aside: they are computed anew."""
    for folder in rolled.folders(path):
        with suppress(CorruptionError):  # such a rollup is told when the store is opened
            rolled.save(folder, replace(rolled.load(folder, remedy=REBUILD), windows={}))


def _rebuilt(path: Path, good: dict[str, Block]) -> Manifest:
    try:
        state = manifest.load(path)
    except CorruptionError:
        replaced = {number for block in good.values() for number in block.facts.sources}
        numbers = segments(path / "wal") if (path / "wal").exists() else []
        entries = [
            Entry(block.facts, "hot", block.size, block.facts.erased)
            for block in good.values()
            if block.facts.number not in replaced
        ]
        following = max([block.facts.number for block in good.values()], default=0) + 1
        erased = max([entry.erased for entry in entries], default=0)
        state = Manifest(
            wal_from=min(numbers, default=0),
            wal_open=max(numbers, default=0),
            next_block=following,
            next_tombstone=erased + 1,
        )
        return state.replacing((), entries)
    kept = [entry for entry in state.entries if entry.tier != "hot" or entry.facts.name in good]
    return replace(state, entries=tuple(kept))
