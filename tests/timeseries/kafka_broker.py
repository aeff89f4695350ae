"""A Kafka broker for the tests of a cluster: the fixture `broker`, one for all tests of a run (see `kafka_server`)."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from kafka_server import kafka_server
from quintet.timeseries.cluster.topics import Settings, Topics

__all__ = ["broker", "topics"]


@pytest.fixture
def topics() -> Topics:
    """Names that no other test uses."""
    return Topics(f"test-{uuid.uuid4().hex[:8]}")


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings of a client of a running broker."""
    with kafka_server(tmp_path_factory.mktemp("kafka")) as servers:
        yield {"bootstrap.servers": servers, "log_level": 0}
