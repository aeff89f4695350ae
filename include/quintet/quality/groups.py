"""Rules that judge groups of rows (files, days) by their aggregates: totals, volume, distribution, time.

A group is compared with the groups of earlier days, published ones and those of the same batch alike, so that a
back-fill of a year is judged as if its days had come one by one. With fewer than `min_history` of them it is not
judged: a first run must pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from statistics import median
from typing import ClassVar, Literal

from quintet.quality.model import Finding, Group, GroupRule
from quintet.quality.statistics import population_stability, robust_z

__all__ = ["CategoryShare", "Distribution", "Freshness", "Group", "Monotonic", "NoGap", "TotalEquals", "Volume"]

#: Earlier groups that make the history of one: two months of trading days, so that seasons move it.
HISTORY = 60
#: Groups needed before anything is said.
MIN_HISTORY = 10


@dataclass(frozen=True, kw_only=True)
class TotalEquals(GroupRule):
    """An aggregate of the group equals the figure known from elsewhere (`Group.expected[figure]`).

    Groups whose figure is not known break the rule: what nobody counted cannot be proven.
    """

    kind: ClassVar[str] = "total_equals"
    total: str
    figure: str
    tolerance: float = 0.0

    def measures(self) -> Mapping[str, str]:
        """The total."""
        return {f"{self.name}.total": self.total}

    def find(self, batch: Sequence[Group], history: Sequence[Group], now: datetime) -> Finding:
        """Compare each group with its figure."""
        wrong = [group for group in batch if not self._agrees(group)]
        texts = [
            f"{group.name}: {self._total(group):g} found, {group.expected.get(self.figure)} expected" for group in wrong
        ]
        return _finding(batch, wrong, texts)

    def _total(self, group: Group) -> float:
        return group.measures.get(f"{self.name}.total") or 0.0

    def _agrees(self, group: Group) -> bool:
        expected = group.expected.get(self.figure)
        return expected is not None and abs(self._total(group) - expected) <= self.tolerance


@dataclass(frozen=True, kw_only=True)
class Volume(GroupRule):
    """The number of rows is between `low` and `high` times the median of the history.

    Empty groups are no part of a history: a day without trade says nothing about a day with it.
    """

    kind: ClassVar[str] = "volume"
    low: float
    high: float
    min_history: int = MIN_HISTORY

    def find(self, batch: Sequence[Group], history: Sequence[Group], now: datetime) -> Finding:
        """Compare each group with its history."""
        wrong, texts, judged = [], [], 0
        for group, earlier in _with_history(batch, history):
            sizes = [before.rows for before in earlier if before.rows]
            if len(sizes) < self.min_history:
                continue
            judged += 1
            usual = median(sizes)
            if not self.low * usual <= group.rows <= self.high * usual:
                wrong.append(group)
                texts.append(f"{group.name}: {group.rows} rows, usual are {usual:g}")
        return _finding(batch, wrong, texts, judged)


@dataclass(frozen=True, kw_only=True)
class Distribution(GroupRule):
    """An aggregate (mean, quantile, share of nulls) lies within `limit` deviations of its history (robust z)."""

    kind: ClassVar[str] = "distribution"
    measure: str
    limit: float
    floor: float
    min_history: int = MIN_HISTORY
    min_rows: int = 1

    def measures(self) -> Mapping[str, str]:
        """The aggregate."""
        return {f"{self.name}.value": self.measure}

    def find(self, batch: Sequence[Group], history: Sequence[Group], now: datetime) -> Finding:
        """Compare each group with its history."""
        wrong, texts, judged = [], [], 0
        for group, earlier in _with_history(batch, history):
            value = self._value(group)
            values = [found for before in earlier if (found := self._value(before)) is not None]
            if value is None or len(values) < self.min_history:
                continue
            judged += 1
            if robust_z(value, values, floor=self.floor) > self.limit:
                wrong.append(group)
                texts.append(f"{group.name}: {value:.4g}, usual is {median(values):.4g}")
        return _finding(batch, wrong, texts, judged)

    def _value(self, group: Group) -> float | None:
        return group.measures.get(f"{self.name}.value") if group.rows >= self.min_rows else None


@dataclass(frozen=True, kw_only=True)
class CategoryShare(GroupRule):
    """The shares of the categories of a column are those of the history (population stability index)."""

    kind: ClassVar[str] = "category_share"
    column: str
    categories: tuple[str, ...]
    limit: float
    min_history: int = MIN_HISTORY
    min_rows: int = 1

    def measures(self) -> Mapping[str, str]:
        """Rows of each category."""
        return {f"{self.name}.{value}": f"count_if({self.column} = '{value}')" for value in self.categories}

    def find(self, batch: Sequence[Group], history: Sequence[Group], now: datetime) -> Finding:
        """Compare each group with its history."""
        wrong, texts, judged = [], [], 0
        for group, earlier in _with_history(batch, history):
            if len(earlier) < self.min_history or group.rows < self.min_rows:
                continue
            judged += 1
            index = population_stability(self._counts([group]), self._counts(earlier))
            if index > self.limit:
                wrong.append(group)
                texts.append(f"{group.name}: stability index {index:.2f}")
        return _finding(batch, wrong, texts, judged)

    def _counts(self, groups: Sequence[Group]) -> dict[str, float]:
        return {
            value: sum(group.measures.get(f"{self.name}.{value}") or 0.0 for group in groups)
            for value in self.categories
        }


@dataclass(frozen=True, kw_only=True)
class Freshness(GroupRule):
    """The newest row is not older than `days` before the end of the group's day, or before now."""

    kind: ClassVar[str] = "freshness"
    column: str
    days: float
    against: Literal["day", "now"] = "day"

    def measures(self) -> Mapping[str, str]:
        """Time of the newest row, seconds since epoch."""
        return {f"{self.name}.newest": f"unix_timestamp(max({self.column}))"}

    def find(self, batch: Sequence[Group], history: Sequence[Group], now: datetime) -> Finding:
        """Compare each group that has rows and a day."""
        wrong, texts, judged = [], [], 0
        for group in batch:
            newest, end = group.measures.get(f"{self.name}.newest"), self._end(group, now)
            if newest is None or end is None:
                continue
            judged += 1
            age = end - datetime.fromtimestamp(newest, UTC)
            if age > timedelta(days=self.days):
                wrong.append(group)
                texts.append(f"{group.name}: the newest row is {age.total_seconds() / 86400:.1f} days old")
        return _finding(batch, wrong, texts, judged)

    def _end(self, group: Group, now: datetime) -> datetime | None:
        if self.against == "now":
            return now
        return _end_of(group.day) if group.day else None


