"""SIGTERM to a real server under writes: it ends well, the log is sealed, nothing acknowledged is missing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from batches import ALL, found

from free_ports import free_port
from paths import ROOT
from quintet.timeseries import Options, Store, manifest
from quintet.timeseries.wal import segments

#: s; it stops a hanging test and measures nothing.
LIMIT = 120
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "include")}


@contextmanager
def server(folder: Path, *more: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A running service, and its address."""
    address = f"http://127.0.0.1:{free_port()}"
    line = [sys.executable, "-m", "quintet.timeseries", "serve", "--data", str(folder)]
    with subprocess.Popen(
        [*line, "--port", address.rpartition(":")[2], *more], stderr=subprocess.PIPE, env=ENVIRONMENT
    ) as process:
        try:
            end = time.monotonic() + LIMIT
            while not answers(address):
                assert process.poll() is None
                assert time.monotonic() < end, "the service does not answer"
            yield process, address
        finally:
            process.kill()


def answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/ready", trust_env=False).status_code == 200
    except httpx.TransportError:
        time.sleep(0.05)
        return False


def write(address: str, acknowledged: list[int], stop: threading.Event) -> None:
    """Points with rising values until the service ends."""
    with httpx.Client(base_url=address, trust_env=False, timeout=LIMIT) as client:
        while not stop.is_set():
            number = len(acknowledged)
            try:
                answer = client.post("/write", content=f"m f={number} {number}")
            except httpx.TransportError:
                return
            if answer.status_code != 204:
                return
            acknowledged.append(number)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("durability", ["batch", "interval"])
def test_a_signal_ends_the_service_with_a_sealed_log(tmp_path: Path, number: signal.Signals, durability: str) -> None:
    acknowledged: list[int] = []
    stop = threading.Event()
    # An interval that never comes: only the end can have brought the points to the disk.
    with server(tmp_path, "--durability", durability, "--interval-ms", "600000") as (process, address):
        writer = threading.Thread(target=write, args=(address, acknowledged, stop))
        writer.start()
        try:
            while len(acknowledged) < 50:
                assert writer.is_alive()
                time.sleep(0.01)
            process.send_signal(number)
            _, errors = process.communicate(timeout=LIMIT)
        finally:
            stop.set()
            writer.join()
    assert process.returncode == (0 if number == signal.SIGTERM else 130)
    assert b"Traceback" not in errors, errors.decode()
    state = manifest.load(tmp_path)
    last = max(segments(tmp_path / "wal"))
    assert state.wal_open == last
    # Written by `close` alone, after the log was synced and sealed: damage to any byte of it shows from now on.
    assert state.wal_bytes == (tmp_path / "wal" / f"{last:010d}.wal").stat().st_size
    with Store.open(tmp_path, Options(background=False)) as store:
        stats = store.stats()
        assert (stats.wal_cut_bytes, stats.quarantined) == (0, 0)
        (points,) = found(store.scan([], *ALL)).values()
    assert len(acknowledged) >= 50
    assert set(acknowledged) <= set(points)


def test_a_second_signal_does_not_break_the_end(tmp_path: Path) -> None:
    with server(tmp_path) as (process, address):
        assert httpx.post(f"{address}/write", content="m f=1 1", trust_env=False, timeout=LIMIT).status_code == 204
        for _ in range(20):
            process.send_signal(signal.SIGTERM)
        process.communicate(timeout=LIMIT)
    assert process.returncode == 0
    assert manifest.load(tmp_path).wal_bytes > 0
