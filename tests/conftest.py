"""What every suite shares. Being here, it puts `tests/` on the import path: `from paths import retail_days`."""

from __future__ import annotations

from pathlib import Path

import pytest

from labs import lab_below
from quintet.settings import Lab

pytest_plugins = ["spark_session"]


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """A lab file with empty folders, and no service behind it (port 1 refuses)."""
    return lab_below(tmp_path / "lab", trino_port=1)
