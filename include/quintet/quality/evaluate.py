"""Judge a Spark data frame by a suite: one pass gives each row its reasons, one aggregation the figures of groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from quintet.quality.decision import GroupCount
from quintet.quality.model import Finding, Group, RowRule, RuleResult, Suite

__all__ = ["REASONS", "GroupFigures", "group_figures", "is_held", "judge", "with_reasons"]

#: Column with the names of the rules that a row breaks, array<string>, in the order of the suite.
REASONS = "_reasons"

_ROWS, _HELD = "rows", "held"


@dataclass(frozen=True)
class GroupFigures:
    """A group, how many of its rows break each row rule, and how many go to quarantine."""

    group: Group
    broken: Mapping[str, int]
    held: int

    @property
    def count(self) -> GroupCount:
        """What the decision wants to know."""
        return GroupCount(self.group.key, self.group.name, self.group.rows, self.held)

    @classmethod
    def empty(cls, group: Group, suite: Suite) -> GroupFigures:
        """Figures of a group without rows."""
        return cls(group, {rule.name: 0 for rule in suite.rows}, 0)


def with_reasons(frame: DataFrame, rules: Sequence[RowRule]) -> DataFrame:
    """Add the column `_reasons` (array<string>): the rules that the row breaks; one expression, no shuffle."""
    names = [F.when(F.coalesce(F.expr(rule.broken_sql()), F.lit(False)), F.lit(rule.name)) for rule in rules]
    reasons = F.array_compact(F.array(*names)) if names else F.array().cast("array<string>")
    return frame.withColumn(REASONS, reasons)


def is_held(suite: Suite) -> Column:
    """Whether a row with `_reasons` goes to quarantine."""
    if not suite.holding:
        return F.lit(False)
    return F.arrays_overlap(F.col(REASONS), F.array(*(F.lit(name) for name in suite.holding)))


def group_figures(frame: DataFrame, suite: Suite, *, key: str, name: str, day: str) -> list[GroupFigures]:
    """Aggregate each group: rows, rows for the quarantine, measures of the group rules, broken rows of each row rule.

    The frame is read twice: cache it. Broken rows are few, so that counting them apart costs less than carrying a
    counter for each rule through the aggregation of all rows.

    Shapes: `frame` has `_reasons` and the columns `key`, `name` (string) and `day` (date), constant in a group.
    """
    measures = {place: text for rule in suite.groups for place, text in rule.measures().items()}
    # Positions, not names, go through Spark: names of measures hold dots.
    figures = [F.expr(text).cast("double").alias(f"m{n}") for n, text in enumerate(measures.values())]
    found = frame.groupBy(key, name, day).agg(
        F.count("*").alias(_ROWS), F.count_if(is_held(suite)).alias(_HELD), *figures
    )
    reasons = frame.where(F.size(REASONS) > 0).select(key, F.explode(REASONS).alias("rule"))
    broken = {(row[key], row["rule"]): row["count"] for row in reasons.groupBy(key, "rule").count().collect()}
    return [_figures(row, suite, list(measures), (key, name, day), broken) for row in found.collect()]


def judge(
    frame: DataFrame,
    suite: Suite,
    batch: Sequence[GroupFigures],
    history: Sequence[Group],
    *,
    references: Mapping[str, DataFrame],
    now: datetime,
) -> list[RuleResult]:
    """Judge the batch by every rule of the suite; `frame` holds the rows of the batch alone."""
    groups = [entry.group for entry in batch]
    return [
        *(_of_rows(rule, batch) for rule in suite.rows),
        *(RuleResult.of(rule, rule.find(frame, references)) for rule in suite.frames),
        *(RuleResult.of(rule, rule.find(groups, history, now)) for rule in suite.groups),
    ]


def _figures(
    row: Row, suite: Suite, measures: Sequence[str], names: tuple[str, str, str], broken: Mapping[tuple[str, str], int]
) -> GroupFigures:
    key, name, day = (row[column] for column in names)
    group = Group(key, name, day, row[_ROWS], {place: row[f"m{n}"] for n, place in enumerate(measures)})
    return GroupFigures(group, {rule.name: broken.get((key, rule.name), 0) for rule in suite.rows}, row[_HELD])


def _of_rows(rule: RowRule, batch: Sequence[GroupFigures]) -> RuleResult:
    counts = sorted(
        ((entry.broken[rule.name], entry.group.name) for entry in batch if entry.broken[rule.name]),
        key=lambda found: (-found[0], found[1]),
    )
    finding = Finding(
        checked=sum(entry.group.rows for entry in batch),
        failed=sum(count for count, _ in counts),
        failing=tuple(name for _, name in counts),
    )
    return replace(RuleResult.of(rule, finding), observed=None)
