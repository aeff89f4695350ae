"""Rules that need other rows or another frame."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession

from quintet.quality import Referential, Severity, Unique
from quintet.quality.model import Finding

UNIQUE = Unique(name="once", columns=("file", "line"), why="")
KNOWN = Referential(name="known", column="customer", reference="customers", reference_column="id", why="")


def test_unique_counts_surplus_rows_and_shows_the_keys(spark: SparkSession) -> None:
    rows = [("a", 1), ("a", 1), ("a", 1), ("a", 2), ("b", 1), ("b", None), ("b", None)]
    frame = spark.createDataFrame(rows, "file string, line int")
    assert UNIQUE.find(frame, {}) == Finding(5, 2, "2 surplus rows", ("a|1",))


def test_unique_holds_on_no_rows(spark: SparkSession) -> None:
    assert UNIQUE.find(spark.createDataFrame([], "file string, line int"), {}) == Finding(0, 0, "0 surplus rows")


def test_referential_counts_rows_with_unknown_values_and_leaves_nulls_out(spark: SparkSession) -> None:
    frame = spark.createDataFrame([(1,), (9,), (9,), (8,), (None,)], "customer int")
    customers = spark.createDataFrame([(1,), (1,), (None,)], "id int")
    assert KNOWN.find(frame, {"customers": customers}) == Finding(4, 3, "3 rows with unknown values", ("8", "9"))


def test_referential_judges_nothing_without_its_reference(spark: SparkSession) -> None:
    frame = spark.createDataFrame([(1,)], "customer int")
    nobody = spark.createDataFrame([], "id int")
    for references in ({}, {"customers": nobody}):
        finding = KNOWN.find(frame, references)
        assert (finding.checked, finding.failed) == (0, 0)
        assert "not judged" in finding.observed


def test_a_rule_over_more_than_a_row_cannot_send_rows_to_quarantine() -> None:
    with pytest.raises(ValueError, match="critical or warning"):
        Unique(name="once", columns=("line",), severity=Severity.ERROR, why="")
