"""Five containers, stood up by `make lab`'s own steps and stopped at the end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.compose.nodes import ROOT, Nodes, kept, run

#: Seconds for image and containers.
UP_LIMIT = 1200


@pytest.fixture(scope="session")
def nodes() -> Iterator[Nodes]:
    up = run([ROOT / "scripts" / "lab", "up"], UP_LIMIT)
    assert up.returncode == 0, up.stdout[-4000:]
    lab = Nodes()
    try:
        lab.play()
        yield lab
    finally:
        if not kept():
            run([ROOT / "scripts" / "lab", "stop"], UP_LIMIT)
