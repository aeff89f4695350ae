"""States at a time, versions that events met, paths through hierarchies."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("pyspark", reason="the spark environment has it")
from quintet.errors import QuintetError
from quintet.scd import as_of, join_as_of, paths

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def versions(spark: SparkSession) -> DataFrame:
    return spark.sql(
        "select * from values "
        "('a', 'Leeds', timestamp '2020-01-01', timestamp '2020-02-01', false), "
        "('a', 'York', timestamp '2020-02-01', timestamp '2020-03-01', false), "
        "('a', 'York', timestamp '2020-03-01', null, true), "
        "('b', 'Hull', timestamp '2020-02-15', null, false) "
        "as t(who, town, valid_from, valid_to, is_deleted)"
    )


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (datetime(2019, 12, 31, tzinfo=UTC), {}),
        (datetime(2020, 1, 1, tzinfo=UTC), {"a": "Leeds"}),
        (datetime(2020, 2, 1, tzinfo=UTC), {"a": "York"}),
        (datetime(2020, 2, 20, tzinfo=UTC), {"a": "York", "b": "Hull"}),
        (datetime(2020, 3, 1, tzinfo=UTC), {"b": "Hull"}),
    ],
)
def test_the_state_at_an_instant_has_start_inclusive_end_exclusive_and_nothing_deleted(
    spark: SparkSession, at: datetime, expected: dict[str, str]
) -> None:
    assert {row["who"]: row["town"] for row in as_of(versions(spark), at).collect()} == expected


def test_an_instant_without_zone_is_refused(spark: SparkSession) -> None:
    with pytest.raises(QuintetError, match="has no time zone"):
        as_of(versions(spark), datetime(2020, 1, 1))


def test_every_event_stays_one_row_with_the_version_it_met(spark: SparkSession) -> None:
    events = spark.sql(
        "select * from values (1, 'a', timestamp '2020-02-01'), (2, 'b', timestamp '2020-01-01'), "
        "(3, 'c', timestamp '2020-01-01'), (4, 'a', timestamp '2020-04-01') as t(id, who, at)"
    )
    met = join_as_of(events, versions(spark), key="who", at="at", columns=("town",))
    assert met.columns == ["id", "who", "at", "town"]
    assert {row["id"]: row["town"] for row in met.collect()} == {1: "York", 2: None, 3: None, 4: "York"}


def test_paths_run_from_the_root_to_each_member(spark: SparkSession) -> None:
    members = spark.createDataFrame(
        [("toys", None), ("bears", "toys"), ("small bears", "bears"), ("lamps", "gone")], "name string, above string"
    )
    found = {row["name"]: (row["path"], row["level"]) for row in paths(members, key="name", parent="above").collect()}
    assert found == {
        "toys": (["toys"], 1),
        "bears": (["toys", "bears"], 2),
        "small bears": (["toys", "bears", "small bears"], 3),
        "lamps": (["lamps"], 1),
    }


def test_a_cycle_is_named(spark: SparkSession) -> None:
    members = spark.createDataFrame([("a", "b"), ("b", "a")], "name string, above string")
    with pytest.raises(QuintetError, match="name by above is in a cycle at a, b"):
        paths(members, key="name", parent="above")
