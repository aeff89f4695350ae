"""What the care tasks call: retention, compaction, tiers, backup with a restore drill. The service does the work.

Arguments and results are plain JSON values, so that a task may run these functions in another interpreter.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from quintet.errors import LabError, VerifyError
from quintet.settings import Lab, load_lab, read_lab
from quintet.timeseries.labclient import LabClient

__all__ = ["back_up", "backups", "compact", "drill", "move_tiers", "prune", "retain"]

#: Snapshots that are tried while somebody writes, before the backup goes without a comparison with the live store.
ATTEMPTS = 3
#: Backups that are kept.
KEPT = 7
_SIZES = ("points_blocks", "blocks", "bytes_blocks", "tombstones")


def retain(days: float | str | None = None, *, lab_file: str | None = None) -> dict[str, Any]:
    """Take points that are older than the store's retention, or than `days`, out of sight."""
    with _admin(lab_file) as client:
        return client.admin("retain", **({"days": str(days)} if days not in (None, "", "None") else {}))


def compact(*, lab_file: str | None = None) -> dict[str, Any]:
    """Bring rollups up to date, merge blocks, take deleted points off the disk; figures before and after."""
    with _admin(lab_file) as client:
        rolled = client.admin("roll_up")
        before = client.admin("stats")
        report = client.admin("compact")
        after = client.admin("stats")
    return {**report, "rolled_up": rolled["windows"], **{name: [before[name], after[name]] for name in _SIZES}}


def move_tiers(*, lab_file: str | None = None) -> dict[str, Any]:
    """Move old blocks to the folder for them."""
    with _admin(lab_file) as client:
        return client.admin("tiers")


def back_up(name: str, *, lab_file: str | None = None) -> dict[str, Any]:
    """Copy the store as it is now to the backups; every block is read and checked on the way.

    Returns {"name", "path", "bytes", "fingerprint"}; the fingerprint is that of the live store when nobody wrote
    between it and the snapshot, else None. A backup of that name is made anew.

    Raises:
        LabError: the snapshot cannot be made, or is damaged.

    """
    # The engine's code reads the copy; it is installed in the engine's environment only.
    from quintet.timeseries.store import Store

    lab = _lab(lab_file)
    name = _plain(name)
    target = _folder(lab) / name
    with LabClient(lab, "admin") as client:
        live = None
        for _ in range(ATTEMPTS):
            client.admin("drop_snapshot", name=name)
            made = client.admin("snapshot", name=name)
            found = client.admin("fingerprint")
            if found.pop("appended") == made["appended_before"]:
                live = found
                break
        try:
            shutil.rmtree(target, ignore_errors=True)
            Store.restore(Path(made["path"]), target)
        finally:
            client.admin("drop_snapshot", name=name)
    size = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    return {"name": name, "path": str(target), "bytes": size, "fingerprint": live}


def drill(backup: dict[str, Any], *, lab_file: str | None = None) -> dict[str, Any]:
    """Restore a backup into a scratch folder and compare counts and hash with what the live store had.

    Raises:
        VerifyError: they differ.
        LabError: the backup is damaged.

    """
    from quintet.timeseries.fingerprint import fingerprint
    from quintet.timeseries.model import Options
    from quintet.timeseries.store import Store

    lab = _lab(lab_file)
    scratch = lab.path("run") / f"drill-{backup['name']}"
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        Store.restore(Path(backup["path"]), scratch)
        with Store.open(scratch, Options(background=False)) as store:
            restored = vars(fingerprint(store))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    wanted = backup["fingerprint"]
    if wanted is not None and restored != wanted:
        raise VerifyError(
            f"the restored backup {backup['name']} holds {_told(restored)}, the store held {_told(wanted)}",
            remedy="Keep both, and compare them metric by metric before you trust either",
        )
    return {**restored, "compared": wanted is not None}


def prune(keep: int = KEPT, *, lab_file: str | None = None) -> dict[str, Any]:
    """Remove the oldest backups beyond `keep`."""
    found = backups(_lab(lab_file))
    old = found[:-keep] if keep else found
    for path in old:
        shutil.rmtree(path)
    return {"kept": [path.name for path in found[len(old) :]], "removed": [path.name for path in old]}


def backups(lab: Lab) -> list[Path]:
    """Backups that are whole, oldest first."""
    folder = _folder(lab)
    found = [path for path in folder.iterdir() if path.is_dir() and not path.name.endswith(".partial")]
    return sorted(found, key=lambda path: (path.stat().st_mtime, path.name))


def _folder(lab: Lab) -> Path:
    folder = lab.path("backups") / "timeseries"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _plain(name: str) -> str:
    plain = "".join(letter if letter.isalnum() or letter in "-." else "_" for letter in name).strip("_.-")
    if not plain:
        raise LabError(f"the backup's name {name!r} is none", remedy="Use letters and digits")
    return plain[-90:].lstrip("_.-")


def _told(found: dict[str, Any]) -> str:
    return f"{found['points']} points of {found['series']} series, hash {found['sha256'][:12]}"


def _admin(lab_file: str | None) -> LabClient:
    return LabClient(_lab(lab_file), "admin")


def _lab(lab_file: str | None) -> Lab:
    return read_lab(Path(lab_file)) if lab_file else load_lab()
