"""A worker of Kafka Connect on a free loopback port, with Debezium's connector and the converter to Avro.

QUINTET_CONNECT_PLUGINS names the folder of the plugins (`debezium`, `avro`), else that of this machine's lab is taken.
Tests that want the worker are skipped, with the reason, where there are none or no Java.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from free_ports import free_port
from kafka_server import jars_of
from quintet.cdc.connect import Connect
from quintet.errors import LabError
from quintet.settings import default_home

__all__ = ["ConnectServer"]

_START_SECONDS = 120.0
_HEAP = ("-Xms64m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


@dataclass
class ConnectServer:
    """One worker, its files below `folder`; it may read `secrets` for its connectors."""

    folder: Path
    kafka_servers: str
    secrets: Path
    port: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers; after an end, however it came, it goes on where it was."""
        plugins = Path(os.environ.get("QUINTET_CONNECT_PLUGINS", default_home() / "programs" / "connect"))
        jars, java = jars_of("kafka", "connect-runtime-*.jar"), shutil.which("java")
        if java is None or not all((plugins / name).is_dir() for name in ("debezium", "avro")):
            pytest.skip(
                "the plugins of Connect are not on this machine: install the lab or set QUINTET_CONNECT_PLUGINS"
            )
        worker, logging = self.folder / "worker.properties", self.folder / "log4j2.properties"
        worker.write_text(self._properties(plugins))
        logging.write_text(
            "appender.c.type=Console\nappender.c.name=c\nrootLogger.level=warn\nrootLogger.appenderRef.c.ref=c\n"
        )
        line = [java, *_HEAP, f"-Dlog4j2.configurationFile={logging}", "-cp", f"{jars}/*"]
        with (self.folder / "connect.out").open("ab") as out:
            self._process = subprocess.Popen(
                [*line, "org.apache.kafka.connect.cli.ConnectDistributed", str(worker)], stdout=out, stderr=out
            )
        self._wait()

    def kill(self) -> None:
        """End it at once, as kill -9 does."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """End it; nothing happens when it does not run."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()

    def said(self) -> str:
        """End of its log."""
        return (self.folder / "connect.out").read_text(errors="replace")[-4000:]

    def _wait(self) -> None:
        end = time.monotonic() + _START_SECONDS
        while True:
            assert self._process is not None
            assert self._process.poll() is None, f"Connect has ended: {self.said()}"
            try:
                Connect(f"http://127.0.0.1:{self.port}").names()
                return
            except LabError:
                assert time.monotonic() < end, f"Connect does not answer after {_START_SECONDS:g} s: {self.said()}"
                time.sleep(0.3)

    def _properties(self, plugins: Path) -> str:
        topics = {"config": 1, "offset": 1, "status": 1}
        return "\n".join(
            [
                f"bootstrap.servers={self.kafka_servers}",
                f"group.id=connect-{self.port}",
                f"listeners=http://127.0.0.1:{self.port}",
                "rest.advertised.host.name=127.0.0.1",
                f"plugin.path={plugins}",
                "plugin.discovery=hybrid_warn",
                "key.converter=org.apache.kafka.connect.json.JsonConverter",
                "value.converter=org.apache.kafka.connect.json.JsonConverter",
                "exactly.once.source.support=enabled",
                "scheduled.rebalance.max.delay.ms=0",
                *(f"{name}.storage.topic=connect-{self.port}-{name}" for name in topics),
                *(f"{name}.storage.replication.factor=1" for name in topics),
                "offset.storage.partitions=1",
                "status.storage.partitions=1",
                # A worker that was killed has left its group soon.
                "session.timeout.ms=6000",
                "heartbeat.interval.ms=1000",
                "config.providers=file",
                "config.providers.file.class=org.apache.kafka.common.config.provider.FileConfigProvider",
                f"config.providers.file.param.allowed.paths={self.secrets}",
                "",
            ]
        )
