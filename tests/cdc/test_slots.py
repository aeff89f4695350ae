"""When a slot is a worry."""

from __future__ import annotations

import pytest

pytest.importorskip("psycopg", reason="the streaming environment has it")
from quintet.cdc.slots import Slot

GB = 1 << 30


@pytest.mark.parametrize(
    ("status", "held", "allowed", "worrying", "lost"),
    [
        ("reserved", 0, 2 * GB, False, False),
        ("reserved", GB + 1, 2 * GB, True, False),
        ("extended", GB, 4 * GB, False, False),
        ("reserved", 100 * GB, None, False, False),
        ("unreserved", 0, 2 * GB, True, False),
        ("lost", 0, 2 * GB, True, True),
    ],
)
def test_a_slot_worries_from_half_of_what_it_may_hold_on(
    status: str, held: int, allowed: int | None, worrying: bool, lost: bool
) -> None:
    slot = Slot("s", is_active=False, status=status, behind=held, held=held, allowed=allowed)
    assert (slot.is_worrying, slot.is_lost) == (worrying, lost)
