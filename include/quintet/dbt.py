"""How programs of the lab call dbt: its project, profile and environment, and the publishing of its documentation."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from quintet.errors import LabError
from quintet.settings import Lab, load_lab, read_lab

__all__ = ["PROFILE", "TARGET", "docs_folder", "environment", "manifest", "project", "publish_docs"]

PROFILE = "quintet"
TARGET = "lab"

#: Seconds for the generation of the documentation.
_PATIENCE = 300


def project(lab: Lab) -> Path:
    """Folder of the dbt project that is deployed."""
    return lab.path("app") / "dbt"


def manifest(lab: Lab) -> Path:
    """The manifest that the deployment made of it."""
    return project(lab) / "target" / "manifest.json"


def docs_folder(lab: Lab) -> Path:
    """Where the documentation is published."""
    return lab.path("docs") / "dbt"


def environment(lab: Lab) -> dict[str, str]:
    """Variables that the profile reads, and that keep dbt from calling home."""
    door = lab.endpoint("trino")
    return {
        "QUINTET_TRINO_HOST": door.host,
        "QUINTET_TRINO_PORT": str(door.port),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        # Models are built one by one: a test over several of them would see the others as they were before.
        "DBT_INDIRECT_SELECTION": "cautious",
    }


def publish_docs(*, lab_file: str | None = None) -> dict[str, Any]:
    """Generate the documentation as one page and put it in place of the last; {"page", "bytes"}.

    Raises:
        LabError: dbt could not generate it.

    """
    lab = read_lab(Path(lab_file)) if lab_file else load_lab()
    folder = docs_folder(lab)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="dbt-docs-", dir=lab.path("run")) as work:
        _dbt(lab, Path(work), "docs", "generate", "--static")
        page = folder / "index.html"
        part = folder / "index.html.part"
        part.write_bytes((Path(work) / "static_index.html").read_bytes())
        part.replace(page)
    return {"page": str(page), "bytes": page.stat().st_size}


def _dbt(lab: Lab, work: Path, *arguments: str) -> None:
    """Run dbt with its artefacts below `work`: the deployed code is never written to."""
    command: list[str | Path] = [
        lab.environment("dbt").program("dbt"),
        *arguments,
        "--project-dir",
        project(lab),
        "--profiles-dir",
        project(lab),
        "--target",
        TARGET,
        "--target-path",
        work,
    ]
    given: Mapping[str, str] = {**os.environ, **environment(lab), "DBT_LOG_PATH": str(work)}
    done = subprocess.run(command, env=given, cwd=work, text=True, capture_output=True, timeout=_PATIENCE, check=False)
    if done.returncode:
        raise LabError(
            f"dbt {' '.join(arguments)} failed with exit code {done.returncode}:\n{_tail(done.stdout)}{done.stderr}",
            remedy="Does Trino answer? quintet doctor",
        )


def _tail(text: str, lines: int = 30) -> str:
    return "\n".join(text.splitlines()[-lines:])
