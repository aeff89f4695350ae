"""Versions from a change log: each rule on a few rows, then any log against a plain reading of the rules."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

pytest.importorskip("pyspark", reason="the spark environment has it")
import itertools

from quintet.scd import Attributes, history

START = datetime(2020, 1, 1)
SCHEMA = "who string, mail string, town string, class string, gone boolean, at timestamp_ntz, seq int"
ATTRIBUTES = Attributes(type1=("mail",), type2=("town", "class"), type3={"previous_class": "class"})


@dataclass(frozen=True)
class Change:
    who: str = "a"
    mail: str | None = "m"
    town: str | None = "Leeds"
    kind: str | None = "x"
    gone: bool = False
    day: int = 0
    seq: int = 0


def log(spark: SparkSession, changes: list[Change]) -> DataFrame:
    rows = [(c.who, c.mail, c.town, c.kind, c.gone, START + timedelta(days=c.day), c.seq) for c in changes]
    return spark.createDataFrame(rows, SCHEMA)


def versions(spark: SparkSession, changes: list[Change]) -> list[dict[str, Any]]:
    found = history(
        log(spark, changes),
        key="who",
        effective_at="at",
        sequence=("seq",),
        attributes=ATTRIBUTES,
        deleted="gone",
        surrogate="sk",
    )
    rows = [row.asDict() for row in found.collect()]
    return sorted(rows, key=lambda row: (row["who"], row["valid_from"]))


def day(number: int) -> datetime:
    return START + timedelta(days=number)


def test_a_single_change_is_one_open_version_with_a_key_of_entity_and_time(spark: SparkSession) -> None:
    assert versions(spark, [Change()]) == [
        {
            "sk": hashlib.sha256(b"a|2020-01-01 00:00:00").hexdigest(),
            "who": "a",
            "mail": "m",
            "town": "Leeds",
            "class": "x",
            "previous_class": None,
            "valid_from": day(0),
            "valid_to": None,
            "is_current": True,
            "is_deleted": False,
        }
    ]


def test_type_2_starts_a_version_and_type_1_is_overwritten_in_all(spark: SparkSession) -> None:
    found = versions(spark, [Change(), Change(day=1, town="York"), Change(day=2, town="York", mail="n")])
    assert [(row["town"], row["mail"], row["valid_from"], row["valid_to"]) for row in found] == [
        ("Leeds", "n", day(0), day(1)),
        ("York", "n", day(1), None),
    ]


def test_type_3_holds_the_value_before_the_latest_change_in_all_versions(spark: SparkSession) -> None:
    found = versions(spark, [Change(kind="x"), Change(day=1, kind="y"), Change(day=2, kind="z"), Change("b")])
    assert [row["previous_class"] for row in found] == ["y", "y", "y", None]


def test_a_late_change_takes_its_place_in_time(spark: SparkSession) -> None:
    in_order = [Change(seq=1), Change(day=1, town="York", seq=2), Change(day=2, town="Hull", seq=3)]
    late = [in_order[0], in_order[2], in_order[1]]
    assert versions(spark, late) == versions(spark, in_order)
    assert [row["town"] for row in versions(spark, late)] == ["Leeds", "York", "Hull"]


def test_of_changes_at_one_instant_the_last_in_sequence_counts(spark: SparkSession) -> None:
    found = versions(spark, [Change(town="York", seq=2), Change(town="Hull", seq=1)])
    assert [row["town"] for row in found] == ["York"]


def test_a_deletion_keeps_the_state_and_a_return_starts_a_version(spark: SparkSession) -> None:
    gone = Change(day=1, gone=True, mail=None, town=None, kind=None)
    found = versions(spark, [Change(), gone, Change(day=2)])
    assert [(row["town"], row["is_deleted"], row["is_current"]) for row in found] == [
        ("Leeds", False, False),
        ("Leeds", True, False),
        ("Leeds", False, True),
    ]
    assert {row["mail"] for row in found} == {"m"}
    assert {row["previous_class"] for row in found} == {None}


def test_equal_states_in_a_row_are_one_version_also_when_null(spark: SparkSession) -> None:
    found = versions(spark, [Change(town=None), Change(day=1, town=None), Change(day=2, town="York")])
    assert [(row["town"], row["valid_from"]) for row in found] == [(None, day(0)), ("York", day(2))]


def oracle(changes: list[Change]) -> list[dict[str, Any]]:
    """The rules read one by one, for one entity."""
    instants: dict[int, Change] = {}
    for change in sorted(changes, key=lambda c: c.seq):
        instants[change.day] = change
    states: list[tuple[int, str | None, str | None, str | None, bool]] = []
    for at in sorted(instants):
        change = instants[at]
        state = (change.mail, change.town, change.kind)
        if change.gone and any(not earlier[4] for earlier in states):
            state = states[-1][1:4]
        states.append((at, *state, change.gone))
    previous = None
    for before, after in itertools.pairwise(states):
        if before[3] != after[3]:
            previous = before[3]
    kept = [state for number, state in enumerate(states) if number == 0 or (state[2:5] != states[number - 1][2:5])]
    ends: list[int | None] = [*(state[0] for state in kept[1:]), None]
    return [
        {
            "sk": hashlib.sha256(f"{changes[0].who}|{day(at):%Y-%m-%d %H:%M:%S}".encode()).hexdigest(),
            "who": changes[0].who,
            "mail": states[-1][1],
            "town": town,
            "class": kind,
            "previous_class": previous,
            "valid_from": day(at),
            "valid_to": None if end is None else day(end),
            "is_current": end is None,
            "is_deleted": gone,
        }
        for (at, _, town, kind, gone), end in zip(kept, ends, strict=True)
    ]


def entity_log() -> st.SearchStrategy[list[tuple[Any, ...]]]:
    change = st.tuples(
        st.sampled_from(["m", "n", None]),
        st.sampled_from(["Leeds", "York", None]),
        st.sampled_from(["x", "y", None]),
        st.sampled_from([False, False, True]),
        st.integers(0, 5),
    )
    return st.lists(change, min_size=1, max_size=8)


# Many entities an example: one Spark job costs as much as a thousand of them.
@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
    derandomize=True,
)
@given(logs=st.lists(entity_log(), min_size=30, max_size=60), order=st.randoms(use_true_random=False))
def test_any_log_in_any_order_gives_the_versions_of_the_rules(
    spark: SparkSession, logs: list[list[tuple[Any, ...]]], order: Any
) -> None:
    entities = [
        [Change(f"e{number:03}", *values, seq=seq) for seq, values in enumerate(entity)]
        for number, entity in enumerate(logs)
    ]
    every = [change for entity in entities for change in entity]
    order.shuffle(every)
    assert versions(spark, every) == [row for entity in entities for row in oracle(entity)]
