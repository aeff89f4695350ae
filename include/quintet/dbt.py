"""How programs of the lab call dbt: project, profile, environment; age of its sources, and its documentation."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from quintet import alerts
from quintet.alerts import Alert
from quintet.errors import LabError
from quintet.settings import Lab, lab_of

__all__ = [
    "PROFILE",
    "TARGET",
    "check_freshness",
    "docs_folder",
    "environment",
    "manifest",
    "project",
    "publish_docs",
    "tell_lineage",
]

PROFILE = "quintet"
TARGET = "lab"

#: Seconds for one call of dbt.
_PATIENCE = 300
#: What dbt says of a source that is older than its freshness allows.
_STALE = ("warn", "error")


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
        # A model whose tests are tried again is tested alone. Those over several models run where all others were built
        # before it; left out, one that had failed would be forgotten and its model pass.
        "DBT_INDIRECT_SELECTION": "buildable",
        # Their input is made up: only another release changes what they find. The suite of the lab runs them.
        "DBT_EXCLUDE_RESOURCE_TYPES": "unit_test",
    }


def check_freshness(*, project: str, run_id: str, told_by: str, lab_file: str | None = None) -> dict[str, Any]:
    """Ask how long ago silver of a project was loaded; what is older than declared is told as a warning.

    `told_by` is the source of the alerts: the task that asks, so that its next good run clears them.

    Returns {"sources": [{"source", "status", "loaded_at", "age_hours"}], "stale": [names]}.

    Raises:
        LabError: dbt could not ask. That a source is old is no error: what it holds is no less true.

    """
    lab = lab_of(lab_file)
    with tempfile.TemporaryDirectory(prefix="dbt-freshness-", dir=lab.path("run")) as work:
        _dbt(lab, Path(work), "source", "freshness", "--select", f"source:silver_{project}")
        found = json.loads((Path(work) / "sources.json").read_text(encoding="utf-8"))["results"]
    sources = [_age(result) for result in found]
    stale = [source for source in sources if source["status"] in _STALE]
    for source in stale:
        alerts.write(lab, _warning(source, project=project, run_id=run_id, told_by=told_by))
    return {"sources": sources, "stale": [source["source"] for source in stale]}


def publish_docs(*, project: str, lab_file: str | None = None) -> dict[str, Any]:
    """Generate the documentation as one page, put it in place of the last, tell what `project` has built.

    Returns:
        {"page", "bytes"}.

    Raises:
        LabError: dbt could not generate it.

    """
    lab = lab_of(lab_file)
    folder = docs_folder(lab)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="dbt-docs-", dir=lab.path("run")) as work:
        _dbt(lab, Path(work), "docs", "generate", "--static")
        page = folder / "index.html"
        part = folder / "index.html.part"
        part.write_bytes((Path(work) / "static_index.html").read_bytes())
        part.replace(page)
        tell_lineage(lab, Path(work) / "manifest.json", project)
    return {"page": str(page), "bytes": page.stat().st_size}


def tell_lineage(lab: Lab, manifest: Path, slug: str) -> int:
    """Tell the collector what the models of a project were made of, as a compiled manifest has it; number of models.

    The manifest holds every project of the platform: a table of another one was not written by this run.
    """
    from quintet.lineage import dbtflow, emit  # the parser of SQL is not in every environment that asks for `project`

    flows = dbtflow.flows(manifest, dbtflow.lake_schemas(project(lab) / "models" / "marts"), slug)
    emit.tell(lab, flows)
    return len(flows)


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


def _age(result: Mapping[str, Any]) -> dict[str, Any]:
    """One result of `dbt source freshness`; a source that was never loaded has no time."""
    loaded_at = datetime.fromisoformat(result["max_loaded_at"])
    is_known = loaded_at.year > 1
    return {
        "source": ".".join(result["unique_id"].split(".")[-2:]),
        "status": result["status"],
        "loaded_at": loaded_at.isoformat(timespec="seconds") if is_known else None,
        "age_hours": round(result["max_loaded_at_time_ago_in_s"] / 3600, 1) if is_known else None,
    }


def _warning(source: Mapping[str, Any], *, project: str, run_id: str, told_by: str) -> Alert:
    name, loaded_at = source["source"], source["loaded_at"]
    told = f"last loaded at {loaded_at}, {source['age_hours']} hours ago" if loaded_at else "never loaded"
    return Alert(
        severity="warning",
        source=told_by,
        project=project,
        run_id=run_id,
        title=f"source {name} is stale",
        detail=f"{name} was {told}; gold is built from it as it is",
        remedy=f"Do files still arrive? quintet run {project} --input DIR lands new ones",
    )


def _tail(text: str, lines: int = 30) -> str:
    return "\n".join(text.splitlines()[-lines:])
