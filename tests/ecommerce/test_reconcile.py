"""Batch and speed layer are compared row by row; what differs is put right and compared again."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

pytest.importorskip("trino", reason="the streaming environment has it")

from quintet.ecommerce.batch.reconcile import differences, reconcile
from quintet.errors import LabError

UNTIL = datetime(2025, 1, 1, 12, tzinfo=UTC)
Rows = dict[Hashable, tuple[Any, ...]]


def minute(number: int) -> datetime:
    return UNTIL - timedelta(minutes=number)


class Table:
    """A table of the speed layer in memory; a stubborn one takes nothing."""

    def __init__(self, rows: Rows, *, is_stubborn: bool = False) -> None:
        self.rows, self.is_stubborn = dict(rows), is_stubborn
        self.written = 0

    def read(self, until: datetime) -> Rows:
        return {key: row for key, row in self.rows.items() if isinstance(key, datetime) and key < until}

    def put(self, rows: Mapping[Hashable, tuple[Any, ...]]) -> None:
        if not self.is_stubborn:
            self.rows.update(rows)
            self.written += len(rows)

    def drop(self, keys: Sequence[Hashable]) -> None:
        for key in keys:
            del self.rows[key]


BATCH: Rows = {minute(number): (number, number * 10) for number in range(1, 6)}


def test_equal_layers_differ_in_nothing_and_are_not_written() -> None:
    speed = Table(BATCH | {UNTIL: (7, 7)})
    found = reconcile("minutes", BATCH, speed, UNTIL)
    assert found.as_json() == {"compared": 5, "missing": 0, "extra": 0, "unequal": 0}
    assert speed.written == 0


def test_a_row_that_is_missing_too_much_or_other_is_put_right_and_what_is_not_settled_stays() -> None:
    speed = Table(BATCH | {UNTIL: (7, 7), minute(9): (1, 1), minute(2): (2, 21)})
    del speed.rows[minute(4)]
    found = reconcile("minutes", BATCH, speed, UNTIL)
    assert (found.missing, found.extra, found.unequal) == ((minute(4),), (minute(9),), (minute(2),))
    assert speed.rows == BATCH | {UNTIL: (7, 7)}
    assert speed.written == 2
    assert not reconcile("minutes", BATCH, speed, UNTIL).wrong


def test_a_table_that_still_differs_after_its_repair_is_an_error_that_names_rows() -> None:
    speed = Table({}, is_stubborn=True)
    with pytest.raises(LabError, match=r"5 minutes of the speed layer differ .* 2025-01-01 11:59"):
        reconcile("minutes", BATCH, speed, UNTIL)


def test_keys_of_several_columns_are_compared() -> None:
    found = differences({(1, "a"): (1,), (1, "b"): (2,)}, {(1, "a"): (1,), (2, "a"): (1,)})
    assert (found.missing, found.extra, found.unequal) == (((1, "b"),), ((2, "a"),), ())
