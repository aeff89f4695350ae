"""dbt on the deployed project of the lab under test."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from tests.lab.conftest import COMMAND_LIMIT, LabUnderTest

from quintet import dbt

__all__ = ["run_dbt"]


def run_dbt(lab: LabUnderTest, work: Path, *arguments: str) -> list[dict[str, Any]]:
    """Results of one dbt command on the deployed project, its artefacts below `work`; fails the test when it fails."""
    given = {**os.environ, **dbt.environment(lab.lab), "DBT_LOG_PATH": str(work)}
    given.pop("DBT_EXCLUDE_RESOURCE_TYPES")
    project = dbt.project(lab.lab)
    program = lab.lab.environment("dbt").program("dbt")
    done = subprocess.run(
        [program, *arguments, "--project-dir", project, "--profiles-dir", project, "--target-path", work],
        cwd=work,
        env=given,
        text=True,
        capture_output=True,
        timeout=COMMAND_LIMIT,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    name = "sources.json" if arguments[0] == "source" else "run_results.json"
    found: list[dict[str, Any]] = json.loads((work / name).read_text(encoding="utf-8"))["results"]
    return found
