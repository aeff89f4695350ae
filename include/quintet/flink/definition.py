"""The definition of a job: `flink_jobs/<slug>/<job>/job.yaml`, and the `*.sql` files beside it in order of names.

The version of a job is the hash of what it does: its statements without comments, parallelism, checkpoint interval and
options. Descriptions and thresholds of alerts are no part of it, so that a better word does not restart a job.

Numbers that a project states once for all its parts stand in its module `quintet.<slug>.definitions`, whose
`parameters` the SQL asks for as `{{ definitions.name }}`. They are put in here: another number is another version.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

from quintet.flink.errors import JobDefinitionError
from quintet.flink.sqltext import is_job, split
from quintet.flink.values import lab_values, render
from quintet.settings import Lab

__all__ = ["FOLDER", "JobDefinition", "Thresholds", "job_folders", "read_job", "read_jobs"]

#: Folder of the jobs, in the clone and in a release.
FOLDER = "flink_jobs"

_NEEDED = ("description", "owner", "sources", "sinks", "compatibility")
_FREE = ("parallelism", "checkpoint_interval_s", "start_within_s", "options", "alerts")
#: Options that the deployment sets itself: of a job that chose them, the ledger would tell something else.
_RESERVED = ("$internal.", "execution.state-recovery.", "execution.checkpointing.interval", "parallelism.default")
#: A number of the project in its SQL.
_DEFINITION = re.compile(r"\{\{\s*definitions\.(\w+)\s*\}\}")


@dataclass(frozen=True)
class Thresholds:
    """When a job that runs is not well; what is beyond one of them becomes an alert."""

    #: Records that wait in the topics.
    consumer_lag: int = 100_000
    #: Seconds since the last checkpoint that was completed.
    checkpoint_age_s: int = 180
    #: Checkpoints that failed since the last one that was completed.
    checkpoint_failures: int = 3
    #: Restarts between two looks; a TaskManager that is away for half a minute makes several.
    restarts: int = 10
    #: Share of the time that an operator waits for the next one, 0 to 1.
    back_pressure: float = 0.9


@dataclass(frozen=True)
class JobDefinition:
    """One job; `statements` are templates, so that no address of a lab is in them."""

    slug: str
    name: str
    description: str
    owner: str
    sources: tuple[str, ...]
    sinks: tuple[str, ...]
    compatibility: str
    statements: tuple[str, ...]
    parallelism: int = 1
    checkpoint_interval_s: int = 10
    #: Seconds from the submission to the first checkpoint, after which a start has failed.
    start_within_s: int = 300
    options: Mapping[str, str] = field(default_factory=dict)
    alerts: Thresholds = field(default_factory=Thresholds)

    @property
    def full_name(self) -> str:
        """Name everywhere: in Flink, in the ledger, in alerts."""
        return f"{self.slug}/{self.name}"

    @property
    def version(self) -> str:
        """Hash of what the job does, twelve hexadecimal digits."""
        content = [self.statements, self.parallelism, self.checkpoint_interval_s, dict(sorted(self.options.items()))]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:12]

    def rendered(self, lab: Lab) -> tuple[str, ...]:
        """Statements for one lab; the last one starts the job. Raises JobDefinitionError."""
        values = lab_values(lab, self.slug, self.name)
        return tuple(render(statement, values, where=f"job {self.full_name}") for statement in self.statements)

    def as_json(self) -> dict[str, Any]:
        """All of it, for the ledger."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> JobDefinition:
        """The definition that `as_json` gave, also of an older release: keys that are unknown are left out."""
        known = {item.name: content[item.name] for item in fields(cls) if item.name in content}
        for name in ("sources", "sinks", "statements"):
            known[name] = tuple(known[name])
        limits = {item.name for item in fields(Thresholds)}
        given = {name: value for name, value in known.pop("alerts", {}).items() if name in limits}
        return cls(**known, alerts=Thresholds(**given))


def job_folders(root: Path) -> list[Path]:
    """Folders of all jobs of a clone or a release."""
    return sorted(path.parent for path in (root / FOLDER).glob("*/*/job.yaml"))


