"""What happens to events on their way: delays, repetitions, records that are broken, records that are no events.

Delays leave a gap around `LATENESS_MS`: an event is clearly late or clearly not, whatever a clock does in between.
"""

from __future__ import annotations

import numpy as np

from quintet.ecommerce.columns import Columns, joined, length, taken
from quintet.ecommerce.definitions import CLOCK_AHEAD, INVALID, KINDS, LATENESS_MS
from quintet.ecommerce.draws import Array, log_normal, log_uniform, pick, some

__all__ = ["AHEAD", "MALFORMED", "arrivals", "broken", "duplicates", "malformed", "reason_of"]

#: Thousandths of the events that come late, out of order, twice, twice and the second time late.
LATE, OUT_OF_ORDER, TWICE, TWICE_LATE = 10.0, 20.0, 14.0, 1.0
#: Broken and malformed records for each thousand events.
BROKEN, MALFORMED_SHARE = 3.0, 3.0
_PROMPT = np.minimum(1500, log_normal(120, 0.8))
_DISORDER = log_uniform(1500, LATENESS_MS // 2)
_DELAY = log_uniform(LATENESS_MS * 3 // 2, 6 * 3_600_000)
_AGAIN = log_uniform(10, LATENESS_MS // 4)
#: Ways to be no event at all.
MALFORMED = ("no_avro", "unknown_schema", "cut_off", "empty")
#: Mark of a record whose sender's clock is ahead; other marks are 1 + the place of the broken rule.
AHEAD = -1
_FAR_AHEAD_MS = 3 * 3_600_000


def arrivals(rng: np.random.Generator, columns: Columns) -> Columns:
    """Events with the time of their arrival, all whole and for the first time."""
    count = length(columns)
    delay = pick(rng, _PROMPT, count)
    for share, table in ((OUT_OF_ORDER, _DISORDER), (LATE, _DELAY)):
        chosen = some(rng, share, count)
        delay[chosen] = pick(rng, table, int(chosen.sum()))
    nothing = np.zeros(count, np.int64)
    return {**columns, "arrived": columns["ts"] + delay, "copy": nothing, "broken": nothing}


def duplicates(rng: np.random.Generator, columns: Columns) -> Columns:
    """Some of the events once more, later."""
    soon = np.flatnonzero(some(rng, TWICE, length(columns)))
    late = np.flatnonzero(some(rng, TWICE_LATE, length(columns)))
    again = joined([taken(columns, soon), taken(columns, late)])
    wait = np.concatenate([pick(rng, _AGAIN, len(soon)), pick(rng, _DELAY, len(late))])
    return {**again, "arrived": again["arrived"] + wait, "copy": np.ones(len(wait), np.int64)}


def broken(rng: np.random.Generator, kind: str, columns: Columns) -> Columns:
    """Records made of some of the events, each with one of the kind's rules broken."""
    found = taken(columns, np.flatnonzero(some(rng, BROKEN, length(columns))))
    found = {name: values.copy() for name, values in found.items()}
    rules = len(INVALID[kind])
    rule = rng.integers(0, rules + 1, length(found))
    found["broken"] = np.where(rule < rules, rule + 1, AHEAD)
    # A session and order of their own: they are no duplicates of what they were made of.
    for name in ("session", "order"):
        if name in found:
            found[name] = -1 - found[name]
    ahead = rule == rules
    found["ts"][ahead] = found["arrived"][ahead] + _FAR_AHEAD_MS
    _BREAK[kind](found, rule)
    return found


def reason_of(kind: str, mark: int) -> str:
    """Name of the rule that a mark stands for."""
    return CLOCK_AHEAD if mark == AHEAD else list(INVALID[kind])[mark - 1]


def malformed(rng: np.random.Generator, count: int, begin_ms: int, end_ms: int) -> Columns:
    """Records that are no events: when they came, in whose topic, in which way; for so many events."""
    made = int(count * MALFORMED_SHARE / 1000 + rng.integers(0, 1000) / 1000)
    return {
        "ts": (at := begin_ms + rng.integers(0, end_ms - begin_ms, made)),
        "arrived": at,
        "kind": rng.integers(0, len(KINDS), made),
        "way": rng.integers(0, len(MALFORMED), made),
        "nonce": rng.integers(0, 2**40, made),
    }


def _page(found: Columns, rule: Array) -> None:
    # The text of such a page is its number.
    found["page"][rule == 0] = -1


def _addition(found: Columns, rule: Array) -> None:
    found["quantity"][rule == 0] = -(found["quantity"][rule == 0] - 1)


def _purchase(found: Columns, rule: Array) -> None:
    found["total"][rule == 0] *= -1
    found["lines"][rule == 1] = 0


def _stock(found: Columns, rule: Array) -> None:
    found["delta"][rule == 0] = 0


def _search(found: Columns, rule: Array) -> None:
    found["results"][rule == 0] = -1


_BREAK = {
    "page_view": _page,
    "add_to_cart": _addition,
    "purchase": _purchase,
    "inventory_update": _stock,
    "search": _search,
}
