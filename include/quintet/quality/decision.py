"""Whether a batch may be published: plain Python over counts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from quintet.quality.model import RuleResult, Severity

__all__ = ["Block", "Decision", "GroupCount", "Limits", "decide"]


@dataclass(frozen=True)
class GroupCount:
    """Rows of a group (a file), and how many of them go to quarantine."""

    key: str
    name: str
    rows: int
    held: int


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How many rows of one group may go to quarantine before the whole group is poison; both must hold."""

    max_share: float
    max_rows: int

    def holds(self, group: GroupCount) -> bool:
        """Whether the group may be published without its held rows."""
        return group.held <= self.max_rows and group.held <= self.max_share * group.rows


@dataclass(frozen=True)
class Block:
    """One thing that stops the batch: a group with too many held rows (`group`), or a critical rule (`rule`)."""

    text: str
    rule: str | None = None
    group: str | None = None
    key: str | None = None


@dataclass(frozen=True)
class Decision:
    """Published or not, and what stands in the way."""

    blocks: tuple[Block, ...] = ()

    @property
    def publishes(self) -> bool:
        """Whether the batch may be published."""
        return not self.blocks


def decide(results: Iterable[RuleResult], groups: Sequence[GroupCount], limits: Limits) -> Decision:
    """Block on every critical rule that is broken beyond its threshold and on every poison group."""
    broken = [result for result in results if result.severity is Severity.CRITICAL and not result.passed]
    poison = sorted((group for group in groups if not limits.holds(group)), key=lambda group: (-group.held, group.name))
    return Decision((*(_of_group(group, limits) for group in poison), *(_of_rule(result) for result in broken)))


def _of_group(group: GroupCount, limits: Limits) -> Block:
    share = group.held / group.rows
    return Block(
        f"{group.name}: {group.held} of {group.rows} rows ({share:.1%}) break rules; "
        f"at most {limits.max_rows} rows and {limits.max_share:.0%} may",
        group=group.name,
        key=group.key,
    )


def _of_rule(result: RuleResult) -> Block:
    what = f"rule {result.rule}: {result.failed} of {result.checked} broken"
    return Block(f"{what} ({result.observed})" if result.observed else what, rule=result.rule, group=result.worst)
