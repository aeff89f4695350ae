"""Whether a batch is published: the table of cases."""

from __future__ import annotations

import pytest

from quintet.quality import GroupCount, Limits, NotNull, RuleResult, Severity, Suite, Threshold, decide

LIMITS = Limits(max_share=0.05, max_rows=50)


def result(severity: Severity, *, passed: bool) -> RuleResult:
    return RuleResult("rule", "volume", severity, 10, 0 if passed else 3, passed, "10 days", "2025-01-01.csv")


@pytest.mark.parametrize(
    ("rows", "held", "publishes"),
    [
        (1000, 0, True),
        (1000, 50, True),  # both bounds just hold
        (2000, 51, False),  # one row too many
        (20, 1, True),  # 5 % exactly
        (19, 1, False),  # more than 5 %
        (1, 1, False),
        (0, 0, True),
    ],
)
def test_a_file_is_poison_beyond_the_share_or_the_count(rows: int, held: int, publishes: bool) -> None:
    assert decide([], [GroupCount("hash", "file", rows, held)], LIMITS).publishes is publishes


@pytest.mark.parametrize(
    ("severity", "passed", "publishes"),
    [
        (Severity.CRITICAL, True, True),
        (Severity.CRITICAL, False, False),
        (Severity.ERROR, False, True),  # its rows are held back, the files are judged by their counts
        (Severity.WARNING, False, True),
    ],
)
def test_only_critical_rules_stop_a_batch(severity: Severity, passed: bool, publishes: bool) -> None:
    assert decide([result(severity, passed=passed)], [], LIMITS).publishes is publishes


def test_blocks_name_the_worst_file_first_with_its_figures_and_then_the_rules() -> None:
    files = [GroupCount("a", "mild.csv", 100, 6), GroupCount("b", "wild.csv", 100, 60), GroupCount("c", "fine", 9, 0)]
    blocks = decide([result(Severity.CRITICAL, passed=False)], files, LIMITS).blocks
    assert [(block.key, block.rule) for block in blocks] == [("b", None), ("a", None), (None, "rule")]
    assert blocks[0].text.startswith("wild.csv: 60 of 100 rows (60.0%) break rules")
    assert blocks[2].text == "rule rule: 3 of 10 broken (10 days)"


@pytest.mark.parametrize(
    ("threshold", "failed", "checked", "holds"),
    [
        (Threshold(max_count=0), 0, 0, True),
        (Threshold(max_count=0), 1, 1000, False),
        (Threshold(max_share=0.1), 10, 100, True),
        (Threshold(max_share=0.1), 11, 100, False),
        (Threshold(max_share=0.1), 0, 0, True),
        (Threshold(max_count=5, max_share=0.1), 6, 100, False),
        (Threshold(max_count=5, max_share=0.01), 2, 100, False),
    ],
)
def test_a_threshold_holds_within_each_of_its_bounds(
    threshold: Threshold, failed: int, checked: int, holds: bool
) -> None:
    assert threshold.holds(failed, checked) is holds


@pytest.mark.parametrize("bounds", [{}, {"max_share": 1.0}, {"max_share": -0.1}])
def test_a_threshold_that_cannot_fail_is_refused(bounds: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="max_share"):
        Threshold(**bounds)  # type: ignore[arg-type]


def test_a_suite_refuses_two_rules_of_one_name() -> None:
    rule = NotNull(name="same", column="x", why="")
    with pytest.raises(ValueError, match="same"):
        Suite(name="lines", rows=(rule, rule))


def test_a_suite_knows_what_holds_a_row_back_and_what_nobody_can_waive() -> None:
    suite = Suite(
        name="lines",
        rows=(
            NotNull(name="firm", column="x", why=""),
            NotNull(name="soft", column="y", waivable=True, why=""),
            NotNull(name="noted", column="z", severity=Severity.WARNING, why=""),
        ),
    )
    assert suite.holding == ("firm", "soft")
    assert suite.unwaivable(["soft", "firm", "gone"]) == ("firm",)
