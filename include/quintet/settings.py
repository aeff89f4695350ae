"""The lab file: where everything of one lab is, read once and frozen.

`lab.yaml` (endpoints, paths, environments, services) and `secrets.yaml` (mode 0600, flat name: value) are written by
the Ansible role `lab`; no program takes a host, port or path from anywhere else. The file is looked for in
`QUINTET_LAB`, else `<home>/config/lab.yaml` with `<home>` from `QUINTET_HOME`, else `/srv/quintet` for root and
`~/.local/share/quintet` for everybody else.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import yaml

from quintet.errors import LabError, SettingsError

__all__ = [
    "Endpoint",
    "Environment",
    "Lab",
    "Node",
    "Service",
    "default_home",
    "lab_of",
    "lab_path",
    "load_lab",
    "read_lab",
]

T = TypeVar("T")

#: Version of the lab file's form; the role `lab` writes the same number.
FORMAT = 1


@dataclass(frozen=True)
class Endpoint:
    """Where a service listens: `name` is the catalogue's name of the door, for example `trino` or `airflow`."""

    name: str
    host: str
    port: int
    scheme: str = "http"

    @property
    def url(self) -> str:
        """URL without a trailing slash."""
        return f"{self.scheme}://{self.host}:{self.port}"


@dataclass(frozen=True)
class Environment:
    """One isolated Python environment of the lab."""

    name: str
    prefix: Path

    @property
    def python(self) -> Path:
        """Interpreter of the environment."""
        return self.prefix / "bin" / "python"

    def program(self, name: str) -> Path:
        """Path of a console script of the environment."""
        return self.prefix / "bin" / name


@dataclass(frozen=True)
class Service:
    """One long-running program; `order` is its place in the start order, `memory_mb` its declared ceiling."""

    name: str
    order: int
    memory_mb: int
    log: Path
    endpoint: str | None = None
    health: str | None = None  # path for http doors; None: the port alone is asked
    profile: str = "core"


@dataclass(frozen=True)
class Node:
    """One machine of the lab, and the names of the services that it is to run."""

    name: str
    address: str
    services: tuple[str, ...]


@dataclass(frozen=True)
class Lab:
    """One lab; `paths` has home, app, data, lake, config, logs, run, envs, backups, cache, input, docs."""

    file: Path
    name: str
    profiles: tuple[str, ...]
    user: str
    service_manager: str
    paths: Mapping[str, Path]
    endpoints: Mapping[str, Endpoint]
    environments: Mapping[str, Environment]
    services: tuple[Service, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    #: Name of this machine, and all machines by name.
    node: str = ""
    nodes: Mapping[str, Node] = field(default_factory=dict)

    def path(self, name: str) -> Path:
        """Folder by name. Raises SettingsError for a name the lab file lacks."""
        return _entry(self.paths, name, "path", self.file)

    def endpoint(self, name: str) -> Endpoint:
        """Endpoint by name. Raises SettingsError for a name the lab file lacks."""
        return _entry(self.endpoints, name, "endpoint", self.file)

    def environment(self, name: str) -> Environment:
        """Environment by name. Raises SettingsError for a name the lab file lacks."""
        return _entry(self.environments, name, "environment", self.file)

    def where(self, service: str) -> tuple[Node, ...]:
        """Nodes that are to run a service. Raises SettingsError for a lab file that names no nodes."""
        if not self.nodes:
            raise SettingsError(f"the lab file {self.file} names no nodes", remedy="Run: make install")
        return tuple(node for node in self.nodes.values() if service in node.services)

    def require(self, what: str, *profiles: str) -> None:
        """Refuse what wants profiles that are not installed. Raises LabError with the command that installs them."""
        missing = [name for name in profiles if name not in self.profiles]
        if missing:
            raise LabError(
                f"{what} needs the profiles {', '.join(missing)}",
                remedy=f"Run: make install PROFILES={','.join((*self.profiles, *missing))}",
            )

    def secret(self, name: str) -> str:
        """Secret by name, read at call time and never kept, so that no `repr` or dump can show it."""
        path = self.file.with_name("secrets.yaml")
        try:
            found = yaml.safe_load(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise SettingsError(
                f"the secrets file {path} cannot be read ({error.strerror})",
                remedy=f"Run as the lab's user ({self.user}) or as root",
            ) from error
        return str(_entry(found, name, "secret", path))


def _entry(table: Mapping[str, T], name: str, kind: str, file: Path) -> T:
    try:
        return table[name]
    except KeyError:
        known = ", ".join(sorted(table)) or "none"
        raise SettingsError(
            f"the file {file} names no {kind} '{name}' (it has: {known})",
            remedy="Install the profile that brings it: make install PROFILES=…",
        ) from None


def default_home() -> Path:
    """Home of the lab on this machine when nothing is configured."""
    configured = os.environ.get("QUINTET_HOME")
    if configured:
        return Path(configured)
    return Path("/srv/quintet") if os.geteuid() == 0 else Path.home() / ".local" / "share" / "quintet"


def lab_path() -> Path:
    """Where the lab file is expected."""
    configured = os.environ.get("QUINTET_LAB")
    return Path(configured) if configured else default_home() / "config" / "lab.yaml"


def read_lab(path: Path) -> Lab:
    """Read and check one lab file. Raises SettingsError with the remedy."""
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SettingsError(f"no lab file at {path}", remedy="Install the lab first: make install") from error
    except (OSError, yaml.YAMLError) as error:
        raise SettingsError(f"the lab file {path} cannot be read: {error}", remedy="Run: make install") from error
    if not isinstance(raw, dict) or raw.get("format") != FORMAT:
        raise SettingsError(f"the lab file {path} is not of form {FORMAT}", remedy="Run: make install")
    try:
        return _from_raw(path, raw)
    except (KeyError, TypeError, ValueError) as error:
        raise SettingsError(f"the lab file {path} is damaged near {error}", remedy="Run: make install") from error


def _from_raw(path: Path, raw: Mapping[str, Any]) -> Lab:
    return Lab(
        file=path,
        name=raw["name"],
        profiles=tuple(raw["profiles"]),
        user=raw["user"],
        service_manager=raw["service_manager"],
        paths={name: Path(value) for name, value in raw["paths"].items()},
        endpoints={name: Endpoint(name=name, **value) for name, value in raw["endpoints"].items()},
        environments={name: Environment(name=name, prefix=Path(value)) for name, value in raw["environments"].items()},
        services=tuple(
            sorted(
                (Service(**{**value, "log": Path(value["log"])}) for value in raw["services"]),
                key=lambda service: (service.order, service.name),
            )
        ),
        options=raw.get("options", {}),
        node=raw.get("node", ""),
        nodes={
            name: Node(name=name, address=value["address"], services=tuple(value["services"]))
            for name, value in raw.get("nodes", {}).items()
        },
    )


def load_lab() -> Lab:
    """The lab of this process, read again when its file was written anew: servers outlive an added profile."""
    path = lab_path()
    try:
        found = path.stat()
    except OSError:
        return read_lab(path)  # it says what is wrong
    return _read_once(path, found.st_ino, found.st_mtime_ns)


@lru_cache(maxsize=1)
def _read_once(path: Path, _number: int, _written: int) -> Lab:
    return read_lab(path)


def lab_of(file: str | Path | None) -> Lab:
    """The lab of a lab file; the lab of this process when none is named."""
    return read_lab(Path(file)) if file else load_lab()
