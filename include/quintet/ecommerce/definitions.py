"""What the words mean: session, late, abandoned, alert, trending, suspicious; stated once.

The generator's truth, the Flink SQL (through `parameters`) and the proof all take them from here. All times are ms
since the epoch, UTC, unless a name says otherwise.

| word | meaning |
|---|---|
| same event | equal in the fields of its `identity`; all but the first to arrive are duplicates |
| late | arrived more than `LATENESS_MS` after it happened; arrival is the time that its record in the topic carries |
| speed view, batch view | all distinct valid events that were not late; all distinct valid events |
| session | events of one user, each at most `SESSION_GAP_MS` behind the one before |
| abandoned | a session whose last cart addition is behind its last purchase, or that has no purchase at all |
| low stock | the stock of a product at the end of a minute is at or below its reorder point, and was above it before |
| trending | the `TRENDING_TOP` products of most points in a window; of equal ones those with the smaller number |
| suspicious | an order that one of the rules of `SUSPICIONS` names |

Lateness is a property of a record, not of a watermark: whoever reads the topic in whatever order comes to the same
result. A reader's watermark has to stay `LATENESS_MS` behind, so that it drops nothing that is not late.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from quintet.catalogue.ecommerce import EVENT_TOPICS

__all__ = [
    "BULK_PIECES",
    "BURST_ORDERS",
    "BURST_SPAN_MS",
    "CLOCK_AHEAD_MS",
    "DUPLICATES_WITHIN_MS",
    "IDENTITY",
    "INVALID",
    "KINDS",
    "LARGE_ORDER_CENTS",
    "LATENESS_MS",
    "MINUTE_MS",
    "POINTS",
    "SESSION_GAP_MS",
    "SUSPICIONS",
    "TRENDING_TOP",
    "TRENDING_WINDOW_MS",
    "USER_KINDS",
    "parameters",
    "product_of",
]

MINUTE_MS = 60_000
SESSION_GAP_MS = 30 * MINUTE_MS
LATENESS_MS = 2 * MINUTE_MS
#: A duplicate that is not late arrives no later than this behind its first; what de-duplicates may forget then.
DUPLICATES_WITHIN_MS = LATENESS_MS
#: How far a sender's clock may be ahead of the record's arrival; further ahead is invalid.
CLOCK_AHEAD_MS = MINUTE_MS
TRENDING_WINDOW_MS = 10 * MINUTE_MS
TRENDING_TOP = 10
#: Points that a product gets: for a view of its page, for a cart addition, for each piece of a purchase.
POINTS: Mapping[str, int] = {"page_view": 1, "add_to_cart": 3, "purchase": 10}
#: Suspicious: so many orders of a user within so long, the present one included.
BURST_ORDERS, BURST_SPAN_MS = 5, 10 * MINUTE_MS
LARGE_ORDER_CENTS = 500_000
BULK_PIECES = 20

#: Kind of event -> fields that make two records one and the same event.
IDENTITY: Mapping[str, tuple[str, ...]] = {kind: topic.identity for kind, topic in EVENT_TOPICS.items()}
KINDS = tuple(IDENTITY)
#: Kinds that a user causes; sessions are made of these.
USER_KINDS = ("page_view", "add_to_cart", "purchase", "search")

#: Kind -> name of a broken rule -> the same in SQL, over the fields of the topic. A record that breaks one decodes and
#: is refused. `clock_ahead` holds for every kind: it looks at `arrived_at`.
CLOCK_AHEAD = "clock_ahead"
INVALID: Mapping[str, Mapping[str, str]] = {
    "page_view": {"page_not_a_path": "page NOT LIKE '/%'"},
    "add_to_cart": {"quantity_not_positive": "quantity < 1"},
    "purchase": {"total_is_not_positive": "total_amount <= 0", "nothing_bought": "CARDINALITY(products) = 0"},
    "inventory_update": {"changes_nothing": "quantity_delta = 0"},
    "search": {"results_below_zero": "results_count < 0"},
}
#: Reasons for an order to be suspicious.
SUSPICIONS = ("order_burst", "large_order", "bulk_line")

#: A page of a product; columns hold numbers of 64 bits, at most so many digits.
_PRODUCT_PAGE = re.compile(r"/product/0*([0-9]{1,19})")
_NUMBERS_END = 2**63


def product_of(page: str) -> int | None:
    """Product whose page this is; None for another page, and for a number that no product can have."""
    found = _PRODUCT_PAGE.fullmatch(page)
    number = _NUMBERS_END if found is None else int(found[1])
    return number if number < _NUMBERS_END else None


def parameters() -> dict[str, str]:
    """The numbers as Flink SQL wants them, by name; whole minutes where a name ends in `_minutes`.

    Minutes, for Flink takes intervals of two digits only.
    """
    return {
        "session_gap_minutes": str(SESSION_GAP_MS // MINUTE_MS),
        "lateness_minutes": str(LATENESS_MS // MINUTE_MS),
        "duplicates_within_minutes": str(DUPLICATES_WITHIN_MS // MINUTE_MS),
        "clock_ahead_minutes": str(CLOCK_AHEAD_MS // MINUTE_MS),
        "trending_window_minutes": str(TRENDING_WINDOW_MS // MINUTE_MS),
        "trending_top": str(TRENDING_TOP),
        "burst_orders": str(BURST_ORDERS),
        "burst_span_minutes": str(BURST_SPAN_MS // MINUTE_MS),
        "large_order": f"{LARGE_ORDER_CENTS // 100}.{LARGE_ORDER_CENTS % 100:02d}",
        "bulk_pieces": str(BULK_PIECES),
        **{f"points_{kind}": str(points) for kind, points in POINTS.items()},
    }
