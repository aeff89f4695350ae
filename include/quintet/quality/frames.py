"""Rules that need other rows of the frame, or another frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from quintet.quality.model import Finding, FrameRule

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["Referential", "Unique"]

#: Values shown of what broke a rule.
_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class Unique(FrameRule):
    """No two rows share the values of the columns; rows with a null among them are left out."""

    kind: ClassVar[str] = "unique"
    columns: tuple[str, ...]

    def find(self, frame: DataFrame, references: Mapping[str, DataFrame]) -> Finding:
        """Count the surplus rows."""
        repeated = frame.select(*self.columns).dropna().groupBy(*self.columns).count()
        rows, keys = repeated.selectExpr("coalesce(sum(count), 0)", "count(*)").collect()[0]
        surplus = int(rows - keys)
        shown = repeated.where("count > 1").orderBy(*self.columns).limit(_SHOWN).collect() if surplus else []
        failing = tuple("|".join(str(found[name]) for name in self.columns) for found in shown)
        return Finding(int(rows), surplus, f"{surplus} surplus rows", failing)


@dataclass(frozen=True, kw_only=True)
class Referential(FrameRule):
    """Every value of `column` exists in `reference_column` of the frame `reference`; nulls are left out.

    Without that frame, or when it is empty, nothing is judged: a feed that a lab does not have cannot be missed.
    """

    kind: ClassVar[str] = "referential"
    column: str
    reference: str
    reference_column: str

    def find(self, frame: DataFrame, references: Mapping[str, DataFrame]) -> Finding:
        """Count the rows whose value is unknown."""
        known = references.get(self.reference)
        if known is None or known.isEmpty():
            return Finding(0, 0, f"not judged: there is no {self.reference}")
        values = known.selectExpr(f"{self.reference_column} AS {self.column}", "true AS is_known").dropna().distinct()
        used = frame.groupBy(self.column).count().dropna(subset=[self.column])
        checked, failed, shown = (
            used.join(values, on=self.column, how="left")
            .selectExpr(
                "coalesce(sum(count), 0)",
                "coalesce(sum(count) FILTER (WHERE is_known IS NULL), 0)",
                f"slice(sort_array(collect_set({self.column}) FILTER (WHERE is_known IS NULL)), 1, {_SHOWN})",
            )
            .collect()[0]
        )
        return Finding(
            int(checked), int(failed), f"{failed} rows with unknown values", tuple(str(value) for value in shown)
        )
