"""The tree of a query. Times and durations are ns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from quintet.timeseries.model import Matcher

__all__ = [
    "Aggregate",
    "Binary",
    "Call",
    "Expression",
    "Kind",
    "Matching",
    "Number",
    "Selector",
    "Subquery",
    "Text",
    "Unary",
]

Kind = Literal["scalar", "vector", "matrix", "string"]
#: A fixed time of evaluation: ns, or the first or last step of the query.
At: TypeAlias = "int | Literal['start', 'end'] | None"


@dataclass(frozen=True)
class Number:
    """A literal."""

    value: float
    kind: Kind = "scalar"


@dataclass(frozen=True)
class Text:
    """A string literal."""

    value: str
    kind: Kind = "string"


@dataclass(frozen=True)
class Selector:
    """Series by their labels, at an instant or, with `range`, over a time."""

    matchers: tuple[Matcher, ...]
    range: int = 0
    offset: int = 0
    at: At = None

    @property
    def kind(self) -> Kind:
        """A matrix with a range."""
        return "matrix" if self.range else "vector"


@dataclass(frozen=True)
class Subquery:
    """An expression evaluated each `step` over a time; step 0 is the default."""

    expression: Expression
    range: int
    step: int = 0
    offset: int = 0
    at: At = None
    kind: Kind = "matrix"


@dataclass(frozen=True)
class Call:
    """A function of arguments."""

    function: str
    arguments: tuple[Expression, ...]
    kind: Kind


@dataclass(frozen=True)
class Unary:
    """Minus."""

    expression: Expression

    @property
    def kind(self) -> Kind:
        """That of the operand."""
        return self.expression.kind


@dataclass(frozen=True)
class Matching:
    """How elements of two vectors find each other: `many` is the side with many elements for one of the other."""

    on: bool = False
    labels: tuple[str, ...] = ()
    many: Literal["", "left", "right"] = ""
    include: tuple[str, ...] = ()


@dataclass(frozen=True)
class Binary:
    """An operator between two expressions; `as_bool` makes a comparison 0 or 1 instead of a filter."""

    operator: str
    left: Expression
    right: Expression
    matching: Matching = Matching()
    as_bool: bool = False

    @property
    def kind(self) -> Kind:
        """A scalar of scalars, else a vector."""
        return "scalar" if self.left.kind == self.right.kind == "scalar" else "vector"


@dataclass(frozen=True)
class Aggregate:
    """An aggregation over the labels that are kept (`by`) or dropped (`without`)."""

    operator: str
    expression: Expression
    parameter: Expression | None = None
    without: bool = False
    labels: tuple[str, ...] = ()
    kind: Kind = "vector"


Expression: TypeAlias = "Number | Text | Selector | Subquery | Call | Unary | Binary | Aggregate"
