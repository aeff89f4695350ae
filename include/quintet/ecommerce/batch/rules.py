"""The rules that a record must keep to count, and how many of a day's may break one before nothing is published."""

from __future__ import annotations

from quintet.ecommerce.definitions import CLOCK_AHEAD, CLOCK_AHEAD_MS, INVALID, USER_KINDS
from quintet.quality.model import Severity, Suite
from quintet.quality.rows import Conditional

__all__ = ["FEW", "MAX_SHARE", "ORDERS_TWICE", "SUITE"]

#: Records of a kind that arrived on a day are poison when more of them break a rule: a sender's slip breaks a few in a
#: thousand, a release that went wrong every fourth.
MAX_SHARE = 0.05
#: Fewer than these are no sign of anything, whatever their share.
FEW = 20
#: Critical: two purchases of one number at different times are no repetition; one of them would be lost.
ORDERS_TWICE = "order_number_twice"

_WHY = {
    "page_not_a_path": "A view of no page of the shop is none",
    "quantity_not_positive": "Nothing was put into the cart",
    "total_is_not_positive": "Revenue cannot come from an order that costs nothing",
    "nothing_bought": "An order without lines has no revenue by product",
    "changes_nothing": "The stock does not change",
    "results_below_zero": "No answer has fewer than no products",
}


def _users() -> str:
    return ", ".join(f"'{kind}'" for kind in USER_KINDS)


SUITE = Suite(
    name="event_log",
    rows=(
        *(
            Conditional(name=name, when=f"kind = '{kind}'", then=f"NOT ({broken})", why=_WHY[name])
            for kind, rules in INVALID.items()
            for name, broken in rules.items()
        ),
        Conditional(
            name=CLOCK_AHEAD,
            when="true",
            then=f"unix_millis(happened_at) - unix_millis(arrived_at) <= {CLOCK_AHEAD_MS}",
            why="It would be counted on a day that is not over, or not begun",
        ),
        Conditional(
            name="user_missing",
            when=f"kind IN ({_users()})",
            then="user_id IS NOT NULL",
            why="The record's fields cannot be read, or it is nobody's",
            severity=Severity.ERROR,
            waivable=False,
        ),
    ),
)
