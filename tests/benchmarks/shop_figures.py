"""What a benchmark makes of its looks at figures while a load goes on. Times are seconds since the epoch.

A figure tells how many records it counts, not which: those of a kind are taken to be counted in the order of arrival.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from measuring import percentiles

__all__ = ["Look", "Watched"]

#: Share of the load before its rate is taken: all is cold then.
COLD = 0.1


@dataclass(frozen=True)
class Look:
    """Records that the figures counted, by kind, when the answer was there."""

    at: float
    counted: Mapping[str, int]

    @property
    def total(self) -> int:
        return sum(self.counted.values())


@dataclass(frozen=True)
class Watched:
    """A load from its first moment to its last: when records were to arrive, by kind and in order, and the looks."""

    begin: float
    end: float
    arrivals: Mapping[str, Sequence[float]]
    looks: Sequence[Look]

    def arrived(self, at: float) -> int:
        """Records that were to be there before a moment."""
        return sum(bisect_left(times, at) for times in self.arrivals.values())

    def counted(self, at: float) -> int:
        """Records that the figures counted at the last look until a moment."""
        looks = bisect_right(self.looks, at, key=lambda look: look.at)
        return self.looks[looks - 1].total if looks else 0

    def age(self, look: Look) -> float:
        """Since when the record waits that is missing for the longest time; 0: none that has arrived is missing."""
        counts = ((times, look.counted.get(kind, 0)) for kind, times in self.arrivals.items())
        return max(0.0, max((look.at - times[count] for times, count in counts if count < len(times)), default=0.0))

    def ages(self) -> dict[str, float]:
        """Milliseconds by which the figures were behind, at the looks while the load went on."""
        seen = [look for look in self.looks if self.begin <= look.at <= self.end]
        ended = {number: look.at for number, look in enumerate(seen)}
        return percentiles({number: look.at - self.age(look) for number, look in enumerate(seen)}, ended)

    def counted_per_second(self) -> float:
        """Records a second that came into the figures while the load went on, without its cold beginning.

        Between two looks at which they had just come: they come in steps, of a second or so.
        """
        warm = self.begin + COLD * (self.end - self.begin)
        steps = [now for before, now in pairwise(self.looks) if now.total > before.total and warm <= now.at <= self.end]
        if len(steps) < 2:
            return 0.0
        return (steps[-1].total - steps[0].total) / (steps[-1].at - steps[0].at)

    def all_counted_after(self) -> float | None:
        """Seconds from the last record to the first look at which none was missing; None: some were to the end."""
        total, last = self.arrived(self.end), max(times[-1] for times in self.arrivals.values() if len(times))
        return next((look.at - last for look in self.looks if look.total >= total), None)

    def stretches(self, due: Mapping[int, float], seen: Mapping[int, float], width: int) -> list[dict[str, Any]]:
        """A row for each so many seconds of the load; `due` and `seen` are instants of its probes, in their order."""
        limits = [*range(0, round(self.end - self.begin), width), round(self.end - self.begin)]
        moments, rows = list(due.values()), []
        for first, last in pairwise(limits):
            begin, end = self.begin + first, self.begin + last
            inside = list(due)[bisect_left(moments, begin) : bisect_left(moments, end)]
            found = percentiles({number: due[number] for number in inside}, seen)
            rows.append(
                {
                    "from_s": first,
                    "arrived": self.arrived(end) - self.arrived(begin),
                    "counted": self.counted(end) - self.counted(begin),
                    "behind": self.arrived(end) - self.counted(end),
                    "probes_p50_ms": found["p50"],
                    "probes_max_ms": found["max"],
                }
            )
        return rows
