"""The same rules as Great Expectations suites: a second engine must find the same."""

from __future__ import annotations

import json
import re
import warnings
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from expectations_library import LIBRARY_WARNINGS
from quintet.quality import (
    Castable,
    Compare,
    Conditional,
    InSet,
    Length,
    Matches,
    NoGap,
    NotNull,
    Range,
    Referential,
    RuleResult,
    Severity,
    Suite,
    Threshold,
    Unique,
)
from quintet.quality.evaluate import group_figures, judge, with_reasons
from quintet.quality.expectations import Opinion, publish

AT = datetime(2025, 2, 1, tzinfo=UTC)
SUITE = Suite(
    name="lines",
    rows=(
        NotNull(name="named", column="name", why="Nameless"),
        Castable(name="typed", text="text", typed="pieces", why="No number"),
        Castable(name="required", text="text", typed="pieces", required=True, why="No number"),
        InSet(name="known", column="country", values=("UK", "it's"), why="Unknown"),
        Matches(name="form", column="name", pattern="[a-z]+", why="Form"),
        Range(name="range", column="pieces", low=0, high=100, why="Range"),
        Range(name="recent", column="day", low="2025-01-01", why="Old"),
        Length(name="length", column="name", shortest=1, longest=3, why="Length"),
        Compare(name="compared", left="pieces", operator="<>", right="7", why="Seven"),
        Conditional(name="conditional", when="country = 'UK'", then="pieces > 0", why="Sign"),
        Matches(
            name="mostly",
            column="name",
            pattern="[a-z]+",
            severity=Severity.WARNING,
            threshold=Threshold(max_share=0.5),
            why="Form",
        ),
    ),
    frames=(
        Unique(name="once", columns=("file", "line"), why="Twice"),
        Referential(name="customer", column="customer", reference="customers", reference_column="id", why="Stranger"),
        Referential(
            name="few strangers",
            column="customer",
            reference="customers",
            reference_column="id",
            severity=Severity.WARNING,
            threshold=Threshold(max_share=0.5),
            why="Stranger",
        ),
    ),
    groups=(NoGap(name="gap", max_days=2, why="Days are missing"),),
)
SCHEMA = (
    "file string, line int, day date, name string, text string, pieces int, country string, customer int, hash string"
)
GOOD = [("one", line, date(2025, 1, 1), "abc", "5", 5, "UK", 1, "h1") for line in range(8)]
BAD = [
    ("one", 8, date(2024, 12, 31), "ABCD", "many", None, "FR", 2, "h1"),
    ("one", 8, date(2025, 1, 1), None, "7", 7, "it's", None, "h1"),
    ("two", 1, date(2025, 1, 9), "a1", "-3", -3, "UK", 2, "h2"),
    ("two", 2, date(2025, 1, 9), "ab", " ", None, None, 1, "h2"),
]


@dataclass(frozen=True)
class Judged:
    """Own results and the opinions of the library on one batch."""

    results: dict[str, RuleResult]
    opinions: dict[str, Opinion]

    @property
    def passed(self) -> dict[str, bool]:
        return {name: result.passed for name, result in self.results.items()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pages")


@pytest.fixture(scope="module")
def broken(spark: SparkSession, folder: Path) -> Judged:
    return judged(spark, folder, [*GOOD, *BAD], "manual__2025-02-01T00:00:00+00:00")


@pytest.fixture(scope="module")
def fine(spark: SparkSession, folder: Path) -> Judged:
    return judged(spark, folder, GOOD, "second")


def judged(spark: SparkSession, folder: Path, rows: list[tuple[object, ...]], run_id: str) -> Judged:
    frame = with_reasons(spark.createDataFrame(rows, SCHEMA), SUITE.rows)
    # The day of a file is that of its newest row here.
    days = frame.selectExpr("*", "max(day) OVER (PARTITION BY hash) AS file_day")
    figures = group_figures(days, SUITE, key="hash", name="file", day="file_day")
    references = {"customers": spark.createDataFrame([(1,)], "id int")}
    results = judge(frame, SUITE, figures, [], references=references, now=AT)
    with warnings.catch_warnings():
        for text in LIBRARY_WARNINGS:
            warnings.filterwarnings("ignore", text, DeprecationWarning)
        opinions = publish(
            frame,
            SUITE,
            results,
            figures,
            references=references,
            site=folder / "site",
            store=folder / "store",
            run_id=run_id,
            at=AT,
        )
    return Judged({item.rule: item for item in results}, {item.rule: item for item in opinions})


def test_both_engines_find_every_broken_row(broken: Judged) -> None:
    assert {rule: opinion.passed for rule, opinion in broken.opinions.items()} == {
        rule: held for rule, held in broken.passed.items() if rule != "gap"
    }
    # The library counts every row of a repeated key, the rule the surplus ones; strangers count beyond the threshold.
    for rule in set(broken.opinions) - {"once", "few strangers"}:
        assert broken.opinions[rule].failed == broken.results[rule].failed, rule
    assert [rule for rule, held in broken.passed.items() if held] == ["mostly", "few strangers"]


def test_both_engines_are_content_with_good_rows(fine: Judged) -> None:
    assert all(fine.passed.values())
    assert all(opinion.passed and opinion.failed == 0 for opinion in fine.opinions.values())


@pytest.mark.usefixtures("broken", "fine")
def test_pages_list_both_runs_and_show_which_group_broke_a_rule(folder: Path) -> None:
    index = (folder / "site" / "index.html").read_text(encoding="utf-8")
    for run in ("manual__2025-02-01T00_00_00_00_00", "second"):
        for part in ("lines_rows", "lines_groups"):
            assert re.search(rf"validations/{part}/{run}/[^'\"]+\.html", index), f"{part} of {run} is not listed"
    stored = next((folder / "store" / "lines_groups").glob("manual*/*/*.json"))
    expectation = json.loads(stored.read_text(encoding="utf-8"))["results"][0]
    assert expectation["success"] is False
    assert expectation["result"]["unexpected_count"] == 1
    assert expectation["expectation_config"]["meta"]["rule"] == "gap"
