"""The two statistics that compare a group with its history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log
from statistics import median

__all__ = ["population_stability", "robust_z"]

#: Makes the median absolute deviation of normal data equal to its standard deviation.
_MAD_TO_SIGMA = 1.4826
#: Counts added to each category so that an empty one has a logarithm.
_SMOOTHING = 0.5


def robust_z(value: float, history: Sequence[float], *, floor: float) -> float:
    """Distance of a value from the median of its history, in deviations.

    The deviation is the median absolute one, scaled to sigma, but at least `floor` times the median's size: history
    that hardly varies would make every day an outlier. Infinite when both are zero and the value is not the median.

    Source: B. Iglewicz, D. Hoaglin, How to Detect and Handle Outliers (1993), 3.3; the floor is our own derivation.
    """
    centre = median(history)
    spread = max(_MAD_TO_SIGMA * median(abs(entry - centre) for entry in history), floor * abs(centre))
    distance = abs(value - centre)
    if spread == 0:
        return 0.0 if distance == 0 else float("inf")
    return distance / spread


def population_stability(found: Mapping[str, float], baseline: Mapping[str, float]) -> float:
    """Population stability index between two sets of counts by category; 0: equal shares.

    Customary reading: below 0.1 nothing, above 0.25 another population. Each count is raised by a half.

    Source: N. Siddiqi, Credit Risk Scorecards (2006), ch. 9; the smoothing is our own derivation.
    """
    names = sorted({*found, *baseline})
    pairs = zip(_shares(found, names), _shares(baseline, names), strict=True)
    return sum((new - old) * log(new / old) for new, old in pairs)


def _shares(counts: Mapping[str, float], names: Sequence[str]) -> list[float]:
    raised = [counts.get(name, 0.0) + _SMOOTHING for name in names]
    return [count / sum(raised) for count in raised]
