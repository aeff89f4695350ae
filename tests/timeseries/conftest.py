"""What the tests of a cluster share: a client of the one broker of a run, and names of their own."""

from __future__ import annotations

import uuid

import pytest

from quintet.timeseries.cluster.topics import Settings, Topics


@pytest.fixture
def topics() -> Topics:
    """Names that no other test uses."""
    return Topics(f"test-{uuid.uuid4().hex[:8]}")


@pytest.fixture(scope="session")
def broker(kafka_servers: str) -> Settings:
    """Settings of a client of a running broker."""
    return {"bootstrap.servers": kafka_servers, "log_level": 0}
