"""The write-ahead log: what was appended and is in no block yet, in segments of checksummed records.

Every record says how much of its segment was known to be on disk when it was written (`synced`). That tells a torn
tail from damage: bytes after which nothing refers to them as synced were never acknowledged and are cut off; bytes
that a later record calls synced were, and losing them is an error that names file and offset. A log that was closed
ends with a seal, so that damage at rest shows anywhere in it. Only damage to the last records of a log that was not
closed cannot be told from a torn tail; the bytes cut are reported.

Threads share one fsync: who finds its record synced by another's returns at once (group commit).
"""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from quintet.timeseries.errors import CorruptionError, StoreClosedError, StoreError
from quintet.timeseries.files import checksum, sync_folder

__all__ = ["EMPTY_BYTES", "POINTS", "SERIES", "Replay", "Wal", "replay", "segments"]

SERIES, POINTS, _SEAL = 1, 2, 3
_MAGIC = b"QTSWAL\0\0"
_VERSION = 1
#: magic, version, reserved, number, checksum of what is before it
_HEADER = struct.Struct("<8sHHIQQ")
#: marker, kind, length of the payload, reserved, synced bytes of the segment, checksum
_RECORD = struct.Struct("<IIIIQQ")
#: A segment without records is no larger.
EMPTY_BYTES = _HEADER.size
#: what the checksum covers beside the payload: kind, length, synced, number of the segment, offset of the record
_COVERED = struct.Struct("<IIQQQ")
_MARKER = 0x51C0FFEE
_MARKER_BYTES = struct.pack("<I", _MARKER)
_CLOSED, _ROTATED = b"closed\0\0", b"rotated\0"


def segments(folder: Path) -> list[int]:
    """Numbers of the segments in a folder, rising."""
    return sorted(int(path.stem) for path in folder.glob("*.wal"))


def _path(folder: Path, number: int) -> Path:
    return folder / f"{number:010d}.wal"


