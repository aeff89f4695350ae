"""The log gives back what was written and synced, cuts what a crash tore, and says where it is damaged."""

from __future__ import annotations

import os
import struct
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from quintet.timeseries.errors import CorruptionError, StoreClosedError, StoreError
from quintet.timeseries.files import checksum
from quintet.timeseries.wal import POINTS, Wal, replay, segments

BIG = 1 << 30


def records(folder: Path, first: int = 1, *, damage: str = "refuse", last: int = 0) -> tuple[list[bytes], int]:
    found: list[bytes] = []
    result = replay(
        folder,
        first,
        lambda kind, payload: found.append(bytes(payload)),
        last=last,
        damage=damage,  # type: ignore[arg-type]
        quarantine=folder / "aside",
    )
    return found, result.cut_bytes


def written(folder: Path, count: int, *, segment_bytes: int = BIG, sync: bool = True, close: bool = False) -> Wal:
    log = Wal(folder, 1, segment_bytes=segment_bytes)
    for index in range(count):
        position = log.append(POINTS, [f"record {index}".encode(), memoryview(bytes(index))])
        if sync:
            log.sync(position)
    if close:
        log.close()
    return log


def wanted(count: int) -> list[bytes]:
    return [f"record {index}".encode() + bytes(index) for index in range(count)]


def test_records_come_back_in_order_across_segments(tmp_path: Path) -> None:
    log = written(tmp_path, 50, segment_bytes=300, close=True)
    assert log.number > 5
    assert segments(tmp_path) == list(range(1, log.number + 1))
    assert records(tmp_path) == (wanted(50), 0)


@pytest.mark.parametrize("closed", [False, True])
def test_every_length_of_an_unfinished_tail_is_cut_or_named(tmp_path: Path, closed: bool) -> None:
    written(tmp_path, 3, close=closed)
    path = tmp_path / "0000000001.wal"
    whole = path.read_bytes()
    ends = []
    for size in range(len(whole), 32, -1):
        path.write_bytes(whole[:size])
        found, cut = records(tmp_path)
        ends.append((len(found), cut == 0))
        assert found == wanted(len(found))
        assert path.stat().st_size == size - cut
    assert [count for count, _ in ends] == sorted((count for count, _ in ends), reverse=True)
    assert {count for count, _ in ends} == {0, 1, 2, 3}


def test_damage_that_a_later_record_calls_synced_is_an_error_with_its_offset(tmp_path: Path) -> None:
    written(tmp_path, 3)
    path = tmp_path / "0000000001.wal"
    data = bytearray(path.read_bytes())
    data[32 + 32 + 2] ^= 1  # payload of the first record
    path.write_bytes(data)
    with pytest.raises(CorruptionError, match=r"0000000001.wal, offset 32: a record is damaged.*quarantine") as error:
        records(tmp_path)
    assert error.value.offset == 32
    assert path.read_bytes() == data, "an error changes nothing"


def test_damage_among_records_that_nothing_calls_synced_is_a_torn_tail(tmp_path: Path) -> None:
    written(tmp_path, 3, sync=False)
    path = tmp_path / "0000000001.wal"
    data = bytearray(path.read_bytes())
    data[32 + 32 + 2] ^= 1
    path.write_bytes(data)
    assert records(tmp_path) == ([], len(data) - 32)


def test_a_missing_segment_is_named(tmp_path: Path) -> None:
    written(tmp_path, 50, segment_bytes=300, close=True)
    (tmp_path / "0000000003.wal").unlink()
    with pytest.raises(CorruptionError, match=r"0000000003.wal, offset 0: the segment is missing"):
        records(tmp_path)
    found, _ = records(tmp_path, damage="quarantine")
    assert found == wanted(len(found))
    assert segments(tmp_path) == [1, 2]
    assert segments(tmp_path / "aside")[0] == 4


def test_the_successor_that_a_seal_promises_must_be_there(tmp_path: Path) -> None:
    log = written(tmp_path, 50, segment_bytes=300, close=True)
    (tmp_path / f"{log.number:010d}.wal").unlink()
    with pytest.raises(CorruptionError, match=f"{log.number:010d}.wal, offset 0: the segment is missing"):
        records(tmp_path)


@pytest.mark.parametrize("first", [0, 1, 3])
def test_an_empty_folder_is_a_log_only_where_none_was(tmp_path: Path, first: int) -> None:
    if not first:
        assert records(tmp_path, first) == ([], 0)
        return
    with pytest.raises(CorruptionError, match="the segment is missing"):
        records(tmp_path, first)


def test_a_segment_without_a_header_is_a_crash_while_it_was_made(tmp_path: Path) -> None:
    written(tmp_path, 2).rotate()
    (tmp_path / "0000000002.wal").write_bytes(b"QTS")
    assert records(tmp_path) == (wanted(2), 3)
    assert records(tmp_path) == (wanted(2), 0)


def test_a_newer_version_is_refused(tmp_path: Path) -> None:
    written(tmp_path, 1, close=True)
    path = tmp_path / "0000000001.wal"
    head = struct.pack("<8sHHIQ", b"QTSWAL\0\0", 9, 0, 0, 1)
    path.write_bytes(head + struct.pack("<Q", checksum(head)) + path.read_bytes()[32:])
    with pytest.raises(CorruptionError, match="has version 9, this program reads 1"):
        records(tmp_path)


def test_a_disk_that_is_full_refuses_the_record_and_keeps_those_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = written(tmp_path, 2)
    real = os.writev

    def half(descriptor: int, parts: list[memoryview]) -> int:
        if sum(part.nbytes for part in parts) < 100:
            raise OSError(28, "No space left on device")
        return real(descriptor, [parts[0][:20]])

    with monkeypatch.context() as patch:
        patch.setattr(os, "writev", half)
        with pytest.raises(StoreError, match=r"No space left on device.*nothing of this batch is stored"):
            log.append(POINTS, [bytes(80)])
    log.append(POINTS, [b"after"])
    log.close()
    assert records(tmp_path) == ([*wanted(2), b"after"], 0)


def test_after_a_failed_sync_the_log_takes_nothing_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = written(tmp_path, 1)
    position = log.append(POINTS, [b"lost?"])

    def broken(_: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", broken)
        with pytest.raises(StoreError, match="cannot be synced"):
            log.sync(position)
    with pytest.raises(StoreClosedError, match="failed before"):
        log.append(POINTS, [b"more"])
    with pytest.raises(StoreClosedError):
        log.sync(position)
    log.close()


def test_threads_that_wait_together_share_one_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = Wal(tmp_path, 1, segment_bytes=BIG)
    gate, inside, real = threading.Event(), threading.Event(), os.fdatasync

    def slow(descriptor: int) -> None:
        inside.set()
        gate.wait(5)
        real(descriptor)

    monkeypatch.setattr(os, "fdatasync", slow)
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(log.sync, log.append(POINTS, [b"first"]))
        inside.wait(5)
        positions = [log.append(POINTS, [b"more"]) for _ in range(8)]
        rest = [pool.submit(log.sync, position) for position in positions]
        gate.set()
        for done in [first, *rest]:
            done.result(5)
    assert log.syncs == 2
    log.close()
