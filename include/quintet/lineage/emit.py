"""Tell the collector what a job has done. A job never fails, and never waits long, for want of a collector.

What cannot be delivered is kept in the lab's folder `data/lineage` and delivered with the next event; the collector
knows an event that it has seen, so that nothing is told twice.
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from quintet.errors import QuintetError
from quintet.lineage.events import event_id, run_event
from quintet.lineage.model import Flow
from quintet.settings import Lab
from quintet.urldoor import JSON, ask

__all__ = ["ENDPOINT", "SECRET", "deliver", "tell", "waiting_folder"]

_LOG = logging.getLogger(__name__)
#: Where the collector listens, below the address of Airflow; the end of it is OpenLineage's own.
ENDPOINT = "/lineage/api/v1/lineage"
#: Secret that those who tell show.
SECRET = "lineage_writer"  # noqa: S105  # its name
#: Seconds for one delivery.
_PATIENCE = 5.0
#: Events of before that are delivered along with a new one.
_AT_ONCE = 200


def tell(lab: Lab, flows: Iterable[Flow], *, run: str | None = None) -> int:
    """Tell that a run has done this; number of events that were delivered now."""
    return deliver(lab, [run_event(flow, run=run) for flow in flows])


def deliver(lab: Lab, events: Sequence[Any]) -> int:
    """Deliver events and those that wait; what cannot be delivered waits. Number of events delivered.

    A lab without Airflow has no collector, and nobody who could ever ask: nothing is kept.
    """
    if "airflow" not in lab.endpoints:
        return 0
    kept = _waiting(lab)
    batch = [*(json.loads(file.read_text(encoding="utf-8")) for file in kept), *events]
    if not batch:
        return 0
    try:
        _post(lab, batch)
    except (OSError, ValueError, QuintetError) as error:
        _LOG.warning("lineage waits in %s: %s", waiting_folder(lab), error)
        _keep(lab, events)
        return 0
    for file in kept:
        file.unlink(missing_ok=True)
    return len(batch)


def waiting_folder(lab: Lab) -> Path:
    """Folder of the events that were not delivered yet."""
    return lab.path("data") / "lineage"


def _post(lab: Lab, events: Sequence[Any]) -> None:
    headers = {**JSON, "Authorization": f"Bearer {lab.secret(SECRET)}"}
    ask(lab.endpoint("airflow").url + ENDPOINT, method="POST", body=events, headers=headers, timeout=_PATIENCE)


def _waiting(lab: Lab) -> list[Path]:
    try:
        return sorted(waiting_folder(lab).glob("*.json"))[:_AT_ONCE]
    except OSError:
        return []


def _keep(lab: Lab, events: Sequence[Any]) -> None:
    folder = waiting_folder(lab)
    with contextlib.suppress(OSError):  # a full disk is told by others
        folder.mkdir(parents=True, exist_ok=True)
        for event in events:
            name = f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{event_id(event)[:16]}.json"
            part = folder / f"{name}.part"
            part.write_text(json.dumps(event), encoding="utf-8")
            part.replace(folder / name)
