"""The command in a process of its own, as a person calls it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from paths import ROOT


def environment(home: Path) -> dict[str, str]:
    """Variables that lead the command to the lab below `home`, or to none."""
    given = {name: value for name, value in os.environ.items() if name not in {"QUINTET_LAB", "COLUMNS"}}
    return {**given, "QUINTET_HOME": str(home), "PYTHONPATH": str(ROOT / "include")}


def line(*arguments: str) -> list[str]:
    """The command's line for this interpreter."""
    return [sys.executable, "-m", "quintet.cli.main", *arguments]


def quintet(*arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    """Run the command to its end; a traceback is never a message for a person."""
    done = subprocess.run(
        line(*arguments), env=environment(home), capture_output=True, text=True, check=False, timeout=60
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done