@dataclass(frozen=True, kw_only=True)
class NoGap(GroupRule):
    """No more than `max_days` lie between a group's day and the group before it."""

    kind: ClassVar[str] = "no_gap"
    max_days: int

    def find(self, batch: Sequence[Group], history: Sequence[Group], now: datetime) -> Finding:
        """Look at each day of the batch and the day before it."""
        own = {group.day for group in batch}
        wrong, texts = [], []
        for before, group in pairwise(_by_day([*batch, *history])):
            gap = (_day(group) - _day(before)).days
            if gap > self.max_days and {group.day, before.day} & own:
                wrong.append(group)
                texts.append(f"{gap} days between {before.name} and {group.name}")
        return _finding(batch, wrong, texts)


@dataclass(frozen=True, kw_only=True)
class Monotonic(GroupRule):
    """What is numbered rises with the days: the lowest number of a group is above the highest of the one before."""

    kind: ClassVar[str] = "monotonic"
    lowest: str
    highest: str

    def measures(self) -> Mapping[str, str]:
        """Lowest and highest number."""
        return {f"{self.name}.lowest": self.lowest, f"{self.name}.highest": self.highest}

    def find(self, batch: Sequence[Group], history: Sequence[Group], now: datetime) -> Finding:
        """Look at each day of the batch and the day before it."""
        own = {group.key for group in batch}
        numbered = [
            group
            for group in _by_day([*batch, *history])
            if group.measures.get(f"{self.name}.lowest") is not None
            and group.measures.get(f"{self.name}.highest") is not None
        ]
        wrong, texts = [], []
        for before, group in pairwise(numbered):
            last, first = before.measures[f"{self.name}.highest"], group.measures[f"{self.name}.lowest"]
            falls = last is not None and first is not None and first <= last
            if falls and group.day != before.day and {group.key, before.key} & own:
                wrong.append(group)
                texts.append(f"{group.name} starts at {first:.0f}, {before.name} ended at {last:.0f}")
        return _finding(batch, wrong, texts)


def _with_history(batch: Sequence[Group], history: Sequence[Group]) -> Iterator[tuple[Group, list[Group]]]:
    """Each dated group of the batch with the last `HISTORY` groups of earlier days."""
    own = {group.key for group in batch}
    earlier: list[Group] = []
    waiting: list[Group] = []
    for group in _by_day([*batch, *history]):
        if waiting and waiting[0].day != group.day:
            earlier = [*earlier, *waiting][-HISTORY:]
            waiting = []
        if group.key in own:
            yield group, earlier
        waiting.append(group)


def _by_day(groups: Sequence[Group]) -> list[Group]:
    return sorted((group for group in groups if group.day), key=lambda group: (_day(group), group.name))


def _day(group: Group) -> date:
    if group.day is None:
        raise ValueError(f"the group {group.name} has no day")
    return group.day


def _end_of(day: date) -> datetime:
    return datetime.combine(day + timedelta(days=1), time(), UTC)


def _finding(
    batch: Sequence[Group], wrong: Sequence[Group], texts: Sequence[str], judged: int | None = None
) -> Finding:
    checked = len(batch) if judged is None else judged
    unjudged = len(batch) - checked
    parts = [*texts[:5], *([f"and {len(texts) - 5} more"] if len(texts) > 5 else [])]
    if unjudged:
        parts.append(f"{unjudged} not judged: no day or too little history")
    return Finding(checked, len(wrong), "; ".join(parts), tuple(group.name for group in wrong))
