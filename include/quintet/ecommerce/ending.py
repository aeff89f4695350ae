"""What ends an input: when, and with which fields; the same for who sends it and who counts it."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

from quintet.ecommerce.definitions import LATENESS_MS, MINUTE_MS, SESSION_GAP_MS, TRENDING_WINDOW_MS
from quintet.ecommerce.tables import ARRIVED, event_schema

__all__ = ["SESSION", "closes_at", "fields"]

#: Session that these records name.
SESSION = "closing"


def closes_at(last_ms: int) -> int:
    """When everything is over that began up to a moment, ms since the epoch."""
    return last_ms + max(SESSION_GAP_MS, TRENDING_WINDOW_MS) + LATENESS_MS + MINUTE_MS


def fields(kind: str, at_ms: int) -> dict[str, Any]:
    """Fields of the record of a kind: it happened when it arrives, and breaks every other rule of its kind."""
    row = {field.name: _nothing(field, at_ms) for field in event_schema(kind) if field.name != ARRIVED}
    return row | ({"results_count": -1} if kind == "search" else {})


def _nothing(field: pa.Field, at_ms: int) -> Any:
    if field.nullable:
        return None
    if pa.types.is_timestamp(field.type):
        return datetime.fromtimestamp(at_ms / 1000, UTC)
    if pa.types.is_string(field.type):
        return SESSION
    if pa.types.is_list(field.type):
        return []
    return Decimal("0.00") if pa.types.is_decimal(field.type) else 0
