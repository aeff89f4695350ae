"""How much a query may touch."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from quintet.timeseries.model import ScanStats
from quintet.timeseries.promql.errors import QueryLimitError, QueryTimeoutError

__all__ = ["Budget", "QueryLimits"]


@dataclass(frozen=True, kw_only=True)
class QueryLimits:
    """Limits of one query.

    points: read from the store; series: read by one selector; cells: series times steps of one selector; steps: of a
    range; seconds: time.
    """

    points: int = 50_000_000
    series: int = 100_000
    seconds: float = 60.0
    steps: int = 11_000
    cells: int = 50_000_000


@dataclass
class Budget:
    """What is left of the limits during one query."""

    limits: QueryLimits
    points: int = 0
    started: float = field(default_factory=time.monotonic)

    def check_time(self) -> None:
        """Refuse to go on after the time is up.

        Raises:
            QueryTimeoutError: it is.

        """
        if time.monotonic() - self.started > self.limits.seconds:
            raise QueryTimeoutError(
                f"the query took more than {self.limits.seconds:g} s", remedy="Ask for fewer series or a shorter time"
            )

    def take_scan(self, expected: ScanStats) -> None:
        """Count what a scan is going to read, in blocks and in memory.

        Raises:
            QueryLimitError: more than the query may touch.

        """
        self.take(expected.points + expected.head_points)

    def take(self, points: int, series: int = 0) -> None:
        """Count points that are going to be read.

        Raises:
            QueryLimitError: more than the query may touch.

        """
        self.points += points
        for count, limit, what in (
            (self.points, self.limits.points, "points"),
            (series, self.limits.series, "series"),
        ):
            if count > limit:
                raise QueryLimitError(
                    f"the query touches {count} {what}, the limit is {limit}",
                    remedy="Select fewer series or a shorter time",
                )

    def take_cells(self, cells: int) -> None:
        """Refuse more values at once than fit.

        Raises:
            QueryLimitError: more than the limit.

        """
        if cells > self.limits.cells:
            raise QueryLimitError(
                f"the query has {cells} values (series times steps), the limit is {self.limits.cells}",
                remedy="Select fewer series or take a larger step",
            )

    def check_steps(self, steps: int) -> None:
        """Refuse a range of too many steps.

        Raises:
            QueryLimitError: it has more than the limit.

        """
        if steps > self.limits.steps:
            raise QueryLimitError(
                f"the range has {steps} steps, the limit is {self.limits.steps}", remedy="Take a larger step"
            )
