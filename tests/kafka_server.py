"""A Kafka broker of one node on free loopback ports; the fixture `kafka_servers` is one for all tests of a run.

QUINTET_KAFKA_SERVERS names a broker that runs already and lets everybody in; each test has topics of its own.
Otherwise the jars are those of an installed lab: QUINTET_KAFKA_JARS names their folder, else that of this machine's
lab is taken. Tests that want the broker are skipped, with the reason, where there are none or no Java.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from quintet.settings import default_home

__all__ = ["jars_of", "kafka_server", "kafka_servers"]

#: Twenty-two characters, as Kafka wants them.
_CLUSTER = "cXVpbnRldC10ZXN0cy0wMQ"
_HEAP = ("-Xms96m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
_START_SECONDS = 120.0


def jars_of(name: str, pattern: str) -> Path:
    """Folder of a set of Java parts with a jar of this pattern; skips the test where there is none on this machine."""
    variable = f"QUINTET_{name.upper()}_JARS"
    configured = os.environ.get(variable)
    folder = Path(configured) if configured else default_home() / "programs" / "jars" / name
    if not any(folder.glob(pattern)):
        pytest.skip(f"the jars of {name} are not on this machine: install the lab or set {variable}")
    return folder


@pytest.fixture(scope="session")
def kafka_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a broker; it starts with the first test that wants it."""
    with kafka_server(tmp_path_factory.mktemp("kafka")) as found:
        yield found


@contextmanager
def kafka_server(folder: Path) -> Iterator[str]:
    """Address of a broker that runs until the block is left, its files below `folder`; skips where it cannot run."""
    if running := os.environ.get("QUINTET_KAFKA_SERVERS"):
        yield running
        return
    jars, java = jars_of("kafka", "kafka-server-[0-9]*.jar"), shutil.which("java")
    if java is None:
        pytest.skip("Java is not on this machine")
    port, controller = _free_ports()
    properties = folder / "server.properties"
    properties.write_text(_properties(folder / "log", port, controller))
    logging = folder / "log4j2.properties"
    logging.write_text(
        "appender.c.type=Console\nappender.c.name=c\nrootLogger.level=error\nrootLogger.appenderRef.c.ref=c\n"
    )
    line = [java, *_HEAP, "-cp", f"{jars}/*", f"-Dlog4j2.configurationFile={logging}"]
    formatting = ["kafka.tools.StorageTool", "format", "--standalone", "-t", _CLUSTER, "-c", str(properties)]
    done = subprocess.run([*line, *formatting], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    with (folder / "out").open("wb") as out:
        process = subprocess.Popen([*line, "kafka.Kafka", str(properties)], stdout=out, stderr=out)
        try:
            _wait(f"127.0.0.1:{port}", process, folder / "out")
            yield f"127.0.0.1:{port}"
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


def _properties(data: Path, port: int, controller: int) -> str:
    return "\n".join(
        [
            "process.roles=broker,controller",
            "node.id=1",
            f"listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}",
            f"advertised.listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}",
            "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "controller.listener.names=CONTROLLER",
            f"controller.quorum.bootstrap.servers=127.0.0.1:{controller}",
            f"log.dirs={data}",
            "auto.create.topics.enable=false",
            "offsets.topic.replication.factor=1",
            "offsets.topic.num.partitions=1",
            "transaction.state.log.replication.factor=1",
            "transaction.state.log.min.isr=1",
            "transaction.state.log.num.partitions=1",
            "share.coordinator.state.topic.replication.factor=1",
            "share.coordinator.state.topic.min.isr=1",
            "group.initial.rebalance.delay.ms=0",
            "",
        ]
    )


def _wait(servers: str, process: subprocess.Popen[bytes], out: Path) -> None:
    # Not at the top: other environments that ask for jars only have no client.
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end:
        assert process.poll() is None, f"Kafka has ended: {out.read_text(errors='replace')[-3000:]}"
        try:
            if AdminClient({"bootstrap.servers": servers, "log_level": 0}).list_topics(timeout=2).brokers:
                return
        except KafkaException:
            time.sleep(0.2)
    raise AssertionError(f"Kafka does not answer after {_START_SECONDS:g} s")
