"""Time-series databases as real servers on loopback, one at a time: started, written to, asked, measured, stopped."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlencode

from measuring import ROOT

__all__ = ["Client", "InfluxDB", "Prometheus", "Question", "Quintet", "Server", "VictoriaMetrics"]

#: s; until a server is ready, and until its files are merged.
_PATIENCE = 60


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _size(*folders: Path) -> int:
    """Bytes that the files take on the disk: some are made larger than what was written to them."""
    found = 0
    for file in (file for folder in folders for file in folder.rglob("*")):
        with suppress(FileNotFoundError):  # merged away meanwhile
            found += file.stat().st_blocks * 512 if file.is_file() else 0
    return found


@cache
def _package(name: str) -> Path | str:
    """Folder of a Debian package's programs, which is downloaded where it is not there; or why there is none."""
    done = subprocess.run([ROOT / "scripts" / "peers", name], capture_output=True, text=True, check=False)
    return Path(done.stdout.strip()) if done.returncode == 0 else done.stderr.strip().rpartition("\n")[2]


class Client:
    """One kept connection."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

    def ask(self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> bytes:
        """The body of an answer that is well."""
        self._connection.request(method, path, body or None, headers or {})
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path.partition('?')[0]}: {answer.status} {content[:300]!r}")
        return content

    def close(self) -> None:
        """End the connection."""
        self._connection.close()


class Question:
    """A query in PromQL and in InfluxQL. Times in s; step None: at `end` alone."""

    def __init__(self, promql: str, influxql: str, start: int, end: int, step: int | None) -> None:
        self.promql = promql
        self.influxql = influxql
        self.start = start
        self.end = end
        self.step = step


class Server(ABC):
    """A database. name: with how it is written to; package: of the distribution; settings: what a reader must know."""

    name: str
    package: ClassVar[str]
    program: ClassVar[str]
    settings: ClassVar[str] = ""
    #: Whether what was written is on the disk when its request is answered.
    durable = "no"
    ready_path: ClassVar[str] = "/health"
    write_path: ClassVar[str] = "/write"
    write_headers: ClassVar[dict[str, str]] = {}
    remote = False

    def __init__(self) -> None:
        self.port = _free_port()
        self.folder = Path()
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    def missing(cls) -> str:
        """Why it cannot be measured; empty: it can."""
        found = _package(cls.package)
        return "" if isinstance(found, Path) else f"{cls.package}: {found}"

    @classmethod
    def path(cls) -> str:
        """Where its program is."""
        folder = _package(cls.package)
        assert isinstance(folder, Path)
        return str(folder / cls.program)

    @classmethod
    def version(cls) -> str:
        """Of the package, installed or unpacked."""
        unpacked = Path(cls.path()).parents[2] / "VERSION"
        if unpacked.is_file():
            return unpacked.read_text(encoding="ascii").strip()
        asked = ["dpkg-query", "-W", "-f", "${Version}", cls.package]
        return subprocess.run(asked, capture_output=True, text=True, check=False).stdout or "unknown"

    @abstractmethod
    def line(self) -> list[str]:
        """Command that serves the folder on the port."""

    @abstractmethod
    def settle(self, client: Client) -> int:
        """Merge all files; bytes on disk then, without log and caches."""

    def environment(self) -> dict[str, str]:
        """Variables of the process."""
        return {}

    def prepare(self) -> None:  # noqa: B027 - most need nothing
        """Write what it needs to start."""

    def start(self, folder: Path) -> None:
        """Start, wait until it answers."""
        folder.mkdir()
        self.folder = folder
        self.prepare()
        with (folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                self.line(), stdout=log, stderr=subprocess.STDOUT, env=os.environ | self.environment()
            )
        for _ in range(_PATIENCE * 20):
            if self._process.poll() is not None:
                break
            try:
                Client(self.port).ask("GET", self.ready_path)
            except (OSError, RuntimeError, http.client.HTTPException):
                time.sleep(0.05)
            else:
                self.ready()
                return
        raise RuntimeError(f"{self.name} does not start: {(folder / 'log').read_text()[-1000:]}")

    def ready(self) -> None:  # noqa: B027 - most are ready then
        """What is asked of it before the first point."""

    def stop(self) -> None:
        """End it and remove its files."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def resident(self) -> tuple[int, int]:
        """MB of memory now and at the most."""
        assert self._process is not None
        status = Path(f"/proc/{self._process.pid}/status").read_text(encoding="ascii")
        now, most = (int(status.split(name)[1].split()[0]) // 1024 for name in ("VmRSS:", "VmHWM:"))
        return now, most

    def write(self, client: Client, body: bytes) -> None:
        """Send a request; it returns when the server has answered."""
        client.ask("POST", self.write_path, body, self.write_headers)

    def ask(self, client: Client, question: Question) -> bytes:
        """The raw answer."""
        if question.step is None:
            return client.ask("GET", "/api/v1/query?" + urlencode({"query": question.promql, "time": question.end}))
        asked = {"query": question.promql, "start": question.start, "end": question.end, "step": question.step}
        return client.ask("GET", "/api/v1/query_range?" + urlencode(asked))

    def number(self, answer: bytes) -> float:
        """The only value of an answer, or how many values a range has."""
        result = json.loads(answer)["data"]["result"]
        if "value" in result[0]:
            return float(result[0]["value"][1])
        return float(sum(len(one["values"]) for one in result))


class Quintet(Server):
    """This repository's service, in a process of its own."""

    package, program = "", ""
    settings = "as installed: each request is on disk (fsync) before it is answered"

    def __init__(self, *, remote: bool = False, interval: bool = False) -> None:
        super().__init__()
        self.remote = remote
        self._interval = interval
        self.durable = "within 100 ms" if interval else "yes"
        self.name = (
            f"quintet, {'remote write' if remote else 'line protocol'}{', synced each 100 ms' if interval else ''}"
        )

    @property
    def write_path(self) -> str:  # type: ignore[override]
        return "/api/v1/write" if self.remote else "/write"

    @property
    def write_headers(self) -> dict[str, str]:  # type: ignore[override]
        return _REMOTE if self.remote else {}

    @classmethod
    def missing(cls) -> str:
        return ""

    def environment(self) -> dict[str, str]:
        return {"PYTHONPATH": str(ROOT / "include")}

    def line(self) -> list[str]:
        serve = [sys.executable, "-m", "quintet.timeseries", "serve", "--data", str(self.folder / "data")]
        return [*serve, "--port", str(self.port), *(["--durability", "interval"] if self._interval else [])]

    def settle(self, client: Client) -> int:
        client.ask("POST", "/admin/flush")
        client.ask("POST", "/admin/compact")
        return _size(self.folder / "data" / "blocks")


class VictoriaMetrics(Server):
    """VictoriaMetrics, single node."""

    name = "victoria-metrics, line protocol"
    package = program = "victoria-metrics"
    settings = "answers before its data is on disk; query cache off, as for all"

    def line(self) -> list[str]:
        return [
            self.path(),
            f"-storageDataPath={self.folder / 'data'}",
            f"-httpListenAddr=127.0.0.1:{self.port}",
            "-retentionPeriod=100y",
            "-search.latencyOffset=0s",
            "-search.disableCache",
        ]

    def settle(self, client: Client) -> int:
        client.ask("GET", "/internal/force_flush")
        client.ask("GET", "/internal/force_merge")
        before, quiet = -1, 0
        for _ in range(_PATIENCE * 2):
            time.sleep(0.5)
            metrics = client.ask("GET", "/metrics").decode()
            active = sum(float(row.split()[1]) for row in metrics.splitlines() if row.startswith("vm_active_merges{"))
            size = _size(self.folder / "data" / "data", self.folder / "data" / "indexdb")
            quiet = quiet + 1 if size == before and not active else 0
            before = size
            if quiet == 6:
                break
        return before


class InfluxDB(Server):
    """InfluxDB 1."""

    name = "influxdb, line protocol"
    package, program = "influxdb", "influxd"
    durable = "yes"
    settings = "each request is on disk before it is answered; full compaction 10 s after the last write, not 4 h"
    ready_path = "/ping"
    write_path = "/write?db=bench"

    def environment(self) -> dict[str, str]:
        prefix, data = "INFLUXDB_", self.folder
        return {
            prefix + "REPORTING_DISABLED": "true",
            prefix + "META_DIR": str(data / "meta"),
            prefix + "DATA_DIR": str(data / "data"),
            prefix + "DATA_WAL_DIR": str(data / "wal"),
            prefix + "DATA_QUERY_LOG_ENABLED": "false",
            prefix + "DATA_CACHE_SNAPSHOT_WRITE_COLD_DURATION": "10s",
            prefix + "DATA_COMPACT_FULL_WRITE_COLD_DURATION": "10s",
            prefix + "HTTP_BIND_ADDRESS": f"127.0.0.1:{self.port}",
            prefix + "HTTP_LOG_ENABLED": "false",
            prefix + "BIND_ADDRESS": f"127.0.0.1:{_free_port()}",
            prefix + "MONITOR_STORE_ENABLED": "false",
        }

    def prepare(self) -> None:
        (self.folder / "empty.conf").write_text("")

    def line(self) -> list[str]:
        return [self.path(), "run", "-config", str(self.folder / "empty.conf")]

    def ready(self) -> None:
        Client(self.port).ask("POST", "/query?" + urlencode({"q": "CREATE DATABASE bench"}))

    def settle(self, client: Client) -> int:
        data = self.folder / "data"
        before, quiet = -1, 0
        for _ in range(_PATIENCE * 2):
            time.sleep(0.5)
            files = list(data.rglob("*.tsm*"))
            whole = len(files) == len({file.parent for file in files}) and not list(data.rglob("*.tmp"))
            size = _size(data)
            quiet = quiet + 1 if size == before and files and whole and not _logged(self.folder / "wal") else 0
            before = size
            if quiet == 6:
                break
        return before

    def ask(self, client: Client, question: Question) -> bytes:
        return client.ask("GET", "/query?" + urlencode({"db": "bench", "q": question.influxql, "epoch": "s"}))

    def number(self, answer: bytes) -> float:
        found: list[dict[str, Any]] = json.loads(answer)["results"][0]["series"]
        rows = [row for one in found for row in one["values"]]
        return float(rows[0][1]) if len(rows) == 1 else float(len(rows))


def _logged(wal: Path) -> bool:
    """Whether points are in the log alone."""
    return any(file.stat().st_size for file in wal.rglob("*.wal"))


class Prometheus(Server):
    """Prometheus that takes remote write and scrapes nothing."""

    name = "prometheus, remote write"
    package = program = "prometheus"
    settings = "answers before its log is synced; its bytes on disk are those of a snapshot with all blocks"
    ready_path = "/-/ready"
    write_path = "/api/v1/write"
    write_headers: ClassVar[dict[str, str]] = {
        "Content-Type": "application/x-protobuf",
        "Content-Encoding": "snappy",
        "X-Prometheus-Remote-Write-Version": "0.1.0",
    }
    remote = True

    def prepare(self) -> None:
        (self.folder / "prometheus.yml").write_text("global: {evaluation_interval: 1m}\n")

    def line(self) -> list[str]:
        return [
            self.path(),
            f"--config.file={self.folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={self.folder / 'data'}",
            "--storage.tsdb.retention.time=100y",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--web.enable-remote-write-receiver",
            "--web.enable-admin-api",
            "--log.level=error",
        ]

    def settle(self, client: Client) -> int:
        made = json.loads(client.ask("POST", "/api/v1/admin/tsdb/snapshot"))["data"]["name"]
        return _size(self.folder / "data" / "snapshots" / made)


_REMOTE = Prometheus.write_headers
