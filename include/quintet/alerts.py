"""Alerts: one JSON line each in the lab's alert log, `<logs>/alerts.jsonl`, and passed on where the lab says.

The log is what everything else is fed from: pages list it, `quintet doctor` counts it. A line is written by one
append, so that processes that write at once do not mix, and is on the disk when `write` returns. After that the alert
goes to the webhook (JSON by POST) and the mailbox of the lab file's `options.alerts`, each tried once with a short
time limit: a receiver that is down costs a warning, never the alert.

An alert is open until its source does well again, in whichever DAG; `clear` notes that as one more line. A warning of
the very run that ends well stays open until the next one does.
"""

from __future__ import annotations

import json
import logging
import os
import smtplib
import urllib.request
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from quintet.settings import Lab

__all__ = ["FILE_NAME", "Alert", "Told", "alert_log", "clear", "read", "warn", "write"]

FILE_NAME = "alerts.jsonl"

#: Seconds for one delivery.
PATIENCE = 5.0
#: Bytes of the log's end that are read back.
WINDOW = 1 << 20

_log = logging.getLogger(__name__)


def _asking_dag() -> str | None:
    """The DAG whose task runs this program; Airflow hands its name down to the processes of a task."""
    return os.environ.get("AIRFLOW_CTX_DAG_ID")


@dataclass(frozen=True, kw_only=True)
class Alert:
    """One alert: what happened (`title`), to what exactly (`detail`), what a person does now (`remedy`).

    `source` is the part that speaks: the gate, a task's id, a deadline.
    """

    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    severity: Literal["critical", "warning"]
    source: str
    project: str
    run_id: str
    title: str
    detail: str
    remedy: str
    dag_id: str | None = field(default_factory=_asking_dag)
    url: str | None = None

    def as_json(self) -> dict[str, str]:
        """JSON object; absent fields are left out."""
        given = {name: value for name, value in asdict(self).items() if value is not None}
        return given | {"at": self.at.isoformat()}

    def line(self) -> str:
        """JSON text without line ends."""
        return json.dumps(self.as_json(), ensure_ascii=False)

    def text(self) -> str:
        """For people: a log, a mail."""
        link = f"{self.url}\n" if self.url else ""
        return (
            f"[{self.severity}] {self.project}: {self.title}\n{self.detail}\n"
            f"What to do: {self.remedy}\nRun {self.run_id}\n{link}"
        )


@dataclass(frozen=True)
class Told:
    """An alert of the log, and whether it is still open."""

    alert: Alert
    is_open: bool


def alert_log(lab: Lab) -> Path:
    """Where the alerts of a lab are."""
    return lab.path("logs") / FILE_NAME


def write(lab: Lab, alert: Alert) -> None:
    """Append the alert to the log and pass it on. Raises OSError when the log cannot be written."""
    _append(lab, alert.line())
    options = lab.options.get("alerts") or {}
    for name, deliver in _DELIVERIES.items():
        target = options.get(name)
        if not target:
            continue
        try:
            deliver(target, alert)
        except (OSError, ValueError, smtplib.SMTPException) as error:
            # A webhook's address may hold a token: only its host is named.
            _log.warning("The alert '%s' is in the log but could not be passed on by %s: %s", alert.title, name, error)


def warn(lab: Lab, *, source: str, project: str, run_id: str, title: str, detail: str, remedy: str) -> None:
    """Write a warning. Raises OSError as `write`."""
    write(
        lab,
        Alert(
            severity="warning",
            source=source,
            project=project,
            run_id=run_id,
            title=title,
            detail=detail,
            remedy=remedy,
        ),
    )


def clear(lab: Lab, *, project: str, sources: Collection[str], run_id: str) -> int:
    """Note that these sources of a project did well in a run; how many alerts that closed."""
    entry = {"project": project, "cleared": sorted(sources), "run_id": run_id}
    closed = [told.alert.source for told in read(lab) if told.is_open and _closes(entry, told.alert)]
    if closed:
        entry |= {"at": datetime.now(UTC).isoformat(), "cleared": sorted(set(closed))}
        _append(lab, json.dumps(entry, ensure_ascii=False))
    return len(closed)


def read(lab: Lab) -> list[Told]:
    """Recent alerts, oldest first: those of the log's last `WINDOW` bytes."""
    told: list[Told] = []
    for entry in _entries(alert_log(lab)):
        if "cleared" in entry:
            told = [Told(item.alert, is_open=item.is_open and not _closes(entry, item.alert)) for item in told]
        else:
            told.append(Told(_alert(entry), is_open=True))
    return told


def _closes(entry: Mapping[str, Any], alert: Alert) -> bool:
    is_meant = alert.project == entry["project"] and alert.source in entry["cleared"]
    return is_meant and (alert.severity == "critical" or alert.run_id != entry["run_id"])


def _append(lab: Lab, line: str) -> None:
    path = alert_log(lab)
    path.parent.mkdir(parents=True, exist_ok=True)
    entry = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
    try:
        os.write(entry, f"{line}\n".encode())
        os.fsync(entry)
    finally:
        os.close(entry)


def _entries(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - WINDOW))
            if size > WINDOW:
                file.readline()  # the rest of a line that began before
            lines = file.read().decode(errors="replace").splitlines()
    except FileNotFoundError:
        return
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            continue  # cut short by a full disk
        if isinstance(entry, dict):
            yield entry


def _alert(entry: Mapping[str, Any]) -> Alert:
    known = {item.name: str(entry.get(item.name, "")) for item in fields(Alert)}
    severity: Literal["critical", "warning"] = "warning" if known["severity"] == "warning" else "critical"
    return Alert(
        at=datetime.fromisoformat(known["at"]),
        severity=severity,
        source=known["source"],
        project=known["project"],
        run_id=known["run_id"],
        title=known["title"],
        detail=known["detail"],
        remedy=known["remedy"],
        dag_id=entry.get("dag_id"),
        url=entry.get("url"),
    )


def _post(address: str, alert: Alert) -> None:
    if urlsplit(address).scheme not in {"http", "https"}:
        raise ValueError("the webhook is no http address")
    body = json.dumps({"text": alert.text(), **alert.as_json()}, ensure_ascii=False).encode()
    request = urllib.request.Request(  # noqa: S310  # the scheme is checked above
        address, data=body, headers={"Content-Type": "application/json; charset=utf-8"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=PATIENCE):  # noqa: S310  # the scheme is checked above
        pass


def _mail(options: Mapping[str, Any], alert: Alert) -> None:
    """`options`: host, port (25), sender, to (a list, or one address)."""
    to = options.get("to") or []
    message = EmailMessage()
    message["Subject"] = f"[quintet] {alert.severity}: {alert.title}"[:200].replace("\n", " ")
    message["From"] = str(options.get("sender", "quintet@localhost"))
    message["To"] = ", ".join([to] if isinstance(to, str) else to)
    message.set_content(alert.text())
    with smtplib.SMTP(str(options["host"]), int(options.get("port", 25)), timeout=PATIENCE) as server:
        server.send_message(message)


_DELIVERIES: Mapping[str, Callable[[Any, Alert], None]] = {"webhook": _post, "mail": _mail}
