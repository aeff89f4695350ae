"""Per test a lab of the broker of the run, with a registry that knows nothing yet."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from labs import lab_below
from quintet.settings import Lab
from registry_server import Answers
from serving import serving


@pytest.fixture(scope="session")
def servers(kafka_servers: str) -> str:
    return kafka_servers


@pytest.fixture
def kafka_lab(tmp_path: Path, servers: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    monkeypatch.setattr(Answers, "schemas", [])
    monkeypatch.setattr(Answers, "rules", {})
    monkeypatch.setattr(Answers, "is_well", True)
    kafka = {"security_protocol": "PLAINTEXT", "mechanism": "PLAIN", "user": "quintet", "admin": "quintet"}
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    with serving(server):
        doors = {"kafka": int(servers.rpartition(":")[2]), "registry": server.server_port}
        secrets = {"kafka_quintet": "none"}
        found = lab_below(tmp_path / "lab", more_doors=doors, options={"kafka": kafka}, secrets=secrets)
        monkeypatch.setenv("QUINTET_LAB", str(found.file))
        yield found