def _create(folder: Path, number: int) -> int:
    descriptor = os.open(_path(folder, number), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    os.write(descriptor, _header(number))
    os.fsync(descriptor)
    sync_folder(folder)
    return descriptor


def _header(number: int) -> bytes:
    begin = _HEADER.pack(_MAGIC, _VERSION, 0, 0, number, 0)[:-8]
    return begin + struct.pack("<Q", checksum(begin))


class Wal:
    """The log being written. One thread appends at a time (the store sees to that), any number sync."""

    def __init__(self, folder: Path, number: int, *, segment_bytes: int) -> None:
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._sync_lock = threading.Lock()
        self._write_lock = threading.Lock()
        self._failed = ""
        #: Bytes since the log was opened, and how many of them are on disk: positions that `sync` understands.
        self._written = 0
        self._synced = 0
        self.syncs = 0
        #: Writes and syncs that the disk refused.
        self.failures = 0
        self.number = number
        self._file = _create(folder, number)
        #: Bytes of the segment, and how many of them are on disk.
        self._size = self._size_synced = _HEADER.size

    def append(self, kind: int, parts: Sequence[bytes | memoryview]) -> int:
        """Write one record; the position to hand to `sync`.

        Raises:
            StoreError: the disk is full or broken; nothing of the record is in the log.
            StoreClosedError: writing failed before.

        """
        if self._size >= self._segment_bytes:
            self.rotate()
        with self._write_lock:
            self._write(kind, parts)
            return self._written

    def _write(self, kind: int, parts: Sequence[bytes | memoryview]) -> None:
        self._refuse_after_failure()
        length = sum(memoryview(part).nbytes for part in parts)
        covered = _COVERED.pack(kind, length, self._size_synced, self.number, self._size)
        views = [memoryview(part).cast("B") for part in parts if memoryview(part).nbytes]
        head = _RECORD.pack(_MARKER, kind, length, 0, self._size_synced, checksum(covered, *views))
        data = [memoryview(head), *views, memoryview(bytes(-length % 8))]
        try:
            self._write_all(data)
        except OSError as error:
            self._take_back(error)
        grown = _RECORD.size + length + -length % 8
        self._size += grown
        self._written += grown

    def _write_all(self, views: list[memoryview]) -> None:
        views = [view for view in views if view.nbytes]
        while views:
            done = os.writev(self._file, views)
            while views and done >= views[0].nbytes:
                done -= views.pop(0).nbytes
            if done:
                views[0] = views[0][done:]

    def _take_back(self, error: OSError) -> None:
        """A record that was written in part would hide all that come after it."""
        self.failures += 1
        try:
            os.ftruncate(self._file, self._size)
            os.lseek(self._file, self._size, os.SEEK_SET)
        except OSError as second:
            self._failed = str(second)
        raise StoreError(
            f"the log {_path(self._folder, self.number)} cannot be written: {error}",
            remedy="Make room and append again: nothing of this batch is stored",
        ) from error

    @property
    def trouble(self) -> str:
        """Why the log takes nothing any more; empty: it does."""
        return self._failed and f"the log {_path(self._folder, self.number)} failed: {self._failed}"

    def _refuse_after_failure(self) -> None:
        if self._failed:
            raise StoreClosedError(
                f"the log {_path(self._folder, self.number)} failed before: {self._failed}",
                remedy="Look at the disk, then open the store again: what was acknowledged is in it",
            )

    def sync(self, position: int | None = None) -> None:
        """Return when the log is on disk up to a position (None: all that is written).

        Raises:
            StoreError: the disk refused; what it holds is unknown until the store is opened again.

        """
        wanted = self._written if position is None else position
        if self._synced >= wanted:
            return
        with self._sync_lock:
            if self._synced >= wanted:  # another thread's fsync covered this record
                return
            with self._write_lock:
                written, size = self._written, self._size
            self._sync_file()
            # Under the lock that rotation takes too: the segment is still the same.
            self._synced, self._size_synced = written, size

    def _sync_file(self) -> None:
        self._refuse_after_failure()
        try:
            os.fdatasync(self._file)
        except OSError as error:
            # The kernel may have dropped the pages: a second fsync would succeed without them.
            self.failures += 1
            self._failed = str(error)
            raise StoreError(
                f"the log {_path(self._folder, self.number)} cannot be synced: {error}",
                remedy="Look at the disk, then open the store again",
            ) from error
        self.syncs += 1

    def rotate(self) -> int:
        """Go on in a new segment; its number. The old one is on disk and sealed."""
        with self._sync_lock, self._write_lock:
            self._refuse_after_failure()
            # The new segment first: a seal promises that there is one.
            try:
                new = _create(self._folder, self.number + 1)
            except OSError as error:
                raise StoreError(
                    f"the segment {_path(self._folder, self.number + 1)} cannot be made: {error}",
                    remedy="Make room and append again: nothing of this batch is stored",
                ) from error
            try:
                self._seal(_ROTATED)
            except BaseException:
                os.close(new)
                raise
            os.close(self._file)
            self._file, self.number = new, self.number + 1
            self._size = self._size_synced = _HEADER.size
            self._synced = self._written
            return self.number

    def _seal(self, how: bytes) -> None:
        self._sync_file()
        self._size_synced = self._size
        self._write(_SEAL, [how])
        self._sync_file()

    def close(self) -> int:
        """Sync, seal and close; bytes of the last segment."""
        with self._sync_lock, self._write_lock:
            try:
                if not self._failed:
                    self._seal(_CLOSED)
                    self._synced = self._written
            finally:
                self._failed = self._failed or "it is closed"
                os.close(self._file)
            return self._size

    def drop_before(self, number: int) -> None:
        """Remove segments that blocks have made superfluous, oldest first."""
        for old in segments(self._folder):
            if old < number:
                _path(self._folder, old).unlink(missing_ok=True)
        sync_folder(self._folder)

    def bytes(self) -> int:
        """Bytes of all segments."""
        total = 0
        for path in self._folder.glob("*.wal"):
            with suppress(FileNotFoundError):  # a flush has just made it superfluous
                total += path.stat().st_size
        return total


@dataclass
class Replay:
    """What a replay found: bytes of torn tail cut off; whether it ended before damage, and the files set aside."""

    damaged: bool = False
    cut_bytes: int = 0
    quarantined: tuple[Path, ...] = ()


def replay(
    folder: Path,
    first: int,
    apply: Callable[[int, memoryview], None],
    *,
    last: int = 0,
    last_bytes: int = 0,
    damage: Literal["refuse", "quarantine"],
    quarantine: Path,
) -> Replay:
    """Hand the records of the segments from `first` on (0: from whichever is there) to `apply`; cut the torn tail.

    `last` is a segment that must be there, `last_bytes` its size when it is known (0: it is not).

    Raises:
        CorruptionError: a segment is missing, or records are damaged that later ones call synced. With
            "quarantine" the damaged segment and those after it are copied aside and replay ends before the damage.

    """
    numbers = [number for number in segments(folder) if number >= first]
    result = Replay()
    try:
        _check_numbers(folder, numbers, first, last)
        _check_end(folder, last, last_bytes)
    except CorruptionError:
        if damage == "refuse":
            raise
        result.damaged = True
        start = first or (numbers[0] if numbers else 0)
        kept = [number for index, number in enumerate(numbers) if number == start + index]
        result.quarantined = _move(folder, numbers[len(kept) :], quarantine)
        numbers = kept
    for index, number in enumerate(numbers):
        segment = _Segment(folder, number)
        later = any(_Segment(folder, other).records for other in numbers[index + 1 :]) if segment.problem else False
        for kind, payload in segment.records:
            if kind != _SEAL:
                apply(kind, payload)
        sealed = segment.records[-1][1] if segment.records and segment.records[-1][0] == _SEAL else b""
        lost = index + 1 == len(numbers) and not segment.problem and bytes(sealed) == _ROTATED
        if (segment.problem and (segment.synced_after or later)) or lost:
            path = _path(folder, number + 1) if lost else segment.path
            what = "the segment is missing" if lost else segment.problem
            if damage == "refuse":
                raise CorruptionError(path, what, offset=0 if lost else segment.good, remedy=_REMEDY)
            result.damaged = True
            if not lost:
                result.quarantined += _set_aside(folder, segment, quarantine)
            return result
        if segment.problem:
            result.cut_bytes += segment.cut()
    return result


_REMEDY = (
    "Restore a snapshot, or open with Options(wal_damage='quarantine'): what lies before the damage is kept, the rest "
    "is set aside in the folder quarantine"
)


def _check_numbers(folder: Path, numbers: list[int], first: int, last: int) -> None:
    expected = first or (numbers[0] if numbers else 0)
    for number in numbers:
        if number != expected:
            break
        expected += 1
    else:
        if (numbers or not first) and max(numbers, default=0) >= last:
            return
    raise CorruptionError(_path(folder, expected), "the segment is missing", remedy=_REMEDY)


def _check_end(folder: Path, last: int, last_bytes: int) -> None:
    if last_bytes and (size := _path(folder, last).stat().st_size) < last_bytes:
        what = f"has {size} bytes, it had {last_bytes} when the store was closed"
        raise CorruptionError(_path(folder, last), what, offset=size, remedy=_REMEDY)


class _Segment:
    """A segment read whole: its records up to the first problem, and what that problem means."""

    def __init__(self, folder: Path, number: int) -> None:
        self.path = _path(folder, number)
        self._data = self.path.read_bytes()
        self._number = number
        self.records: list[tuple[int, memoryview]] = []
        self.problem = ""
        self.good = 0
        self._read()
        self.synced_after = bool(self.problem) and self._refers_past(self.good)

    def _read(self) -> None:
        if len(self._data) < _HEADER.size:
            self.problem = f"{len(self._data)} bytes are no header"
            return
        magic, version, _, _, number, expected = _HEADER.unpack_from(self._data)
        if magic != _MAGIC or number != self._number or checksum(self._data[: _HEADER.size - 8]) != expected:
            self.problem = "the header is damaged"
            return
        if version != _VERSION:
            raise CorruptionError(
                self.path, f"has version {version}, this program reads {_VERSION}", offset=8, remedy="Use what wrote it"
            )
        self.good = _HEADER.size
        while self.good < len(self._data):
            record = self._record(self.good)
            if record is None:
                self.problem = "a record is damaged"
                return
            kind, _, payload = record
            self.records.append((kind, payload))
            self.good += _RECORD.size + len(payload) + -len(payload) % 8

    def _record(self, at: int) -> tuple[int, int, memoryview] | None:
        if at + _RECORD.size > len(self._data):
            return None
        marker, kind, length, _, synced, expected = _RECORD.unpack_from(self._data, at)
        start = at + _RECORD.size
        if marker != _MARKER or start + length > len(self._data):
            return None
        payload = memoryview(self._data)[start : start + length]
        covered = _COVERED.pack(kind, length, synced, self._number, at)
        return (kind, synced, payload) if checksum(covered, payload) == expected else None

    def _refers_past(self, offset: int) -> bool:
        """Whether a whole record after the offset calls it synced."""
        at = self._data.find(_MARKER_BYTES, offset + 1)
        while at >= 0:
            record = self._record(at) if at % 8 == 0 else None
            if record is not None and record[1] > offset:
                return True
            at = self._data.find(_MARKER_BYTES, at + 1)
        return False

    def cut(self) -> int:
        with self.path.open("r+b") as file:
            file.truncate(self.good)
            if not self.good:  # a kill came between making the file and its header
                file.write(_header(self._number))
                file.flush()
            os.fsync(file.fileno())
        return len(self._data) - self.good


def _set_aside(folder: Path, segment: _Segment, quarantine: Path) -> tuple[Path, ...]:
    """Copy the damaged segment, move those after it; what is before the damage stays."""
    later = _move(folder, [number for number in segments(folder) if _path(folder, number) > segment.path], quarantine)
    copy = quarantine / segment.path.name
    copy.write_bytes(segment.path.read_bytes())
    segment.cut()
    return (copy, *later)


def _move(folder: Path, numbers: Sequence[int], quarantine: Path) -> tuple[Path, ...]:
    quarantine.mkdir(exist_ok=True)
    aside = []
    for number in numbers:
        aside.append(quarantine / _path(folder, number).name)
        _path(folder, number).rename(aside[-1])
    sync_folder(quarantine)
    sync_folder(folder)
    return tuple(aside)
