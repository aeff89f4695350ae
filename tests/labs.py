"""Builder of a lab file below a folder: enough of a lab for programs that need no running service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from quintet.settings import Lab, read_lab

FOLDERS = ("data", "lake", "input", "docs", "logs", "run", "config", "envs", "programs", "backups", "cache", "app")


def lab_below(
    home: Path,
    *,
    jars: Path | None = None,
    trino_port: int = 18080,
    airflow_port: int | None = None,
    more_doors: Mapping[str, int] | None = None,
    options: Mapping[str, Any] | None = None,
    services: Sequence[Mapping[str, Any]] = (),
    secrets: Mapping[str, str] | None = None,
    user: str = "quintet",
    nodes: Mapping[str, Mapping[str, Any]] | None = None,
) -> Lab:
    """Write `<home>/config/lab.yaml` and read it back; the lake is `<home>/data/lake`.

    `services` are as in the lab file, without their log; secrets are written beside it, closed to others. `more_doors`
    are ports of further endpoints by name, `options` further options, `nodes` as in the lab file, this one first.
    """
    paths = {name: home / name for name in FOLDERS}
    paths |= {"home": home, "lake": home / "data" / "lake", "input": home / "data" / "input"}
    for folder in paths.values():
        folder.mkdir(parents=True, exist_ok=True)
    doors = {"trino": trino_port} | ({} if airflow_port is None else {"airflow": airflow_port})
    doors |= more_doors or {}
    content = {
        "format": 1,
        "name": "test",
        "profiles": ["core", "lakehouse"],
        "user": user,
        "service_manager": "supervisor",
        "paths": {name: str(folder) for name, folder in paths.items()},
        "endpoints": {name: {"host": "127.0.0.1", "port": port, "scheme": "http"} for name, port in doors.items()},
        "environments": {"spark": str(home / "envs" / "spark")},
        "services": [{**entry, "log": str(home / "logs" / f"{entry['name']}.log")} for entry in services],
        "options": {
            "spark": {
                "master": "local[2]",
                "driver_memory": "1500m",
                "shuffle_partitions": 4,
                "jars": str(jars or home / "programs" / "jars" / "spark"),
            },
            **(options or {}),
        },
    }
    if nodes:
        content |= {"node": next(iter(nodes)), "nodes": {name: dict(node) for name, node in nodes.items()}}
    file = paths["config"] / "lab.yaml"
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    if secrets is not None:
        file.with_name("secrets.yaml").write_text(yaml.safe_dump(dict(secrets)), encoding="utf-8")
        file.with_name("secrets.yaml").chmod(0o600)
    return read_lab(file)
