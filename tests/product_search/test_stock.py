"""Which changes of stock count, and how they are put together for the index."""

from __future__ import annotations

from dataclasses import replace

import pytest

from quintet.ecommerce.definitions import CLOCK_AHEAD_MS, LATENESS_MS
from quintet.ecommerce.search.stock import StockChange, counts, updates

CHANGE = StockChange(0, 7, product=1, delta=-2, place=3, at_ms=1_000_000, arrived_ms=1_000_500)


@pytest.mark.parametrize(
    ("change", "does"),
    [
        (CHANGE, True),
        (replace(CHANGE, delta=0), False),
        (replace(CHANGE, arrived_ms=CHANGE.at_ms + LATENESS_MS), True),
        (replace(CHANGE, arrived_ms=CHANGE.at_ms + LATENESS_MS + 1), False),
        (replace(CHANGE, arrived_ms=CHANGE.at_ms - CLOCK_AHEAD_MS), True),
        (replace(CHANGE, arrived_ms=CHANGE.at_ms - CLOCK_AHEAD_MS - 1), False),
    ],
)
def test_a_change_counts_as_the_definitions_say(change: StockChange, does: bool) -> None:
    assert counts(change) is does


def test_changes_of_a_product_are_one_update_in_their_order() -> None:
    found = updates([CHANGE, replace(CHANGE, product=2), replace(CHANGE, offset=9, delta=5)])
    actions, scripts = found[::2], found[1::2]
    assert [action["update"]["_id"] for action in actions] == ["1", "2"]
    assert scripts[0]["script"]["params"]["changes"] == [[7, -2, 1_000_000], [9, 5, 1_000_000]]
