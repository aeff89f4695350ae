"""The cluster as one store: writes go to the log, questions to one live replica of each shard.

A question goes to the first serving node of each shard, all nodes at once; what a node does not answer goes to the
next one. An answer says which node gave each shard and how far behind the log that was. Nothing is left out in
silence: a shard that nobody answers for is an error that names it and the reason of every node.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, fields, replace
from typing import Any

from quintet.errors import ServiceDownError
from quintet.timeseries.cluster.errors import ShardDownError, StaleError
from quintet.timeseries.cluster.gather import gather
from quintet.timeseries.cluster.log import LogEnds, LogWriter
from quintet.timeseries.cluster.nodeclient import NodeClients
from quintet.timeseries.cluster.placement import Placement
from quintet.timeseries.cluster.question import Answer, Kind, Question
from quintet.timeseries.cluster.record import Deletion
from quintet.timeseries.cluster.replica import Freshness
from quintet.timeseries.model import (
    MAX_TIME,
    METRIC,
    MIN_TIME,
    Batch,
    Cardinality,
    CompactReport,
    Labels,
    Matcher,
    Scan,
    ScanStats,
    StoreStats,
)

__all__ = ["Answered", "Router", "RouterOptions", "Source"]

#: Seconds for which a node that did not answer is asked last, and between two looks for a newer placement.
_SUSPECT, _LOOK = 5.0, 0.05
_THREADS = 32


@dataclass(frozen=True, kw_only=True)
class RouterOptions:
    """max_stale: seconds that a replica may be behind the log to answer; None: any.

    read_own_writes: a question sees what this router wrote before it: replicas wait for it up to `patience` seconds.
    """

    max_stale: float | None = 10.0
    patience: float = 5.0
    read_own_writes: bool = True


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


class Router:
    """A `Storage` over the cluster; safe for many threads. placement: gives the newest one known.

    The writer and the clients are the caller's to close.
    """

    def __init__(
        self,
        writer: LogWriter,
        placement: Callable[[], Placement | None],
        clients: NodeClients,
        options: RouterOptions | None = None,
        ends: LogEnds | None = None,
    ) -> None:
        self._writer = writer
        self._placement = placement
        self._clients = clients
        self._ends = ends
        self.options = options or RouterOptions()
        self._threads = ThreadPoolExecutor(_THREADS, "router")
        self._lock = threading.Lock()
        self._written: dict[int, int] = {}
        self._suspect: dict[str, float] = {}
        self._appended = 0

    def write(self, batch: Batch) -> dict[int, int]:
        """Write points; offset of the last record in each shard concerned: what `ask(after=…)` takes.

        Raises:
            PointsRefusedError: the batch is malformed; nothing of it is written.
            LogError: Kafka did not acknowledge; the points may be stored or not.

        """
        return self._remember(self._writer.write(batch), len(batch))

    def _remember(self, offsets: dict[int, int], points: int = 0) -> dict[int, int]:
        with self._lock:
            self._appended += points
            for shard, offset in offsets.items():
                self._written[shard] = max(offset, self._written.get(shard, -1))
        return offsets

    def newest(self) -> dict[int, int]:
        """Offset of the last record in each shard's log now: with `ask(after=…)` everything acknowledged is seen.

        Raises:
            LogError: Kafka does not answer.

        """
        if self._ends is None:
            raise ValueError("the router was made without LogEnds")
        ends = self._ends.following(range(self._known().shards))
        return {shard: end - 1 for shard, end in ends.items() if end}

    def ask(
        self,
        kind: Kind,
        matchers: Sequence[Matcher] = (),
        start: int = MIN_TIME,
        end: int = MAX_TIME,
        *,
        name: str = "",
        after: Mapping[int, int] | None = None,
        max_stale: float | None = None,
    ) -> Answered:
        """Ask every shard. after: shards that must hold the record at an offset; max_stale: seconds, None: as set.

        Raises:
            StaleError: replicas of a shard answer, none is as fresh as asked.
            ShardDownError: no replica of a shard answers.
            InputError: the question cannot be answered.

        """
        own = self._own() if self.options.read_own_writes else {}
        question = Question(
            kind=kind,
            shards=(),
            matchers=tuple(matchers),
            start=start,
            end=end,
            name=name,
            after={shard: max(own.get(shard, -1), (after or {}).get(shard, -1)) for shard in {*own, *(after or {})}},
            patience=self.options.patience,
            max_stale=self.options.max_stale if max_stale is None else max_stale,
        )
        return self._answered(question)

    def _own(self) -> dict[int, int]:
        with self._lock:
            return dict(self._written)

    def _known(self) -> Placement:
        found = self._placement()
        if found is None:
            raise ShardDownError("no placement is known", shards=(), remedy="Run `placement create`, then `join`")
        return found

    def _answered(self, question: Question) -> Answered:
        answers: list[Answer] = []
        sources: dict[int, Source] = {}
        placement = self._known()
        now = _Round(placement, set(range(placement.shards)))
        deadline = time.monotonic() + self.options.patience
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
            placement = self._known()
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

    def append(self, batch: Batch) -> int:
        """Write points; how many, once Kafka has acknowledged all of them. Raises as `write`."""
        self.write(batch)
        return len(batch)

    def scan(self, matchers: Sequence[Matcher], start: int, end: int) -> Scan:
        """Points of the series that fit all matchers. Raises as `ask`."""
        return self.ask("scan", matchers, start, end).scan

    def explain(self, matchers: Sequence[Matcher], start: int, end: int) -> ScanStats:
        """What `scan` would touch."""
        found = [ScanStats(**one) for one in self._data("explain", matchers, start, end)]
        return ScanStats(**{one.name: sum(getattr(part, one.name) for part in found) for one in fields(ScanStats)})

    def _data(
        self, kind: Kind, matchers: Sequence[Matcher] = (), start: int = MIN_TIME, end: int = MAX_TIME, name: str = ""
    ) -> list[Any]:
        return [one.data for one in self.ask(kind, matchers, start, end, name=name).answers]

    def series(self, matchers: Sequence[Matcher], start: int, end: int) -> list[Labels]:
        """Series that fit, sorted."""
        found = [one for part in self._data("series", matchers, start, end) for one in part]
        return sorted(tuple((name, value) for name, value in labels) for labels in found)

    def label_names(self, start: int = MIN_TIME, end: int = MAX_TIME) -> list[str]:
        """Names of labels, sorted."""
        return sorted({one for part in self._data("label_names", (), start, end) for one in part})

    def label_values(self, name: str, start: int = MIN_TIME, end: int = MAX_TIME) -> list[str]:
        """Values of a label, sorted."""
        return sorted({one for part in self._data("label_values", (), start, end, name) for one in part})

    def cardinality(self) -> Cardinality:
        """Distinct series: in all, by metric; distinct values by label."""
        everything = self.series((), MIN_TIME, MAX_TIME)
        metrics = Counter(dict(labels).get(METRIC, "") for labels in everything)
        names = Counter(name for name, _ in {pair for labels in everything for pair in labels})
        return Cardinality(len(everything), dict(metrics.most_common()), dict(names.most_common()))

    def delete(self, matchers: Sequence[Matcher], start: int, end: int) -> int:
        """Delete points that are acknowledged by now, in every replica; series concerned.

        The deletion is a record of the log, in its order with the points. Raises as `ask` and `write`.
        """
        concerned = len(self.series(matchers, start, end))  # and a matcher that cannot be read is found here
        self._remember(self._writer.delete(Deletion(tuple(matchers), start, end)))
        return concerned

    def flush(self) -> None:
        """Write what is in memory as blocks, in every replica. Raises ShardDownError as `compact`."""
        self._everywhere("flush")

    def compact(self) -> CompactReport:
        """Merge blocks in every replica.

        Raises:
            ShardDownError: a node did not do it; the others have.

        """
        found = [one for part in self._everywhere("compact") for one in part]
        return CompactReport(**{one.name: sum(part[one.name] for part in found) for one in fields(CompactReport)})

    def retain(self, now: int) -> int:
        """Remove blocks past their retention, in every replica; how many. Raises ShardDownError as `compact`."""
        return sum(self._everywhere("retain", now))

    def move_tiers(self, now: int) -> int:
        """Move old blocks, in every replica; how many. Raises ShardDownError as `compact`."""
        return sum(self._everywhere("move_tiers", now))

    def _everywhere(self, kind: Kind, now: int = MAX_TIME) -> list[Any]:
        """Ask all replicas of all shards."""
        placement = self._known()
        asked = {
            node: [shard for shard, serves in placement.kept_by(node).items() if serves] for node in placement.nodes
        }
        asking = _Round(placement, set())
        # What this router wrote is meant too, and may still be on its way to a replica.
        question = Question(kind=kind, shards=(), end=now, after=self._own(), patience=self.options.patience)
        answers = self._ask_all(asking, question, asked)
        if asking.reasons:
            asking.open = set(asking.reasons)
            raise self._refusal(asking)
        return [answer.data for _, answer in answers]

    def stats(self) -> StoreStats:
        """Figures of one replica of each shard, added up."""
        parts = [one for part in self._data("stats") for one in part]
        numbers = {
            one.name: sum(part[one.name] for part in parts) for one in fields(StoreStats) if one.type in {"int", int}
        }
        lows = [part["min_time"] for part in parts if part["min_time"] is not None]
        troubles = "; ".join(part["trouble"] for part in parts if part["trouble"])
        return StoreStats(**{**numbers, "min_time": min(lows, default=None), "trouble": troubles})

    def lags(self) -> dict[int, Source]:
        """How far the replica that would answer is, for each shard. Raises QuintetError as `ask`."""
        return dict(self.ask("label_names").sources)

    def close(self) -> None:
        """End the threads that ask."""
        self._threads.shutdown()
