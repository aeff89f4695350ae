"""The corruption table: what a damaged or missing file does. Never wrong data: an error that names the file, or all.

Each row damages one file of a closed store (its log is sealed) or of one that was killed (its log is not), opens it
and reads everything. Only the end of a log that was not closed may be cut, and then its statistics say so.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from batches import ALL, QUIET, SECOND, START, Points, expected, found, regular, stored

from quintet.timeseries import Batch, Matcher, Store
from quintet.timeseries.backup import check, repair
from quintet.timeseries.errors import CorruptionError, StoreError

BATCHES = [regular(12, 30, start=START + index * 300 * SECOND, seed=index) for index in range(6)]
EVERYTHING = expected(*BATCHES)
#: Small segments: the log has several.
OPTIONS = replace(QUIET, segment_bytes=6000)


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two blocks and four batches in the log, closed and as a kill leaves it."""
    folder = tmp_path_factory.mktemp("stores")
    with Store.open(folder / "closed", OPTIONS) as store:
        for index, one in enumerate(BATCHES):
            store.append(one)
            if index < 2:
                store.flush()
        shutil.copytree(folder / "closed", folder / "killed")
    return {"closed": folder / "closed", "killed": folder / "killed"}


def truncated(at: float) -> Callable[[Path, int], None]:
    def damage(path: Path, _: int) -> None:
        size = path.stat().st_size
        with path.open("r+b") as file:
            file.truncate(int(size * at) if at < 1 else size - 1)

    return damage


def flipped(path: Path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 1 << (offset % 8)
    path.write_bytes(data)


def torn(path: Path, offset: int) -> None:
    """A page that never reached the disk."""
    data = bytearray(path.read_bytes())
    start = offset // 512 * 512
    end = min(start + 512, len(data))
    data[start:end] = bytes(end - start)
    path.write_bytes(data)


def missing(path: Path, _: int) -> None:
    path.unlink()


def opened(folder: Path) -> tuple[Points, int]:
    with Store.open(folder, OPTIONS) as store:
        return stored(store), store.stats().wal_cut_bytes


def files(folder: Path, pattern: str) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.glob(pattern))


