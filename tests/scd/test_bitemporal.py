"""History in two times: every question of any pair of instants is answered as the change log itself would."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("pyspark", reason="the spark environment has it")
from quintet.errors import QuintetError
from quintet.scd import as_of_both, history_in_two_times

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

START = datetime(2026, 1, 1, tzinfo=UTC)
Change = tuple[int, int, int, int, str | None]  # who, valid day, known day, place in the log, town; None: deleted


def day(number: int) -> datetime:
    return START + timedelta(days=number)


def history(spark: SparkSession, changes: list[Change]) -> DataFrame:
    rows = [(who, day(valid), day(known), place, town, town is None) for who, valid, known, place, town in changes]
    log = spark.createDataFrame(rows, "who int, valid timestamp, known timestamp, place int, town string, gone boolean")
    return history_in_two_times(
        log, key="who", valid_at="valid", known_at="known", sequence="place", attributes=("town",), deleted="gone"
    )


def told(changes: list[Change], who: int, valid: int, known: int) -> str | None:
    """The answer by the definition: the last word on the newest valid time up to the instant."""
    state: dict[int, str | None] = {}
    for entity, at, since, _, town in sorted(changes, key=lambda change: change[3]):
        if entity == who and since <= known:
            state[at] = town
    at = max((begin for begin in state if begin <= valid), default=None)
    return None if at is None else state[at]


def test_any_question_of_two_times_is_answered_as_by_the_change_log(spark: SparkSession) -> None:
    random = Random(11)  # noqa: S311  # the same changes each time
    changes: list[Change] = []
    for who in range(12):
        known = 0
        for place in range(random.randrange(1, 9)):
            known += random.randrange(0, 3)
            town = None if random.random() < 0.15 else random.choice("ABC")
            changes.append((who, random.randrange(0, 8), known, who * 100 + place, town))
    rows = history(spark, changes).collect()
    for who in range(12):
        for valid in range(-1, 10):
            for known in range(-1, 20):
                found = [
                    row
                    for row in rows
                    if row["who"] == who
                    and row["valid_from"].replace(tzinfo=UTC) <= day(valid)
                    and (row["valid_to"] is None or day(valid) < row["valid_to"].replace(tzinfo=UTC))
                    and row["known_from"].replace(tzinfo=UTC) <= day(known)
                    and (row["known_to"] is None or day(known) < row["known_to"].replace(tzinfo=UTC))
                ]
                assert len(found) <= 1, (who, valid, known)
                state = found[0]["town"] if found and not found[0]["is_deleted"] else None
                assert state == told(changes, who, valid, known), (who, valid, known)


def test_a_late_change_moves_only_what_is_known_from_then_on(spark: SparkSession) -> None:
    found = history(spark, [(1, 0, 0, 1, "Leeds"), (1, 10, 10, 2, "York"), (1, 5, 20, 3, "Hull")])
    asked = {
        (valid, known): [row["town"] for row in as_of_both(found, valid=day(valid), known=day(known)).collect()]
        for valid, known in ((7, 15), (7, 20), (3, 20), (12, 20), (7, 0))
    }
    assert asked == {(7, 15): ["Leeds"], (7, 20): ["Hull"], (3, 20): ["Leeds"], (12, 20): ["York"], (7, 0): ["Leeds"]}


def test_what_is_told_again_adds_nothing(spark: SparkSession) -> None:
    once = history(spark, [(1, 0, 0, 1, "Leeds"), (1, 10, 10, 2, "York")])
    again = history(
        spark, [(1, 0, 0, 1, "Leeds"), (1, 10, 10, 2, "York"), (1, 10, 30, 3, "York"), (1, 0, 30, 4, "Leeds")]
    )
    assert sorted(map(tuple, again.collect()), key=str) == sorted(map(tuple, once.collect()), key=str)


def test_an_instant_without_zone_is_refused(spark: SparkSession) -> None:
    with pytest.raises(QuintetError, match="has no time zone"):
        as_of_both(history(spark, [(1, 0, 0, 1, "Leeds")]), valid=datetime(2026, 1, 1), known=START)
