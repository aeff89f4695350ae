"""A Redis on a free loopback port, in memory alone, until the tests are over.

The program is Debian's: the server is also in the package of the tools, as the program that checks files; which of the
two it is, its name tells. Tests that want it are skipped, with the reason, where there is neither.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

__all__ = ["redis_server"]


@contextmanager
def redis_server(folder: Path) -> Iterator[int]:
    """Port of a running server."""
    program = shutil.which("redis-server") or shutil.which("redis-check-rdb")
    if program is None:
        pytest.skip("Redis is not on this machine: install Debian's package redis-tools")
    server = folder / "redis-server"
    server.unlink(missing_ok=True)
    server.symlink_to(program)
    found = subprocess.run([server, "--version"], capture_output=True, check=False)
    if found.returncode:
        pytest.skip(f"Redis cannot run here: {found.stderr.decode().strip()}")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    door = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
    line = [str(server), *door, "--save", "", "--appendonly", "no"]
    with (folder / "out").open("wb") as out:
        process = subprocess.Popen(line, stdout=out, stderr=out)
        try:
            _wait(port, process, folder / "out")
            yield port
        finally:
            process.terminate()
            process.wait(20)


def _wait(port: int, process: subprocess.Popen[bytes], out: Path) -> None:
    for _ in range(200):
        assert process.poll() is None, out.read_text(errors="replace")[-2000:]
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as door:
                door.sendall(b"PING\r\n")
                if door.recv(16).startswith(b"+PONG"):
                    return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"Redis did not start: {out.read_text(errors='replace')[-2000:]}")
