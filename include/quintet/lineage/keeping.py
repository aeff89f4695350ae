"""How long the collector keeps events: every run of every task tells some, and only the latest are looked at."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from quintet.lineage.store import Store
from quintet.settings import lab_of

__all__ = ["KEEP_DAYS", "forget_events"]

#: Days that an event is kept.
KEEP_DAYS = 90


def forget_events(*, keep_days: int = KEEP_DAYS, lab_file: str | None = None) -> dict[str, Any]:
    """Remove older events; {"removed": events, "before": instant}. What flows where, and since when, stays known.

    Raises:
        ServiceDownError: PostgreSQL does not answer.
        LineageError: the collector has no tables.

    """
    lab = lab_of(lab_file)
    before = datetime.now(UTC) - timedelta(days=keep_days)
    return {"removed": Store.of_lab(lab).forget(before), "before": before.isoformat(timespec="seconds")}
