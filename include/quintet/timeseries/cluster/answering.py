"""How a node answers: each shard for itself, so that one that cannot does not keep the others from it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from quintet.errors import InputError, QuintetError
from quintet.timeseries.cluster.gather import gather, summed, touched
from quintet.timeseries.cluster.node import Node
from quintet.timeseries.cluster.question import Answer, Kind, Question
from quintet.timeseries.cluster.replica import Freshness, Replica
from quintet.timeseries.downsample import Touch
from quintet.timeseries.model import Scan, ScanStats
from quintet.timeseries.rollup import as_scan

__all__ = ["answer"]


def answer(node: Node, question: Question) -> Answer:
    """What the node says to a question.

    Raises:
        InputError: the question itself cannot be answered by anyone, for example a matcher that cannot be read.

    """
    fresh: dict[int, Freshness] = {}
    refused: dict[int, str] = {}
    found: list[Any] = []
    deadline = time.monotonic() + question.patience
    for shard in question.shards:
        try:
            # How fresh it was before the question: what comes meanwhile may be in the answer or not.
            freshness = _ready(node, shard, question, deadline)
            replica = node.replica(shard)
            if isinstance(freshness, str) or replica is None:
                refused[shard] = freshness if isinstance(freshness, str) else "is not served here"
                continue
            found.append(_ASK[question.kind](replica, question))
            fresh[shard] = freshness
        except InputError:
            raise
        except (QuintetError, OSError) as error:
            refused[shard] = str(error)
    if question.kind in _POINTS:
        return Answer(fresh, refused, scan=gather(found))
    return Answer(fresh, refused, data=_JOIN[question.kind](found))


def _ready(node: Node, shard: int, question: Question, deadline: float) -> Freshness | str:
    """How fresh a shard is, or why it must not answer."""
    replica = node.replica(shard)
    if replica is None:
        return "is not served here"
    offset = question.after.get(shard)
    if offset is not None and not replica.wait(offset, max(0.0, deadline - time.monotonic())):
        return f"has not reached offset {offset} of the log within {question.patience:g} s"
    freshness = replica.freshness()
    if question.max_stale is not None and (freshness.stale is None or freshness.stale > question.max_stale):
        behind = "for an unknown time" if freshness.stale is None else f"by {freshness.stale:.1f} s"
        return f"is behind the log {behind} (lag {freshness.lag} records)"
    return freshness


def _scan(replica: Replica, question: Question) -> Scan:
    return replica.scan(question.matchers, question.start, question.end)


def _explain(replica: Replica, question: Question) -> ScanStats:
    return replica.explain(question.matchers, question.start, question.end)


def _downsample(replica: Replica, question: Question) -> Scan:
    return as_scan(replica.aggregates(question.matchers, question.start, question.end, question.step))


def _explain_downsample(replica: Replica, question: Question) -> list[Touch]:
    return replica.explain_downsample(question.matchers, question.start, question.end, question.step)


def _compact(replica: Replica, question: Question) -> dict[str, int]:
    return asdict(replica.store.compact())


#: Kinds whose answer is points.
_POINTS: frozenset[Kind] = frozenset({"scan", "downsample"})
_ASK: dict[Kind, Callable[[Replica, Question], Any]] = {
    "scan": _scan,
    "explain": _explain,
    "downsample": _downsample,
    "explain_downsample": _explain_downsample,
    "series": lambda replica, question: replica.series(question.matchers, question.start, question.end),
    "label_names": lambda replica, question: replica.label_names(question.start, question.end),
    "label_values": lambda replica, question: replica.label_values(question.name, question.start, question.end),
    "stats": lambda replica, _: asdict(replica.stats()),
    "flush": lambda replica, _: replica.store.flush(),
    "compact": _compact,
    "roll_up": lambda replica, _: replica.store.roll_up(),
    "retain": lambda replica, question: replica.store.retain(question.end),
    "move_tiers": lambda replica, question: replica.store.move_tiers(question.end),
}
_JOIN: dict[Kind, Callable[[list[Any]], Any]] = {
    "explain": lambda found: asdict(summed(found)),
    "explain_downsample": lambda found: [asdict(one) for one in touched(one for part in found for one in part)],
    "series": lambda found: sorted(one for part in found for one in part),
    "label_names": lambda found: sorted({one for part in found for one in part}),
    "label_values": lambda found: sorted({one for part in found for one in part}),
    "stats": lambda found: found,
    "flush": lambda _: None,
    "compact": lambda found: found,
    "roll_up": lambda found: found,
    "retain": sum,
    "move_tiers": sum,
}
