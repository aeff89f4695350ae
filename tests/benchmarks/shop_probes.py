"""Probes: events by which a benchmark sees when an event is in the figures, whatever else is counted.

A probe is a whole event of its own user. Its two times, when it happened and when it arrived, are the same and lie days
back, in a minute that no other event has: a row of the figures is its own. It is not late, for lateness is what lies
between the two, and takes the way of all others through the stream. What waits for the time to pass, as sessions and
trends do, does not count it: that time is long past.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

from quintet.catalogue.ecommerce import EVENT_TOPICS
from quintet.ecommerce.definitions import MINUTE_MS, USER_KINDS
from quintet.ecommerce.ending import fields
from quintet.ecommerce.tables import ARRIVED, event_schema
from quintet.streams.batchproducer import Form, Row

__all__ = ["FIGURES", "FIRST_USER", "PROBE_MS", "kind_of", "minute_of", "minutes", "probes", "since_of"]

#: Milliseconds between two probes.
PROBE_MS = 200
#: Numbers that no event of the shop has.
FIRST_USER, FIRST_ORDER = 10**12, 3 * 10**9
#: What makes a record whole that else would break its rule.
_WHOLE: dict[str, dict[str, Any]] = {
    "page_view": {"page": "/"},
    "add_to_cart": {"quantity": 1},
    "purchase": {
        "products": [{"product_id": 0, "quantity": 1, "unit_price": Decimal("1.00")}],
        "total_amount": Decimal("1.00"),
    },
    "search": {"query": "probe", "results_count": 1, "search_type": "full_text"},
}
#: Columns of the figures that count them, in the order of `USER_KINDS`.
FIGURES = ("page_views", "cart_additions", "orders", "searches")
_HOUR_MS = 60 * MINUTE_MS
_DAY_MS = 24 * _HOUR_MS


def probes(forms: Mapping[str, Form], start_ms: int, count: int) -> list[Row]:
    """Records of the probes in the order in which they are sent; the kinds that minutes count take turns."""
    found: dict[int, Row] = {}
    for kind in USER_KINDS:
        numbers = [number for number in range(count) if kind_of(number) == kind]
        schema = event_schema(kind)
        schema = schema.remove(schema.get_field_index(ARRIVED))
        times = [_address(start_ms, count, number) for number in numbers]
        events = [_probe(kind, number, at_ms) for number, at_ms in zip(numbers, times, strict=True)]
        moments = pa.array(times, pa.int64()).cast(pa.timestamp("ms"))
        rows = forms[EVENT_TOPICS[kind].name].rows(pa.Table.from_pylist(events, schema=schema), moments)
        found |= dict(zip(numbers, rows, strict=True))
    return [found[number] for number in range(count)]


def minutes(start_ms: int, count: int) -> Iterator[tuple[Any, ...]]:
    """Rows of the figures that they must be, each of one event of one user: minute, `FIGURES`, active users."""
    for number in range(count):
        place = USER_KINDS.index(kind_of(number))
        yield (
            minute_of(start_ms, count, number),
            *(int(place == other) for other in range(len(FIGURES))),
            1,
        )


def kind_of(number: int) -> str:
    """Kind of a probe: those that minutes count take turns."""
    return USER_KINDS[number % len(USER_KINDS)]


def minute_of(start_ms: int, count: int, number: int) -> datetime:
    """Minute of one of so many probes of a load."""
    return _moment(_address(start_ms, count, number))


def since_of(start_ms: int) -> datetime:
    """Times before it are of probes, those from it on of the load."""
    return _moment(_since_ms(start_ms))


def _probe(kind: str, number: int, at_ms: int) -> dict[str, Any]:
    event = {**fields(kind, at_ms), **_WHOLE[kind], "user_id": FIRST_USER + number}
    return event | ({"order_id": FIRST_ORDER + number} if kind == "purchase" else {})


def _address(start_ms: int, count: int, number: int) -> int:
    """Time that a probe carries: the begin of a minute, in hours that no event of the load is in."""
    hours = -(-count * MINUTE_MS // _HOUR_MS)
    return _since_ms(start_ms) - hours * _HOUR_MS + number * MINUTE_MS


def _since_ms(start_ms: int) -> int:
    return (start_ms - _DAY_MS) // _HOUR_MS * _HOUR_MS


def _moment(ms: int) -> datetime:
    """As columns of PostgreSQL hold it: UTC without saying so."""
    return datetime.fromtimestamp(ms / 1000, UTC).replace(tzinfo=None)
