"""The lab of these tests has a cluster and a ledger."""

from __future__ import annotations

import pytest

from flink_definitions import make_definition
from quintet.flink.definition import JobDefinition
from quintet.settings import Lab


@pytest.fixture
def lab(streaming_lab: Lab) -> Lab:
    return streaming_lab


@pytest.fixture
def definition(request: pytest.FixtureRequest) -> JobDefinition:
    """A job of its own for every test: the ledger is one for all of them."""
    return make_definition(request.node.name.split("[")[0][-60:])


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cluster of these tests is quick: nobody waits a second between two looks at it."""
    for module in ("deploy", "gateway"):
        monkeypatch.setattr(f"quintet.flink.{module}.PAUSE", 0.02)
