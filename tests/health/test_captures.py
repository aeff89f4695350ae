"""What `quintet doctor` says of the connectors that capture changes."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from labs import lab_below
from quintet.cdc.errors import CaptureError
from quintet.errors import ServiceDownError
from quintet.health.captures import ask_captures
from quintet.settings import Lab
from serving import JsonHandler, serving


class Connect(JsonHandler):
    """A worker's answers about its connectors."""

    states: dict[str, dict[str, Any]] = {}  # noqa: RUF012 - as the test says

    def do_GET(self) -> None:
        name = self.path.split("/")[2]
        known = name in self.states
        self.say(200 if known else 404, self.states.get(name, {"message": "no status"}))


def state(connector: str, task: str, trace: str = "") -> dict[str, Any]:
    return {"connector": {"state": connector}, "tasks": [{"state": task, "trace": trace}]}


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    monkeypatch.setattr(Connect, "states", {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), Connect)
    with serving(server):
        yield lab_below(tmp_path / "lab", more_doors={"connect": server.server_port})


def test_every_source_of_the_catalogue_is_asked_for(lab: Lab) -> None:
    Connect.states["lakehouse-shop"] = state("RUNNING", "RUNNING")
    assert ask_captures(lab, 5) == "lakehouse-shop RUNNING, ecommerce-products not deployed"


def test_one_that_has_failed_is_told_with_its_cause_and_its_own_command(lab: Lab) -> None:
    Connect.states["lakehouse-shop"] = state("RUNNING", "RUNNING")
    Connect.states["ecommerce-products"] = state(
        "RUNNING", "FAILED", "E: replication slot is gone\n\tat a.B.c(B.java:1)\n"
    )
    with pytest.raises(CaptureError, match=r"ecommerce-products has failed: .*slot is gone.*capture show ecommerce"):
        ask_captures(lab, 5)


def test_a_worker_that_is_silent_is_one_whose_log_is_read(tmp_path: Path) -> None:
    with pytest.raises(ServiceDownError) as told:
        ask_captures(lab_below(tmp_path / "lab", more_doors={"connect": 1}), 5)
    assert told.value.remedy == "Read: quintet logs connect"
