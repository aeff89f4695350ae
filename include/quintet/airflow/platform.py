"""Tasks that look after the lab itself: the backup of PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow.sdk import TaskGroup, TriggerRule

from quintet.airflow.operators import CallOperator
from quintet.catalogue.platform import OWNER, SLUG

__all__ = ["OWNER", "SLUG", "back_up"]


def back_up() -> TaskGroup:
    """Take a backup, read all of the repository, restore to a moment and compare, rotate, copy."""
    with TaskGroup("backup", tooltip="Backup with a restore drill") as group:
        take = _call("take", "back_up", {})
        check = _call("check", "check", {})
        drill = _call("drill", "drill", {})
        rotate = _call("rotate", "rotate", {}, trigger_rule=TriggerRule.ALL_SUCCESS)
        upload = _call("upload", "upload", {}, skip_unless="copied")
        # Order that must not change: an old backup goes when the new one was restored, and from the copy after that.
        take >> check >> drill >> rotate >> upload
    return group


def _call(task_id: str, function: str, arguments: Mapping[str, Any], **kwargs: Any) -> CallOperator:
    return CallOperator(
        task_id=task_id,
        function=f"quintet.backups.tasks:{function}",
        arguments=dict(arguments),
        # Of the profile core, which every lab has: the programs are PostgreSQL's own.
        environment="airflow",
        **kwargs,
    )
