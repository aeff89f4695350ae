"""Live figures and alerts for the operators' page, from the tables that the stream jobs keep in PostgreSQL."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import psycopg
from psycopg.rows import dict_row

from quintet.catalogue.ecommerce import KPI_COLUMNS
from quintet.errors import ServiceDownError

__all__ = ["SCHEMA", "Figures", "FiguresNow"]

#: Schema of the tables in the shop's database.
SCHEMA = "live_ecommerce"
#: Rows of each list; seconds for which an answer is good, and without asking after there was none.
_MINUTES, _ALERTS = 60, 20
_FRESH, _PAUSE = 1.0, 5.0
_ASKED: Mapping[str, str] = {
    "minutes": (
        f"select minute, {', '.join(column.name for column in KPI_COLUMNS)} from {SCHEMA}.minutes"
        f" order by minute desc limit {_MINUTES}"
    ),
    "shortages": (
        f"select product_id, minute, pieces, reorder_point from {SCHEMA}.shortages"
        f" order by minute desc, product_id limit {_ALERTS}"
    ),
    "suspicious_orders": (
        f"select order_id, reason, user_id, total_amount, ordered_at from {SCHEMA}.suspicious_orders"
        f" order by ordered_at desc, order_id, reason limit {_ALERTS}"
    ),
    "trending": (
        f"select product_id, points, window_begins_at from {SCHEMA}.trending"
        f" where window_begins_at = (select max(window_begins_at) from {SCHEMA}.trending) order by place"
    ),
}


@dataclass(frozen=True)
class FiguresNow:
    """Rows of each table, times as ISO 8601 with zone, amounts as numbers; `trouble` says why there are none."""

    rows: Mapping[str, list[dict[str, Any]]] = field(default_factory=lambda: {name: [] for name in _ASKED})
    trouble: str = ""


class Figures:
    """Figures as they are now, read at most once a second however many look; safe for many threads.

    Args:
        connect: a new connection to the shop's database; None: there is none.
        clock: seconds.

    """

    def __init__(
        self,
        connect: Callable[[], psycopg.Connection[Any]] | None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connect = connect
        self._clock = clock
        self._lock = threading.Lock()
        self._open: psycopg.Connection[Any] | None = None
        self._now, self._until = FiguresNow(trouble="no database of live figures is configured"), 0.0

    def read(self) -> FiguresNow:
        """The figures; trouble with the database is part of the answer."""
        if self._connect is None:
            return self._now
        with self._lock:
            if self._clock() >= self._until:
                self._now = self._ask(self._connect)
                self._until = self._clock() + (_PAUSE if self._now.trouble else _FRESH)
            return self._now

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            if self._open is not None:
                self._open.close()
                self._open = None

    def _ask(self, connect: Callable[[], psycopg.Connection[Any]]) -> FiguresNow:
        try:
            if self._open is None:
                self._open = connect()
            with self._open.transaction(), self._open.cursor(row_factory=dict_row) as cursor:
                found = {}
                for name, statement in _ASKED.items():
                    cursor.execute(statement)
                    found[name] = [{key: _plain(value) for key, value in row.items()} for row in cursor.fetchall()]
        except (psycopg.Error, ServiceDownError) as error:
            if self._open is not None:
                self._open.close()
                self._open = None
            return FiguresNow(trouble=str(error).strip().splitlines()[0])
        found["minutes"].reverse()
        return FiguresNow(found)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).isoformat()
    return float(value) if isinstance(value, Decimal) else value
