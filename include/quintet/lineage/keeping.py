"""How long the collector keeps events: every run of every task tells some, and only the latest are looked at."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from quintet.lineage.store import Store
from quintet.settings import load_lab, read_lab

__all__ = ["KEEP_DAYS", "forget_events"]

#: Days that an event is kept.
KEEP_DAYS = 90


def forget_events(*, keep_days: int = KEEP_DAYS, lab_file: str | None = None) -> dict[str, Any]:
    """Remove older events; {"removed": events, "before": instant}. What flows where, and since when, stays known.

    Raises:
        ServiceDownError: PostgreSQL does not answer.
        LineageError: the collector has no tables.

    """
    lab = read_lab(Path(lab_file)) if lab_file else load_lab()
    before = datetime.now(UTC) - timedelta(days=keep_days)
    return {"removed": Store.of_lab(lab).forget(before), "before": before.isoformat(timespec="seconds")}
