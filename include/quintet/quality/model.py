"""What every rule has, what every judgement gives, and the suite that holds rules together."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = [
    "NONE_BROKEN",
    "Finding",
    "FrameRule",
    "Group",
    "GroupRule",
    "RowRule",
    "Rule",
    "RuleResult",
    "Severity",
    "Suite",
    "Threshold",
]


class Severity(StrEnum):
    """What a broken rule means.

    critical: nothing is published; a row goes to quarantine too. error (row rules only): the row goes to quarantine.
    warning: it is reported.
    """

    CRITICAL = "critical"
    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """How much may be broken before the rule counts as broken; every bound that is set must hold."""

    max_count: int | None = None
    max_share: float | None = None

    def __post_init__(self) -> None:
        if self.max_count is None and self.max_share is None:
            raise ValueError("a threshold without a bound holds always: set max_count or max_share")
        if self.max_share is not None and not 0 <= self.max_share < 1:
            raise ValueError(f"max_share is a share from 0 to below 1, not {self.max_share}")

    def holds(self, failed: int, checked: int) -> bool:
        """Whether `failed` of `checked` stay within the bounds; a share of nothing is nothing."""
        within_count = self.max_count is None or failed <= self.max_count
        within_share = self.max_share is None or failed <= self.max_share * checked
        return within_count and within_share


NONE_BROKEN = Threshold(max_count=0)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule; `why` says what it protects from, `remedy` what a person does when it stops a batch."""

    kind: ClassVar[str]

    name: str
    why: str
    remedy: str = ""
    severity: Severity = Severity.ERROR
    threshold: Threshold = NONE_BROKEN


@dataclass(frozen=True, kw_only=True)
class RowRule(Rule, ABC):
    """Judges a row by itself.

    A null never breaks a rule, but for those that ask for a value. `waivable`: a person may accept a row that breaks
    it; a row that lacks what the published table requires can not be accepted by anybody.
    """

    waivable: bool = True

    @abstractmethod
    def broken_sql(self) -> str:
        """Condition in Spark SQL under which a row breaks the rule; null counts as not broken."""


@dataclass(frozen=True, kw_only=True)
class FrameRule(Rule, ABC):
    """Needs other rows of the frame, or another frame given by its name."""

    severity: Severity = Severity.CRITICAL

    @abstractmethod
    def find(self, frame: DataFrame, references: Mapping[str, DataFrame]) -> Finding:
        """Judge the frame."""

    def __post_init__(self) -> None:
        _refuse_error(self)


@dataclass(frozen=True)
class Group:
    """Aggregates of one group of rows.

    `key` is unique; `name` is what a person calls it (a file name); `expected` holds figures known from elsewhere.
    """

    key: str
    name: str
    day: date | None
    rows: int
    measures: Mapping[str, float | None] = field(default_factory=dict)
    expected: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class GroupRule(Rule, ABC):
    """Judges groups by their aggregates, in plain Python."""

    severity: Severity = Severity.WARNING

    def __post_init__(self) -> None:
        _refuse_error(self)

    def measures(self) -> Mapping[str, str]:
        """Aggregates that the rule needs of each group: name to Spark SQL expression that gives a number."""
        return {}

    @abstractmethod
    def find(self, batch: Sequence[Group], history: Sequence[Group], now: datetime) -> Finding:
        """Judge the groups of the batch; `history` holds groups that were published before."""


@dataclass(frozen=True)
class Finding:
    """What a rule over more than a row found; `failing` are names of groups or samples of values."""

    checked: int
    failed: int
    observed: str = ""
    failing: tuple[str, ...] = ()


@dataclass(frozen=True)
class RuleResult:
    """Outcome of one rule on one batch; `worst` is the group with the most broken rows."""

    rule: str
    kind: str
    severity: Severity
    checked: int
    failed: int
    passed: bool
    observed: str | None = None
    worst: str | None = None
    failing: tuple[str, ...] = ()

    @classmethod
    def of(cls, rule: Rule, finding: Finding) -> RuleResult:
        """Judge a finding by the rule's threshold."""
        passed = rule.threshold.holds(finding.failed, finding.checked)
        worst = finding.failing[0] if finding.failing else None
        return cls(
            rule.name,
            rule.kind,
            rule.severity,
            finding.checked,
            finding.failed,
            passed,
            finding.observed or None,
            worst,
            finding.failing,
        )


@dataclass(frozen=True, kw_only=True)
class Suite:
    """The rules of one table."""

    name: str
    rows: tuple[RowRule, ...] = ()
    frames: tuple[FrameRule, ...] = ()
    groups: tuple[GroupRule, ...] = ()

    def __post_init__(self) -> None:
        names = [rule.name for rule in self.rules]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"the suite {self.name} names rules twice: {', '.join(twice)}")

    @property
    def rules(self) -> tuple[Rule, ...]:
        """All rules."""
        return (*self.rows, *self.frames, *self.groups)

    @property
    def holding(self) -> tuple[str, ...]:
        """Names of the row rules that send a row to quarantine."""
        return tuple(rule.name for rule in self.rows if rule.severity is not Severity.WARNING)

    def unwaivable(self, reasons: Iterable[str]) -> tuple[str, ...]:
        """Those of the given rule names that nobody can waive; names unknown to the suite are left out."""
        firm = {rule.name for rule in self.rows if not rule.waivable}
        return tuple(reason for reason in reasons if reason in firm)


def _refuse_error(rule: Rule) -> None:
    # Quarantine holds rows; a broken whole has no row to hold back, so it stops everything or is reported.
    if rule.severity is Severity.ERROR:
        raise ValueError(f"the rule {rule.name} judges more than a row: make it critical or warning")
