"""Alerts: one JSON line each in the lab's alert log, `<logs>/alerts.jsonl`.

The log is what everything else is fed from: a page lists it, a callback may pass an entry on to a webhook or a mailbox.
A line is written by one append, so that processes that write at once do not mix, and is on the disk when `write`
returns.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from quintet.settings import Lab

__all__ = ["FILE_NAME", "Alert", "alert_log", "write"]

FILE_NAME = "alerts.jsonl"


@dataclass(frozen=True, kw_only=True)
class Alert:
    """One alert: what happened (`title`), to what exactly (`detail`), what a person does now (`remedy`)."""

    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    severity: Literal["critical", "warning"]
    source: str
    project: str
    run_id: str
    title: str
    detail: str
    remedy: str
    dag_id: str | None = None

    def line(self) -> str:
        """JSON text without line ends; absent fields are left out."""
        given = {name: value for name, value in asdict(self).items() if value is not None}
        return json.dumps(given | {"at": self.at.isoformat()}, ensure_ascii=False)

    def text(self) -> str:
        """For people: a log, a mail."""
        return f"[{self.severity}] {self.project}: {self.title}\n{self.detail}\nWhat to do: {self.remedy}\n"


def alert_log(lab: Lab) -> Path:
    """Where the alerts of a lab are."""
    return lab.path("logs") / FILE_NAME


def write(lab: Lab, alert: Alert) -> None:
    """Append the alert to the log. Raises OSError when the log cannot be written."""
    path = alert_log(lab)
    path.parent.mkdir(parents=True, exist_ok=True)
    entry = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
    try:
        os.write(entry, f"{alert.line()}\n".encode())
        os.fsync(entry)
    finally:
        os.close(entry)
