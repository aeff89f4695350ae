"""Rules over files and days: plain Python, no Spark."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from quintet.quality import (
    CategoryShare,
    Distribution,
    Freshness,
    Group,
    Monotonic,
    NoGap,
    Severity,
    TotalEquals,
    Volume,
)
from quintet.quality.model import Finding, GroupRule

FIRST = date(2025, 1, 1)
NOW = datetime(2025, 6, 1, tzinfo=UTC)


def group(day: int | None, rows: int = 100, /, **measures: float | None) -> Group:
    """Group of a day counted from the first; measures are written `rule_measure`."""
    when = None if day is None else FIRST + timedelta(days=day)
    named = {name.replace("__", "."): value for name, value in measures.items()}
    return Group(f"key {day}", f"day {day}", when, rows, named)


def days(count: int, rows: int = 100, **measures: float | None) -> list[Group]:
    return [group(day, rows, **measures) for day in range(count)]


def find(rule: GroupRule, batch: list[Group], history: list[Group] | None = None) -> Finding:
    return rule.find(batch, history or [], NOW)


def test_total_equals_finds_lost_and_doubled_rows_and_unknown_figures() -> None:
    rule = TotalEquals(name="lines", total="count(*)", figure="records", why="")
    batch = [
        Group(name, name, None, 3, {"lines.total": 3.0}, expected)
        for name, expected in (("right", {"records": 3}), ("lost", {"records": 4}), ("unknown", {}))
    ]
    finding = find(rule, batch)
    assert finding.failing == ("lost", "unknown")
    assert "lost: 3 found, 4 expected" in finding.observed


def test_total_equals_of_a_group_without_rows_is_zero() -> None:
    rule = TotalEquals(name="lines", total="count(*)", figure="records", why="")
    assert find(rule, [Group("k", "n", None, 0, {}, {"records": 0})]).failed == 0
    assert find(rule, [Group("k", "n", None, 0, {}, {"records": 1})]).failed == 1


VOLUME = Volume(name="volume", low=0.5, high=2, min_history=3, why="")


def test_volume_is_held_against_the_median_of_earlier_days() -> None:
    assert find(VOLUME, [group(5, 200)], days(3)).failed == 0
    assert find(VOLUME, [group(5, 201)], days(3)).failing == ("day 5",)
    assert find(VOLUME, [group(5, 49)], days(3)).failing == ("day 5",)


def test_a_first_run_without_history_passes() -> None:
    finding = find(VOLUME, [group(0, 1_000_000)])
    assert (finding.checked, finding.failed) == (0, 0)
    assert "too little history" in finding.observed


def test_the_days_of_a_back_fill_are_the_history_of_its_later_days() -> None:
    finding = find(VOLUME, [*days(3), group(3, 1000)])
    assert finding.failing == ("day 3",)
    assert finding.checked == 1


def test_later_days_are_no_history_and_empty_days_do_not_count() -> None:
    assert find(VOLUME, [group(0, 1000)], [group(day) for day in range(1, 9)]).checked == 0
    assert find(VOLUME, [group(9, 1000)], [*days(2), group(2, 0)]).checked == 0


def test_a_file_without_a_day_is_not_judged() -> None:
    assert find(VOLUME, [group(None, 1000)], days(5)).checked == 0


def test_two_files_of_one_day_are_no_history_of_each_other() -> None:
    twin = Group("twin", "twin", FIRST, 1000)
    assert find(VOLUME, [group(0), twin], []).checked == 0


def test_distribution_finds_a_day_far_from_its_history() -> None:
    rule = Distribution(name="price", measure="avg(price)", limit=3, floor=0.1, min_history=3, why="")
    history = days(5, price__value=2.0)
    assert rule.measures() == {"price.value": "avg(price)"}
    assert find(rule, [group(9, 100, price__value=2.5)], history).failed == 0
    assert find(rule, [group(9, 100, price__value=200.0)], history).failing == ("day 9",)
    assert find(rule, [group(9, 100, price__value=None)], history).checked == 0


def test_distribution_leaves_small_days_out() -> None:
    rule = Distribution(name="price", measure="avg(price)", limit=3, floor=0.1, min_history=3, min_rows=50, why="")
    assert find(rule, [group(9, 49, price__value=200.0)], days(5, price__value=2.0)).checked == 0
    assert find(rule, [group(9, 50, price__value=200.0)], days(5, 49, price__value=2.0)).checked == 0


def test_category_share_finds_a_changed_mixture() -> None:
    rule = CategoryShare(name="mix", column="kind", categories=("a", "b"), limit=0.25, min_history=3, why="")
    history = days(5, mix__a=90.0, mix__b=10.0)
    assert rule.measures()["mix.a"] == "count_if(kind = 'a')"
    assert find(rule, [group(9, 100, mix__a=85.0, mix__b=15.0)], history).failed == 0
    assert find(rule, [group(9, 100, mix__a=10.0, mix__b=90.0)], history).failing == ("day 9",)
    assert find(rule, [group(9, 100, mix__a=10.0, mix__b=90.0)], history[:2]).checked == 0


def test_freshness_holds_the_newest_row_against_the_end_of_the_day() -> None:
    rule = Freshness(name="fresh", column="at", days=1, why="")
    noon = datetime(2025, 1, 6, 12, tzinfo=UTC).timestamp()
    assert find(rule, [group(5, 100, fresh__newest=noon)]).failed == 0
    assert find(rule, [group(6, 100, fresh__newest=noon)]).failing == ("day 6",)
    assert find(rule, [group(None, 100, fresh__newest=noon), group(7, 0, fresh__newest=None)]).checked == 0


def test_freshness_may_be_held_against_now() -> None:
    rule = Freshness(name="fresh", column="at", days=1, against="now", why="")
    newest = (NOW - timedelta(hours=25)).timestamp()
    assert find(rule, [group(None, 100, fresh__newest=newest)]).failed == 1
    assert find(rule, [group(None, 100, fresh__newest=newest + 7200)]).failed == 0


def test_no_gap_looks_before_and_behind_the_days_of_the_batch_only() -> None:
    rule = NoGap(name="gap", max_days=2, why="")
    assert find(rule, [group(2)], [group(0), group(4)]).failed == 0
    assert find(rule, [group(3)], [group(0)]).failing == ("day 3",)
    assert find(rule, [group(0)], [group(3)]).failing == ("day 3",)
    assert find(rule, [group(21)], [group(0), group(20)]).failed == 0


def test_monotonic_finds_numbers_that_fall_from_day_to_day() -> None:
    rule = Monotonic(name="number", lowest="min(n)", highest="max(n)", why="")

    def numbered(day: int, first: float | None, last: float | None) -> Group:
        return group(day, 100, number__lowest=first, number__highest=last)

    assert find(rule, [numbered(1, 11, 20)], [numbered(0, 1, 10)]).failed == 0
    assert find(rule, [numbered(1, 10, 20)], [numbered(0, 1, 10)]).failing == ("day 1",)
    assert find(rule, [numbered(1, None, None)], [numbered(0, 1, 10)]).failed == 0
    assert find(rule, [numbered(5, 90, 99)], [numbered(0, 1, 50), numbered(1, 10, 60)]).failed == 0


def test_a_group_rule_cannot_send_rows_to_quarantine() -> None:
    with pytest.raises(ValueError, match="critical or warning"):
        NoGap(name="gap", max_days=2, severity=Severity.ERROR, why="")
