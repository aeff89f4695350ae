"""Fingerprints: equal for equal rows of any engine in any order, different for anything else."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from quintet.cdc.rowhash import fingerprint, text_of

ROWS = [(1, "a", Decimal("1.50"), None), (2, "b", Decimal("0.00"), True)]


def test_the_order_of_rows_does_not_matter_but_their_number_does() -> None:
    assert fingerprint(ROWS) == fingerprint(reversed(ROWS))
    assert fingerprint([*ROWS, ROWS[0]]) != fingerprint(ROWS)
    assert fingerprint([*ROWS, ROWS[0], ROWS[0]]) != fingerprint([*ROWS, ROWS[1], ROWS[1]])


@pytest.mark.parametrize(
    "other",
    [(1, "a", Decimal("1.5"), None), (1, "a", Decimal("1.50"), ""), (1, "a\x1f", Decimal("1.50"), None), ("a", 1)],
)
def test_any_other_value_makes_another(other: tuple[object, ...]) -> None:
    assert fingerprint([other]) != fingerprint([ROWS[0]])


def test_values_of_different_engines_are_written_alike() -> None:
    noon = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
    assert text_of(noon) == text_of(noon.astimezone(timezone(timedelta(hours=5)))) == "2026-01-02T12:00:00.000000+00:00"
    number = uuid.uuid4()
    assert text_of(number) == text_of(str(number))
    assert [text_of(value) for value in (True, False, None, date(2026, 1, 2), 1.5)] == [
        "t",
        "f",
        "\\N",
        "2026-01-02",
        "1.5",
    ]