def read_jobs(root: Path, slug: str) -> list[JobDefinition]:
    """Every job of one project. Raises JobDefinitionError."""
    return [read_job(folder) for folder in job_folders(root) if folder.parent.name == slug]


def read_job(folder: Path) -> JobDefinition:
    """Read and check one folder. Raises JobDefinitionError that names the file and what to write."""
    file = folder / "job.yaml"
    try:
        raw = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        known = ", ".join(sorted(path.parent.name for path in folder.parent.glob("*/job.yaml"))) or "none"
        raise JobDefinitionError(f"there is no job at {folder}", remedy=f"Jobs beside it: {known}") from error
    except (OSError, yaml.YAMLError) as error:
        raise JobDefinitionError(f"{file} cannot be read: {error}", remedy="Mend the file") from error
    given = _checked(file, raw)
    limits = given.pop("alerts", {})
    try:
        return JobDefinition(
            slug=folder.parent.name,
            name=folder.name,
            statements=_statements(folder),
            alerts=Thresholds(**limits),
            **given,
        )
    except TypeError as error:
        names = ", ".join(item.name for item in fields(Thresholds))
        raise JobDefinitionError(f"{file}: {error}", remedy=f"Thresholds below `alerts`: {names}") from error


def _checked(file: Path, raw: object) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise JobDefinitionError(f"{file} holds no names with values", remedy=f"Needed: name, {', '.join(_NEEDED)}")
    given = dict(raw)
    if given.pop("name", None) != file.parent.name:
        raise JobDefinitionError(f"{file}: name is not that of its folder", remedy=f"Write name: {file.parent.name}")
    missing = [name for name in _NEEDED if not given.get(name)]
    surplus = sorted(set(given) - {*_NEEDED, *_FREE})
    if missing or surplus:
        told = f"{file} lacks: {', '.join(missing) or 'nothing'}; unknown: {', '.join(surplus) or 'nothing'}"
        raise JobDefinitionError(told, remedy=f"Known: {', '.join((*_NEEDED, *_FREE))}")
    for name in ("parallelism", "checkpoint_interval_s", "start_within_s"):
        if name in given and (not isinstance(given[name], int) or given[name] < 1):
            raise JobDefinitionError(f"{file}: {name} is {given[name]!r}", remedy="Write a whole number from 1")
    options = {str(name): str(value) for name, value in (given.get("options") or {}).items()}
    taken = sorted(name for name in options if name.startswith(_RESERVED))
    if taken:
        raise JobDefinitionError(f"{file}: the deployment sets {', '.join(taken)} itself", remedy="Remove it")
    return {**given, "options": options, "sources": tuple(given["sources"]), "sinks": tuple(given["sinks"])}


def _statements(folder: Path) -> tuple[str, ...]:
    files = sorted(folder.glob("*.sql"))
    texts = {file: _with_definitions(file, folder.parent.name) for file in files}
    found = tuple(statement for file, text in texts.items() for statement in split(text, where=str(file)))
    jobs = [statement for statement in found if is_job(statement)]
    if len(jobs) != 1 or not is_job(found[-1]):
        raise JobDefinitionError(
            f"{folder}: {len(jobs)} statements start a job",
            remedy="Write one, at the end; join several in a statement set",
        )
    return found


def _with_definitions(file: Path, slug: str) -> str:
    known = _definitions(slug)

    def value(place: re.Match[str]) -> str:
        if place[1] not in known:
            raise JobDefinitionError(
                f"{file} asks for 'definitions.{place[1]}', which quintet.{slug}.definitions does not give",
                remedy=f"Known: {', '.join(sorted(known)) or 'none'}",
            )
        return known[place[1]]

    return _DEFINITION.sub(value, file.read_text(encoding="utf-8"))


def _definitions(slug: str) -> Mapping[str, str]:
    if find_spec(f"quintet.{slug}") is None or find_spec(f"quintet.{slug}.definitions") is None:
        return {}
    found: Mapping[str, str] = importlib.import_module(f"quintet.{slug}.definitions").parameters()
    return found
