"""A player of roles for each test, with the lab's home at `tmp_path / "home"`."""

from __future__ import annotations

from pathlib import Path

import pytest

from plays import Play, player


@pytest.fixture
def play(tmp_path: Path) -> Play:
    return player(tmp_path / "play", tmp_path / "home")
