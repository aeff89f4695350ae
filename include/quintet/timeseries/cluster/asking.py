"""Asking the nodes: one live replica of each shard, or all of them.

A question goes to the first serving node of each shard, all nodes at once; what a node does not answer goes to the
next one. Nothing is left out in silence: a shard that nobody answers for is an error that names it and the reason of
every node.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from quintet.errors import ServiceDownError
from quintet.timeseries.cluster.errors import ShardDownError, StaleError
from quintet.timeseries.cluster.gather import gather
from quintet.timeseries.cluster.nodeclient import NodeClients
from quintet.timeseries.cluster.placement import Placement
from quintet.timeseries.cluster.question import Answer, Question
from quintet.timeseries.cluster.replica import Freshness
from quintet.timeseries.model import Scan

__all__ = ["Answered", "Asker", "Source"]

#: Seconds for which a node that did not answer is asked last, and between two looks for a newer placement.
_SUSPECT, _LOOK = 5.0, 0.05
_THREADS = 32


@dataclass(frozen=True)
class Source:
    """Who answered for a shard, and how far that replica was."""

    node: str
    freshness: Freshness


@dataclass(frozen=True)
class Answered:
    """Answers of all shards, and where each came from."""

    answers: tuple[Answer, ...]
    sources: Mapping[int, Source]

    @property
    def scan(self) -> Scan:
        """The points of all shards."""
        return gather([one.scan for one in self.answers if one.scan is not None])

    @property
    def lag(self) -> int:
        """Records of the log that the answer may lack, at most, over all shards."""
        return sum(one.freshness.lag or 0 for one in self.sources.values())

    @property
    def stale(self) -> float | None:
        """Seconds that the oldest part of the answer may be behind; None: not known."""
        known = [one.freshness.stale for one in self.sources.values()]
        return None if None in known else max((one for one in known if one is not None), default=0.0)


@dataclass
class _Round:
    """Shards that still want an answer, and why the nodes asked so far gave none."""

    placement: Placement
    open: set[int]
    reasons: dict[int, dict[str, str]] = field(default_factory=dict)
    alive: set[int] = field(default_factory=set)


class Asker:
    """Asks nodes; safe for many threads. placement: gives the newest one known. The clients are the caller's."""

    def __init__(self, placement: Callable[[], Placement | None], clients: NodeClients) -> None:
        self._placement = placement
        self._clients = clients
        self._threads = ThreadPoolExecutor(_THREADS, "router")
        self._suspect: dict[str, float] = {}

    def known(self) -> Placement:
        """The newest placement known. Raises ShardDownError where there is none."""
        found = self._placement()
        if found is None:
            raise ShardDownError("no placement is known", shards=(), remedy="Run `placement create`, then `join`")
        return found

    def every_shard(self, question: Question) -> Answered:
        """Answers of one replica of each shard.

        Raises:
            StaleError: replicas of a shard answer, none is as fresh as asked.
            ShardDownError: no replica of a shard answers, or no placement is known.
            InputError: the question cannot be answered.

        """
        answers: list[Answer] = []
        sources: dict[int, Source] = {}
        placement = self.known()
        now = _Round(placement, set(range(placement.shards)))
        deadline = time.monotonic() + question.patience
        while now.open:
            asked = self._next(now)
            if not asked:
                now = self._newer(now, deadline)
                continue
            for node, answer in self._ask_all(now, question, asked):
                answers.append(answer)
                for shard, freshness in answer.fresh.items():
                    sources[shard] = Source(node, freshness)
                    now.open.discard(shard)
        return Answered(tuple(answers), sources)

    def _next(self, now: _Round) -> dict[str, list[int]]:
        """The next node of each shard that was not asked yet: shards by node."""
        asked: dict[str, list[int]] = {}
        moment = time.monotonic()
        for shard in sorted(now.open):
            left = [one for one in now.placement.replicas[shard].serving if one not in now.reasons.get(shard, {})]
            # Sorting is stable: among nodes without trouble the placement's order stays.
            left.sort(key=lambda node: self._suspect.get(node, 0.0) > moment)
            if left:
                asked.setdefault(left[0], []).append(shard)
        return asked

    def _ask_all(self, now: _Round, question: Question, asked: dict[str, list[int]]) -> list[tuple[str, Answer]]:
        running = {
            node: self._threads.submit(self._ask_one, now.placement, node, replace(question, shards=tuple(shards)))
            for node, shards in asked.items()
        }
        found = []
        for node, future in running.items():
            answer = future.result()
            if isinstance(answer, ServiceDownError):
                self._suspect[node] = time.monotonic() + _SUSPECT
                for shard in asked[node]:
                    now.reasons.setdefault(shard, {})[node] = answer.message
                continue
            self._suspect.pop(node, None)
            found.append((node, answer))
            for shard, why in answer.refused.items():
                now.reasons.setdefault(shard, {})[node] = why
                now.alive.add(shard)
        return found

    def _ask_one(self, placement: Placement, node: str, question: Question) -> Answer | ServiceDownError:
        try:
            return self._clients.at(placement.nodes[node]).ask(question)
        except ServiceDownError as error:
            return error

    def _newer(self, now: _Round, deadline: float) -> _Round:
        """The same shards under a newer placement, which may have been recorded while nodes were asked.

        Raises:
            ShardDownError: there is none, or it does not come before the deadline.

        """
        while True:
            placement = self.known()
            if placement.version > now.placement.version:
                return _Round(placement, set(now.open))
            # A node that is alive and says no may know a newer placement than this router.
            if not now.open & now.alive or time.monotonic() >= deadline:
                raise self._refusal(now)
            time.sleep(_LOOK)

    def _refusal(self, now: _Round) -> ShardDownError:
        shards = tuple(sorted(now.open))
        reasons = []
        for shard in shards[:3]:
            said = "; ".join(f"{node}: {why}" for node, why in now.reasons.get(shard, {}).items())
            reasons.append(f"shard {shard} ({said or 'no node serves it'})")
        more = f" and {len(shards) - 3} more" if len(shards) > 3 else ""
        text = f"{', '.join(reasons)}{more} of {now.placement.shards} shards"
        if set(shards) <= now.alive:
            return StaleError(
                f"no replica is fresh enough: {text}", shards=shards, remedy="Ask again, or allow staler answers"
            )
        return ShardDownError(
            f"no replica answers: {text}", shards=shards, remedy="Start a node that serves them; no part is left out"
        )

    def every_replica(self, question: Question) -> list[Any]:
        """What all replicas of all shards say; the nodes are asked at once.

        Raises:
            ShardDownError: a node did not answer; the others have.

        """
        placement = self.known()
        asked = {
            node: [shard for shard, serves in placement.kept_by(node).items() if serves] for node in placement.nodes
        }
        asking = _Round(placement, set())
        answers = self._ask_all(asking, question, asked)
        if asking.reasons:
            asking.open = set(asking.reasons)
            raise self._refusal(asking)
        return [answer.data for _, answer in answers]

    def close(self) -> None:
        """End the threads that ask."""
        self._threads.shutdown()
