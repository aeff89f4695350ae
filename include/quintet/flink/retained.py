"""Checkpoints and savepoints on the lake's storage: what a job that is gone can be started from, and what may go.

A checkpoint is complete when its `_metadata` is there: Flink writes that file last. They are kept when a job is
cancelled, fails or is lost with its JobManager.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from urllib.parse import unquote, urlsplit

from quintet.errors import SettingsError
from quintet.settings import Lab

__all__ = ["checkpoints_folder", "forget", "latest_checkpoint", "savepoints_folder"]


def checkpoints_folder(lab: Lab) -> str:
    """Address below which each job has a folder of its id."""
    return _option(lab, "checkpoints")


def savepoints_folder(lab: Lab, job: str) -> str:
    """Address of a job's savepoints."""
    return f"{_option(lab, 'savepoints')}/{job}"


def latest_checkpoint(lab: Lab, job_id: str) -> str | None:
    """Address of the newest complete checkpoint of a job; None when there is none."""
    folder = _local(checkpoints_folder(lab)) / job_id
    complete = {int(path.parent.name.removeprefix("chk-")): path.parent for path in folder.glob("chk-*/_metadata")}
    return complete[max(complete)].as_uri() if complete else None


def forget(lab: Lab, job_id: str) -> bool:
    """Remove the checkpoints of a job that nobody will start from again; whether there were any."""
    folder = _local(checkpoints_folder(lab)) / job_id
    if not folder.is_dir():
        return False
    shutil.rmtree(folder)
    return True


def _option(lab: Lab, name: str) -> str:
    try:
        return str(lab.options["flink"][name]).rstrip("/")
    except KeyError:
        raise SettingsError(
            f"the file {lab.file} says not where Flink keeps its {name}",
            remedy="Install profile streaming: make install",
        ) from None


def _local(address: str) -> Path:
    parts = urlsplit(address)
    if parts.scheme != "file":
        raise SettingsError(
            f"checkpoints at {address} cannot be listed", remedy="Keep them on a file system of all nodes"
        )
    return Path(unquote(parts.path))
