"""Programs of the lab, started in their environment as the lab's user."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from typing import Any

from quintet.call import RESULT
from quintet.errors import LabError
from quintet.settings import Lab

__all__ = ["run_command", "run_module"]


def run_module(lab: Lab, environment: str, module: str, *arguments: str) -> Any:
    """Run `python -m module` of an environment and return what its last line `RESULT {json}` holds.

    Raises:
        LabError: it ended with an error; the message is the end of what it wrote.

    """
    return run_command(lab, [str(lab.environment(environment).python), "-m", module, *arguments])


def run_command(lab: Lab, command: Sequence[str]) -> Any:
    """Run a program as the lab's user; returns and raises as `run_module`."""
    program = command[2] if command[1] == "-m" else command[0]
    if os.geteuid() == 0 and lab.user != "root":
        identity = ["--reuid", lab.user, "--regid", lab.user, "--init-groups", "--"]
        command = ["setpriv", *identity, *command]
    home = str(lab.path("home"))
    variables = {**os.environ, "QUINTET_LAB": str(lab.file), "HOME": home}
    try:
        done = subprocess.run(command, cwd=home, env=variables, capture_output=True, text=True, check=False)
    except OSError as error:
        raise LabError(f"{program} cannot be started ({error.strerror})", remedy="Run: make install") from error
    if done.returncode != 0:
        raise LabError(f"{program} failed: {(done.stderr or done.stdout).strip()[-1500:]}")
    lines = [line for line in done.stdout.splitlines() if line.startswith(RESULT)]
    return json.loads(lines[-1].removeprefix(RESULT)) if lines else None
