"""A Prometheus of the distribution on a free loopback port, which takes remote write and scrapes nothing."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from free_ports import free_port
from quintet.timeseries.model import Batch
from quintet.timeseries.remote import compress, encode_write

__all__ = ["PROGRAM", "push", "running"]

PROGRAM = shutil.which("prometheus")
_HEADERS = {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy"}


@contextmanager
def running(folder: Path, extra: str = "") -> Iterator[httpx.Client]:
    """A client of the server, which ends with the block; `extra` goes to its settings."""
    settings = folder / "prometheus.yml"
    settings.write_text(f"global: {{evaluation_interval: 1m}}\n{extra}")
    address = f"127.0.0.1:{free_port()}"
    line = [
        str(PROGRAM),
        f"--config.file={settings}",
        f"--storage.tsdb.path={folder / 'data'}",
        "--storage.tsdb.retention.time=100y",
        f"--web.listen-address={address}",
        "--web.enable-remote-write-receiver",
        "--log.level=error",
    ]
    with subprocess.Popen(line) as process, httpx.Client(base_url=f"http://{address}", trust_env=False) as client:
        try:
            _wait(client, process)
            yield client
        finally:
            process.terminate()


def _wait(client: httpx.Client, process: subprocess.Popen[bytes]) -> None:
    for _ in range(1200):
        assert process.poll() is None, "Prometheus has ended"
        try:
            if client.get("/-/ready").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise AssertionError("Prometheus is not ready after a minute")


def push(client: httpx.Client, batch: Batch, path: str = "/api/v1/write") -> None:
    """Send a batch by remote write."""
    answer = client.post(path, content=compress(encode_write(batch)), headers=_HEADERS)
    assert answer.status_code in {200, 204}, answer.text
