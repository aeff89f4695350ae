"""Builder of a lab file below a folder: enough of a lab for programs that need no running service."""

from __future__ import annotations

from pathlib import Path

import yaml

from quintet.settings import Lab, read_lab

FOLDERS = ("data", "lake", "input", "docs", "logs", "run", "config", "envs", "programs", "backups", "cache", "app")


def lab_below(home: Path, *, jars: Path | None = None, trino_port: int = 18080) -> Lab:
    """Write `<home>/config/lab.yaml` and read it back; the lake is `<home>/data/lake`."""
    paths = {name: home / name for name in FOLDERS}
    paths |= {"home": home, "lake": home / "data" / "lake", "input": home / "data" / "input"}
    for folder in paths.values():
        folder.mkdir(parents=True, exist_ok=True)
    content = {
        "format": 1,
        "name": "test",
        "profiles": ["core", "lakehouse"],
        "user": "quintet",
        "service_manager": "supervisor",
        "paths": {name: str(folder) for name, folder in paths.items()},
        "endpoints": {"trino": {"host": "127.0.0.1", "port": trino_port, "scheme": "http"}},
        "environments": {"spark": str(home / "envs" / "spark")},
        "services": [],
        "options": {
            "spark": {
                "master": "local[2]",
                "driver_memory": "1500m",
                "shuffle_partitions": 4,
                "jars": str(jars or home / "programs" / "jars" / "spark"),
            }
        },
    }
    file = paths["config"] / "lab.yaml"
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    return read_lab(file)
