"""Records of a project's last run and last proof, below `<data>/runs/<slug>`; the Lab page shows them."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from quintet.settings import Lab

__all__ = ["hand_over", "read", "write"]


def write(lab: Lab, slug: str, name: str, content: Mapping[str, Any]) -> Path:
    """Write `<name>.json` with the time (`at`, UTC) whole or not at all, owned by the lab's user."""
    folder = lab.path("data") / "runs" / slug
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f".{name}.new"
    entry = {"at": datetime.now(UTC).isoformat(timespec="seconds"), **content}
    draft.write_text(json.dumps(entry, indent=1, default=str) + "\n", encoding="utf-8")
    hand_over(lab, folder)
    hand_over(lab, draft)
    return draft.replace(folder / f"{name}.json")


def read(lab: Lab, slug: str, name: str) -> dict[str, Any] | None:
    """Read a record; None when there is none."""
    try:
        text = (lab.path("data") / "runs" / slug / f"{name}.json").read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    found: dict[str, Any] = json.loads(text)
    return found


def hand_over(lab: Lab, path: Path) -> None:
    """Give a path, and what is below it, to the lab's user; only root can and needs to."""
    if os.geteuid() != 0:
        return
    for entry in [path, *path.rglob("*")] if path.is_dir() else [path]:
        shutil.chown(entry, lab.user, lab.user)
