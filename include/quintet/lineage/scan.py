"""Tell the collector what the code of this release will do: `python -m quintet.lineage.scan`.

dbt is compiled (that asks no server), Flink's statements and the declarations of the catalogue are read. Its last
line is `RESULT {"jobs", "told", "opaque"}`; `told` is 0 when the events wait because the collector does not answer.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from quintet import dbt
from quintet.call import tell
from quintet.errors import LabError
from quintet.lineage import declared, emit
from quintet.lineage.events import job_event
from quintet.lineage.model import Flow
from quintet.settings import Lab, load_lab

__all__ = ["compiled", "main", "scan"]

_PATIENCE = 300


def scan(lab: Lab) -> dict[str, Any]:
    """Tell the flows of the release."""
    # sqlglot is where dbt is; the rest of this package works without it.
    from quintet.lineage import dbtflow, flinkflow

    app = lab.path("app")
    with tempfile.TemporaryDirectory(prefix="dbt-lineage-", dir=lab.path("run")) as work:
        manifest = compiled(lab.environment("dbt").program("dbt"), dbt.project(lab), Path(work), dbt.environment(lab))
        found: list[Flow] = dbtflow.flows(manifest, dbtflow.lake_schemas(dbt.project(lab) / "models" / "marts"))
    found += flinkflow.flows(app / "flink_jobs")
    found += declared.captures()
    told = emit.deliver(lab, [job_event(flow) for flow in found])
    return {"jobs": len(found), "told": told, "opaque": {flow.job: flow.opaque for flow in found if flow.opaque}}


def compiled(program: Path, project: Path, work: Path, given: dict[str, str]) -> Path:
    """Compile a dbt project without asking its server; the manifest.

    Raises:
        LabError: dbt refuses the project.

    """
    command = [program, "compile", "--no-introspect", "--no-populate-cache", "--project-dir", project]
    command += ["--profiles-dir", project, "--target-path", work / "target", "--log-path", work / "logs"]
    done = subprocess.run(
        [str(word) for word in command],
        env={**os.environ, **given},
        cwd=work,
        text=True,
        capture_output=True,
        timeout=_PATIENCE,
        check=False,
    )
    if done.returncode:
        raise LabError(f"dbt compile failed with exit code {done.returncode}:\n{done.stdout[-3000:]}{done.stderr}")
    return work / "target" / "manifest.json"


def main() -> int:
    """Run the program; the exit code is the error's."""
    return tell(lambda: scan(load_lab()))


if __name__ == "__main__":
    sys.exit(main())
