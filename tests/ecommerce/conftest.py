"""A small input, and servers through which the shop's price list is captured; each made once for all tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from shop_capture import ShopCapture

    from quintet.ecommerce.truth import Truth


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Truth]:
    """Folder and truth of two days of a small shop: few products and users, so that everything happens."""
    from quintet.ecommerce.generator import Scale, generate  # here: not every environment has what it needs

    folder = tmp_path_factory.mktemp("shop") / "input"
    return folder, generate(folder, days=2, seed=11, scale=Scale(rate=0.3, products=2000, users=900))


@pytest.fixture(scope="session")
def shop_capture(tmp_path_factory: pytest.TempPathFactory, kafka_servers: str) -> Iterator[ShopCapture]:
    """A lab with PostgreSQL, Kafka, a registry and a worker of Kafka Connect."""
    from shop_capture import shop_capture

    with shop_capture(tmp_path_factory.mktemp("capture"), kafka_servers) as found:
        yield found
