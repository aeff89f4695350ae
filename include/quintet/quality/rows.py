"""Rules that judge a row by itself.

Each knows the condition under which a row breaks it, as Spark SQL: one text that Spark compiles, that a report can show
and that other engines can be asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from quintet.quality.model import RowRule

__all__ = ["Castable", "Compare", "Conditional", "InSet", "Length", "Matches", "NotNull", "Range"]

Operator = Literal["=", "<>", "<", "<=", ">", ">="]


@dataclass(frozen=True, kw_only=True)
class NotNull(RowRule):
    """The column has a value; blank text is one."""

    kind: ClassVar[str] = "not_null"
    column: str
    waivable: bool = False

    def broken_sql(self) -> str:
        """Condition in Spark SQL."""
        return f"{self.column} IS NULL"


@dataclass(frozen=True, kw_only=True)
class Castable(RowRule):
    """The text could be typed: `typed` holds a value where `text` does.

    `required`: blank text breaks the rule too.
    """

    kind: ClassVar[str] = "castable"
    text: str
    typed: str
    required: bool = False
    waivable: bool = False

    def broken_sql(self) -> str:
        """Condition in Spark SQL."""
        return f"{self.typed} IS NULL" + ("" if self.required else f" AND trim({self.text}) <> ''")


@dataclass(frozen=True, kw_only=True)
class InSet(RowRule):
    """The value is one of a list."""

    kind: ClassVar[str] = "in_set"
    column: str
    values: tuple[str, ...]

    def broken_sql(self) -> str:
        """Condition in Spark SQL."""
        return f"{self.column} NOT IN ({', '.join(_quoted(value) for value in self.values)})"


@dataclass(frozen=True, kw_only=True)
class Matches(RowRule):
    """The whole text has a form, given as a regular expression that Java and Python read alike."""

    kind: ClassVar[str] = "matches"
    column: str
    pattern: str

    @property
    def anchored(self) -> str:
        """The expression for the whole text."""
        return f"^(?:{self.pattern})$"

    def broken_sql(self) -> str:
        """Condition in Spark SQL."""
        return f"NOT {self.column} RLIKE {_quoted(self.anchored)}"


@dataclass(frozen=True, kw_only=True)
class Range(RowRule):
    """The value lies between two bounds, both allowed; bounds are numbers, or days as YYYY-MM-DD."""

    kind: ClassVar[str] = "range"
    column: str
    low: float | str | None = None
    high: float | str | None = None

    def __post_init__(self) -> None:
        if self.low is None and self.high is None:
            raise ValueError(f"the rule {self.name} has no bound")

    def broken_sql(self) -> str:
        """Condition in Spark SQL."""
        bounds = (("<", self.low), (">", self.high))
        return " OR ".join(f"{self.column} {sign} {_literal(bound)}" for sign, bound in bounds if bound is not None)


@dataclass(frozen=True, kw_only=True)
class Length(RowRule):
    """The text has between `shortest` and `longest` characters."""

    kind: ClassVar[str] = "length"
    column: str
    shortest: int
    longest: int

    def broken_sql(self) -> str:
        """Condition in Spark SQL."""
        return f"char_length({self.column}) NOT BETWEEN {self.shortest} AND {self.longest}"


@dataclass(frozen=True, kw_only=True)
class Compare(RowRule):
    """Two columns, or expressions in Spark SQL, stand in a relation; a null on either side breaks nothing."""

    kind: ClassVar[str] = "compare"
    left: str
    operator: Operator
    right: str

    def broken_sql(self) -> str:
        """Condition in Spark SQL."""
        return f"NOT (({self.left}) {self.operator} ({self.right}))"


@dataclass(frozen=True, kw_only=True)
class Conditional(RowRule):
    """Where `when` is true, `then` is not false; both are conditions in Spark SQL."""

    kind: ClassVar[str] = "conditional"
    when: str
    then: str

    def broken_sql(self) -> str:
        """Condition in Spark SQL."""
        return f"({self.when}) AND NOT ({self.then})"


def _quoted(text: str) -> str:
    # Spark SQL reads \ in a literal as an escape.
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _literal(bound: float | str) -> str:
    return f"DATE{_quoted(bound)}" if isinstance(bound, str) else str(bound)
