"""One object store for all tests: each has a beginning of keys of its own."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from stores import Store, running_store

from quintet.objects import Bucket


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with running_store(tmp_path_factory.mktemp("objects")) as found:
        yield found


@pytest.fixture
def place() -> str:
    """Beginning of keys of the test's own, where the writer may write."""
    return f"gold_{uuid.uuid4().hex[:8]}/"


@pytest.fixture
def writer(store: Store) -> Bucket:
    return store.bucket("lake_writer")
