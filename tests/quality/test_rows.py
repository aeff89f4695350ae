"""Row rules: three rows and an edge row for each kind."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from pyspark.sql import SparkSession

from quintet.quality import Castable, Compare, Conditional, InSet, Length, Matches, NotNull, Range
from quintet.quality.evaluate import REASONS, with_reasons
from quintet.quality.model import RowRule


def broken(spark: SparkSession, schema: str, rows: list[tuple[Any, ...]], *rules: RowRule) -> list[list[str]]:
    """Reasons of each row, in the order of the rows."""
    frame = spark.createDataFrame([(place, *row) for place, row in enumerate(rows)], f"place int, {schema}")
    return [row[REASONS] for row in with_reasons(frame, rules).orderBy("place").collect()]


def test_not_null_wants_a_value_and_takes_blank_text_for_one(spark: SparkSession) -> None:
    rule = NotNull(name="named", column="name", why="")
    assert broken(spark, "name string", [("a",), (None,), ("",), (" ",)], rule) == [[], ["named"], [], []]


def test_castable_takes_blank_text_as_absent(spark: SparkSession) -> None:
    rule = Castable(name="number", text="text", typed="typed", why="")
    rows = [("6", 6), ("six", None), (None, None), (" ", None)]
    assert broken(spark, "text string, typed int", rows, rule) == [[], ["number"], [], []]


def test_castable_that_is_required_wants_a_typed_value(spark: SparkSession) -> None:
    rule = Castable(name="number", text="text", typed="typed", required=True, why="")
    rows = [("6", 6), ("six", None), (None, None), (" ", None)]
    assert broken(spark, "text string, typed int", rows, rule) == [[], ["number"], ["number"], ["number"]]


def test_in_set_takes_the_listed_values_whatever_signs_they_hold(spark: SparkSession) -> None:
    rule = InSet(name="known", column="name", values=("plain", "it's", "back\\slash"), why="")
    rows = [("plain",), ("it's",), ("back\\slash",), ("Plain",), (None,)]
    assert broken(spark, "name string", rows, rule) == [[], [], [], ["known"], []]


def test_matches_looks_at_the_whole_text(spark: SparkSession) -> None:
    rule = Matches(name="form", column="code", pattern=r"\d{2}|x", why="")
    assert broken(spark, "code string", [("12",), ("x",), ("123",), ("ax",), (None,)], rule) == [
        [],
        [],
        ["form"],
        ["form"],
        [],
    ]


def test_range_includes_its_bounds(spark: SparkSession) -> None:
    rule = Range(name="size", column="size", low=-1, high=10, why="")
    assert broken(spark, "size int", [(-1,), (10,), (11,), (-2,), (None,)], rule) == [[], [], ["size"], ["size"], []]


def test_range_of_days_may_have_one_bound(spark: SparkSession) -> None:
    rule = Range(name="old", column="day", low="2000-01-01", why="")
    rows = [(date(2000, 1, 1),), (date(1999, 12, 31),), (None,)]
    assert broken(spark, "day date", rows, rule) == [[], ["old"], []]


def test_range_without_bounds_is_refused() -> None:
    with pytest.raises(ValueError, match="no bound"):
        Range(name="size", column="size", why="")


def test_length_counts_characters_not_bytes(spark: SparkSession) -> None:
    rule = Length(name="length", column="name", shortest=2, longest=4, why="")
    rows = [("ab",), ("äöüß",), ("a",), ("abcde",), (None,)]
    assert broken(spark, "name string", rows, rule) == [[], [], ["length"], ["length"], []]


def test_compare_holds_columns_against_each_other(spark: SparkSession) -> None:
    rule = Compare(name="order", left="first", operator="<=", right="last + 1", why="")
    rows = [(1, 1), (2, 1), (3, 1), (None, 1), (1, None)]
    assert broken(spark, "first int, last int", rows, rule) == [[], [], ["order"], [], []]


def test_conditional_asks_only_where_the_condition_holds(spark: SparkSession) -> None:
    rule = Conditional(name="sign", when="kind = 'return'", then="pieces < 0", why="")
    rows = [("return", -1), ("return", 1), ("sale", 1), (None, 1), ("return", None)]
    assert broken(spark, "kind string, pieces int", rows, rule) == [[], ["sign"], [], [], []]


def test_a_row_names_all_its_reasons_in_the_order_of_the_suite(spark: SparkSession) -> None:
    rules = (NotNull(name="b", column="y", why=""), Range(name="a", column="x", high=1, why=""))
    assert broken(spark, "x int, y int", [(2, None), (1, 1)], *rules) == [["b", "a"], []]


def test_without_rules_no_row_has_a_reason(spark: SparkSession) -> None:
    assert broken(spark, "x int", [(1,)]) == [[]]
