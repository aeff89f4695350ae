"""One pass over the rows, one aggregation a batch."""

from __future__ import annotations

from datetime import UTC, date, datetime

from pyspark.sql import SparkSession

from quintet.quality import Distribution, NotNull, Range, Severity, Suite, Threshold
from quintet.quality.evaluate import group_figures, judge, with_reasons

SUITE = Suite(
    name="lines",
    rows=(
        NotNull(name="named", column="name", why=""),
        Range(
            name="small", column="size", high=9, severity=Severity.WARNING, threshold=Threshold(max_share=0.5), why=""
        ),
    ),
    groups=(Distribution(name="mean", measure="avg(size)", limit=3, floor=0.1, why=""),),
)
DAY = date(2025, 1, 1)
ROWS = [
    ("h1", "one.csv", DAY, "a", 1),
    ("h1", "one.csv", DAY, None, 10),
    ("h1", "one.csv", DAY, None, 4),
    ("h2", "two.csv", None, None, 99),
]


def test_figures_count_rows_reasons_and_measures_of_each_group(spark: SparkSession) -> None:
    frame = spark.createDataFrame(ROWS, "hash string, file string, day date, name string, size int")
    found = group_figures(with_reasons(frame, SUITE.rows), SUITE, key="hash", name="file", day="day")
    one, two = sorted(found, key=lambda entry: entry.group.key)
    assert (one.group.name, one.group.day, one.group.rows, one.held) == ("one.csv", DAY, 3, 2)
    assert one.broken == {"named": 2, "small": 1}
    assert one.group.measures == {"mean.value": 5.0}
    assert (two.group.day, two.held, two.broken) == (None, 1, {"named": 1, "small": 1})


def test_results_name_the_file_with_most_broken_rows_and_apply_thresholds(spark: SparkSession) -> None:
    frame = spark.createDataFrame(ROWS, "hash string, file string, day date, name string, size int")
    judged = with_reasons(frame, SUITE.rows)
    figures = group_figures(judged, SUITE, key="hash", name="file", day="day")
    named, small, mean = judge(judged, SUITE, figures, [], references={}, now=datetime(2025, 1, 2, tzinfo=UTC))
    assert (named.checked, named.failed, named.passed, named.worst) == (4, 3, False, "one.csv")
    assert (small.failed, small.passed) == (2, True)
    assert (mean.checked, mean.passed) == (0, True)
