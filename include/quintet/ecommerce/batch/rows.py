"""An event as a row of the event log."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

__all__ = ["Row", "as_row"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

#: A row of the log but for the number of its landing.
Row = tuple[str, str, int, int, int, int, int]


def as_row(
    kind: str, fields: Mapping[str, Any], *, arrived_ms: int, schema_id: int, partition: int, offset: int
) -> Row:
    """Row of the log for an event; times in microseconds since the epoch, decimals as texts with their digits."""
    happened = fields["timestamp"]
    text = json.dumps(dict(fields), default=_plain, ensure_ascii=False, separators=(",", ":"))
    return kind, text, (happened - _EPOCH) // _MICROSECOND, arrived_ms * 1000, schema_id, partition, offset


def _plain(value: Any) -> str:
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"an event holds no {type(value).__name__}")