PATTERNS = {"manifest": "MANIFEST", "block": "blocks/*.block", "log": "wal/*.wal"}
DAMAGES: dict[str, tuple[Callable[[Path, int], None], int]] = {
    "emptied": (truncated(0.0), 1),
    "cut in the middle": (truncated(0.5), 1),
    "cut by one byte": (truncated(1.0), 1),
    "bit flipped": (flipped, 25),
    "page torn": (torn, 8),
    "missing": (missing, 1),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("kind", PATTERNS)
@pytest.mark.parametrize("state", ["closed", "killed"])
def test_damage_is_an_error_that_names_the_file_or_changes_nothing(
    stores: dict[str, Path], tmp_path: Path, state: str, kind: str, damage: str
) -> None:
    change, times = DAMAGES[damage]
    random = np.random.default_rng(len(kind) * 1000 + len(damage))
    for index, name in enumerate(files(stores[state], PATTERNS[kind])):
        size = (stores[state] / name).stat().st_size
        for offset in sorted({0, size - 1, *random.integers(0, size, times).tolist()})[: times + 1]:
            folder = tmp_path / f"{index}-{offset}"
            shutil.copytree(stores[state], folder)
            change(folder / name, offset)
            error = None
            try:
                points, cut = opened(folder)
            except CorruptionError as caught:
                error = caught
            if error is not None:
                assert error.path.is_relative_to(folder), f"{error} names the file"
                assert error.remedy
            elif points != EVERYTHING:
                assert (state, kind) == ("killed", "log"), f"{name}, offset {offset}: wrong data and no error"
                assert points in [expected(*BATCHES[:count]) for count in range(2, 6)], "what is cut is the end"
                assert cut > 0 or damage.startswith(("emptied", "cut", "missing")), "what is cut is counted"
            shutil.rmtree(folder)


#: File, damage -> what must happen. Offsets from the end where negative.
TABLE = [
    ("closed", "MANIFEST", missing, 0, "MANIFEST, offset 0: the file is missing"),
    ("closed", "MANIFEST", flipped, 100, "MANIFEST, offset 24: the checksum does not fit the content"),
    ("closed", "MANIFEST", truncated(0.0), 0, "MANIFEST, offset 0: 0 bytes are no whole frame"),
    ("closed", "blocks/0000000001.block", missing, 0, "0000000001.block, offset 0: the file is missing"),
    ("closed", "blocks/0000000001.block", truncated(0.5), 0, "the end of the file is not that of a block"),
    ("closed", "blocks/0000000001.block", flipped, -60, "the list of sections is damaged"),
    ("closed", "blocks/0000000001.block", flipped, 20, "offset 16: chunk 0 .* is damaged"),
    ("closed", "wal/0000000003.wal", missing, 0, "0000000003.wal, offset 0: the segment is missing"),
    ("closed", "wal/0000000004.wal", missing, 0, "0000000004.wal, offset 0: the segment is missing"),
    ("closed", "wal/0000000003.wal", flipped, 40, "0000000003.wal, offset 32: a record is damaged"),
    ("closed", "wal/0000000003.wal", flipped, 3, "0000000003.wal, offset 0: the header is damaged"),
    ("killed", "wal/0000000003.wal", flipped, 40, "0000000003.wal, offset 32: a record is damaged"),
]


@pytest.mark.parametrize(("state", "name", "change", "offset", "message"), TABLE)
def test_the_error_says_file_offset_and_damage(
    stores: dict[str, Path],
    tmp_path: Path,
    state: str,
    name: str,
    change: Callable[[Path, int], None],
    offset: int,
    message: str,
) -> None:
    folder = tmp_path / "store"
    shutil.copytree(stores[state], folder)
    path = folder / name
    change(path, offset % path.stat().st_size)
    with pytest.raises(CorruptionError, match=message):
        opened(folder)


def test_a_torn_tail_of_a_killed_log_is_cut_and_what_was_before_stays(stores: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "store"
    shutil.copytree(stores["killed"], folder)
    last = sorted((folder / "wal").glob("*.wal"))[-1]
    size = last.stat().st_size
    with last.open("ab") as file:  # the beginning of a record
        file.write(b"\xee\xff\xc0\x51" + bytes(2000))
    points, cut = opened(folder)
    assert (points, cut) == (EVERYTHING, 2004)
    assert last.stat().st_size == size
    assert opened(folder) == (EVERYTHING, 0)


def test_with_quarantine_the_log_counts_up_to_the_damage_and_the_rest_is_set_aside(
    stores: dict[str, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "store"
    shutil.copytree(stores["closed"], folder)
    flipped(folder / "wal" / "0000000004.wal", 100)
    with Store.open(folder, replace(OPTIONS, wal_damage="quarantine")) as store:
        left = stored(store)
        assert left in [expected(*BATCHES[:count]) for count in (3, 4)]
        assert store.stats().quarantined > 0
        store.append(BATCHES[5])
        kept = stored(store)
    assert kept.keys() == left.keys()
    assert opened(folder)[0] == kept
    assert (folder / "quarantine" / "0000000004.wal").exists()


def test_series_beside_a_damaged_chunk_can_be_read(stores: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "store"
    shutil.copytree(stores["closed"], folder)
    flipped(folder / "blocks" / "0000000001.block", 20)
    with Store.open(folder, OPTIONS) as store:
        damaged = store.series([], *ALL)[0]
        rest = [Matcher("sensor", "!=", dict(damaged)["sensor"])]
        assert found(store.scan(rest, *ALL)) == {key: value for key, value in EVERYTHING.items() if key != damaged}
        with pytest.raises(CorruptionError, match="chunk 0"):
            store.scan([], *ALL)
        with pytest.raises(CorruptionError, match="chunk 0"):
            store.compact()


def test_a_repair_sets_damaged_blocks_aside_and_keeps_the_others(stores: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "store"
    shutil.copytree(stores["closed"], folder)
    flipped(folder / "blocks" / "0000000001.block", 20)
    assert [error.path.name for error in check(folder)] == ["0000000001.block"]
    assert repair(folder) == [folder / "quarantine" / "0000000001.block"]
    assert check(folder) == []
    assert opened(folder)[0] == expected(*BATCHES[1:])


def test_a_repair_makes_a_lost_manifest_from_the_blocks(stores: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "store"
    shutil.copytree(stores["closed"], folder)
    (folder / "MANIFEST").unlink()
    assert repair(folder) == []
    assert opened(folder)[0] == EVERYTHING


def test_a_damaged_snapshot_is_not_restored(tmp_path: Path) -> None:
    with Store.open(tmp_path / "store", OPTIONS) as store:
        store.append(BATCHES[0])
        store.snapshot(tmp_path / "snapshot")
    flipped(next((tmp_path / "snapshot" / "blocks").glob("*.block")), 20)
    with pytest.raises(CorruptionError, match="chunk 0"):
        Store.restore(tmp_path / "snapshot", tmp_path / "target")
    assert not (tmp_path / "target").exists()
    with pytest.raises(StoreError, match="not empty"):
        Store.restore(tmp_path / "snapshot", tmp_path / "store")


def test_a_series_that_only_the_damaged_part_of_a_log_names_is_not_mistaken(tmp_path: Path) -> None:
    one = Batch(BATCHES[0].labels, BATCHES[0].series, BATCHES[0].timestamps, BATCHES[0].values)
    with Store.open(tmp_path, OPTIONS) as store:
        store.append(one)
    (segment,) = [path for path in (tmp_path / "wal").glob("*.wal") if path.stat().st_size > 500]
    flipped(segment, 64)
    with Store.open(tmp_path, replace(OPTIONS, wal_damage="quarantine")) as store:
        assert stored(store) == {}
        store.append(BATCHES[1])
    with Store.open(tmp_path, OPTIONS) as store:
        assert stored(store) == expected(BATCHES[1])
