"""Events as columns: one set of arrays a kind, an event a place in each.

Shapes: every column has the number of events as its first length. `ts` is when it happened, `arrived` when it reached
the shop's door, ms since the epoch. `copy` is 0 for the first of an event and 1 for a duplicate; `broken` is 0, or 1 +
the place of the rule that the event breaks in `definitions.INVALID`, -1 for a clock that is ahead. Products, users,
pages and queries are places in the shop's tables; `texts.py` knows what the world sees of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from quintet.ecommerce.draws import Array

__all__ = ["CLICKS", "FILTERS", "LINES", "Columns", "Events", "joined", "length", "taken"]

#: Columns of one kind.
Columns = dict[str, Array]
#: Columns by kind.
Events = dict[str, Columns]
#: Places for the lines of a purchase, the clicks and filters of a search; those in use are counted beside them.
LINES, CLICKS, FILTERS = 8, 3, 2


def length(columns: Columns) -> int:
    """Number of events."""
    return len(columns["ts"])


def taken(columns: Columns, places: Array) -> Columns:
    """The events at these places (numbers, or one bool an event)."""
    return {name: values[places] for name, values in columns.items()}


def joined(parts: Sequence[Mapping[str, Array]]) -> Columns:
    """All events of parts that have the same columns, one behind the other."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
