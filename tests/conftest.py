"""What every suite shares. Being here, it puts `tests/` on the import path: `from paths import retail_days`."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from labs import lab_below
from quintet.settings import Lab

pytest_plugins = ["spark_session", "flink_lab", "kafka_server"]


def pytest_configure(config: pytest.Config) -> None:
    """Property tests try the same examples in every run; with QUINTET_EXPLORE=1 new ones, as hypothesis does.

    An interrupt that whoever started the tests ignores, as a shell does for what runs in the background, would be
    ignored by the programs under test, too.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if config.pluginmanager.hasplugin("hypothesispytest") and os.environ.get("QUINTET_EXPLORE") != "1":
        from hypothesis import settings  # here: not every environment has it

        settings.load_profile("ci")


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """A lab file with empty folders, and no service behind it (port 1 refuses)."""
    return lab_below(tmp_path / "lab", trino_port=1)
