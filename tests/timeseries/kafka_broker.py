"""A Kafka broker of one node on free loopback ports: the fixture `broker`, one for all tests of a run.

QUINTET_KAFKA_SERVERS names a broker that runs already and lets everybody in; each test has topics of its own.
Otherwise the jars are those of an installed lab: QUINTET_KAFKA_JARS names their folder, else that of this machine's
lab is taken. Tests that want the broker are skipped, with the reason, where there are none or no Java.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from services import free_port

from quintet.settings import default_home
from quintet.timeseries.cluster.topics import Settings, Topics

__all__ = ["broker", "kafka_jars", "topics"]

#: Twenty-two characters, as Kafka wants them.
_CLUSTER = "cXVpbnRldC10ZXN0cy0wMQ"
_HEAP = ("-Xms96m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
_START_SECONDS = 120.0


def kafka_jars() -> Path | None:
    """Folder of Kafka's jars; None: there is none on this machine."""
    configured = os.environ.get("QUINTET_KAFKA_JARS")
    folder = Path(configured) if configured else default_home() / "programs" / "jars" / "kafka"
    return folder if any(folder.glob("kafka-server-[0-9]*.jar")) else None


@pytest.fixture
def topics() -> Topics:
    """Names that no other test uses."""
    return Topics(f"test-{uuid.uuid4().hex[:8]}")


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings of a client of a running broker."""
    if running := os.environ.get("QUINTET_KAFKA_SERVERS"):
        yield {"bootstrap.servers": running, "log_level": 0}
        return
    jars, java = kafka_jars(), shutil.which("java")
    if jars is None:
        pytest.skip("the jars of Kafka are not on this machine: install the lab or set QUINTET_KAFKA_JARS")
    if java is None:
        pytest.skip("Java is not on this machine")
    folder = tmp_path_factory.mktemp("kafka")
    port, controller = free_port(), free_port()
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
            settings: Settings = {"bootstrap.servers": f"127.0.0.1:{port}", "log_level": 0}
            _wait(settings, process, folder / "out")
            yield settings
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


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


def _wait(settings: Settings, process: subprocess.Popen[bytes], out: Path) -> None:
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end:
        assert process.poll() is None, f"Kafka has ended: {out.read_text(errors='replace')[-3000:]}"
        try:
            if AdminClient(dict(settings)).list_topics(timeout=2).brokers:
                return
        except KafkaException:
            time.sleep(0.2)
    raise AssertionError(f"Kafka does not answer after {_START_SECONDS:g} s")
