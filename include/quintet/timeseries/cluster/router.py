"""The cluster as one store: writes go to the log, questions to one live replica of each shard.

How nodes are asked: `quintet.timeseries.cluster.asking`. An answer says which node gave each shard and how far behind
the log that was.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pyarrow as pa

from quintet.timeseries.aggregates import bucketed
from quintet.timeseries.cluster.asking import Answered, Asker, Source
from quintet.timeseries.cluster.gather import touched
from quintet.timeseries.cluster.log import LogEnds, LogWriter
from quintet.timeseries.cluster.nodeclient import NodeClients
from quintet.timeseries.cluster.placement import Placement
from quintet.timeseries.cluster.question import Kind, Question
from quintet.timeseries.cluster.record import Deletion
from quintet.timeseries.downsample import ROWS, Fill, Touch, filled_table
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
from quintet.timeseries.rollup import of_scan

__all__ = ["Router", "RouterOptions"]


@dataclass(frozen=True, kw_only=True)
class RouterOptions:
    """max_stale: seconds that a replica may be behind the log to answer; None: any.

    read_own_writes: a question sees what this router wrote before it: replicas wait for it up to `patience` seconds.
    """

    max_stale: float | None = 10.0
    patience: float = 5.0
    read_own_writes: bool = True


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
        self._asker = Asker(placement, clients)
        self._ends = ends
        self.options = options or RouterOptions()
        self._lock = threading.Lock()
        self._written: dict[int, int] = {}
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
        ends = self._ends.following(range(self._asker.known().shards))
        return {shard: end - 1 for shard, end in ends.items() if end}

    def ask(
        self,
        kind: Kind,
        matchers: Sequence[Matcher] = (),
        start: int = MIN_TIME,
        end: int = MAX_TIME,
        *,
        name: str = "",
        step: int = 0,
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
            step=step,
            after={shard: max(own.get(shard, -1), (after or {}).get(shard, -1)) for shard in {*own, *(after or {})}},
            patience=self.options.patience,
            max_stale=self.options.max_stale if max_stale is None else max_stale,
        )
        return self._asker.every_shard(question)

    def _own(self) -> dict[int, int]:
        with self._lock:
            return dict(self._written)

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
        self,
        kind: Kind,
        matchers: Sequence[Matcher] = (),
        start: int = MIN_TIME,
        end: int = MAX_TIME,
        *,
        name: str = "",
        step: int = 0,
    ) -> list[Any]:
        return [one.data for one in self.ask(kind, matchers, start, end, name=name, step=step).answers]

    def downsample(
        self,
        matchers: Sequence[Matcher],
        start: int,
        end: int,
        step: int,
        fill: Fill = "none",
        *,
        limit: int = ROWS,
    ) -> pa.Table:
        """Aggregates by bucket, as `Store.downsample`: each node gives those of its shards, sums are still exact.

        Raises:
            InputError: the step is not above 0, or a matcher cannot be read.
            QueryLimitError: the answer would have more than `limit` rows.
            StaleError, ShardDownError: as `ask`.

        """
        answered = self.ask("downsample", matchers, start, end, step=step)
        rows = bucketed(of_scan(answered.scan, Path("answers of nodes")), step)
        return filled_table(rows, step, fill, limit)

    def explain_downsample(self, matchers: Sequence[Matcher], start: int, end: int, step: int) -> list[Touch]:
        """What `downsample` would touch, over all shards: one may have a rollup where another reads points."""
        found = [one for part in self._data("explain_downsample", matchers, start, end, step=step) for one in part]
        return touched(Touch(**{**one, "stats": ScanStats(**one["stats"])}) for one in found)

    def series(self, matchers: Sequence[Matcher], start: int, end: int) -> list[Labels]:
        """Series that fit, sorted."""
        found = [one for part in self._data("series", matchers, start, end) for one in part]
        return sorted(tuple((name, value) for name, value in labels) for labels in found)

    def label_names(self, start: int = MIN_TIME, end: int = MAX_TIME) -> list[str]:
        """Names of labels, sorted."""
        return sorted({one for part in self._data("label_names", (), start, end) for one in part})

    def label_values(self, name: str, start: int = MIN_TIME, end: int = MAX_TIME) -> list[str]:
        """Values of a label, sorted."""
        return sorted({one for part in self._data("label_values", (), start, end, name=name) for one in part})

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

    def roll_up(self) -> dict[str, int]:
        """Bring rollups up to date, in every replica; windows by rollup. Raises ShardDownError as `compact`."""
        found: Counter[str] = Counter()
        for part in self._everywhere("roll_up"):
            for windows in part:
                found.update(windows)
        return dict(found)

    def retain(self, now: int) -> int:
        """Remove blocks past their retention, in every replica; how many. Raises ShardDownError as `compact`."""
        return sum(self._everywhere("retain", now))

    def move_tiers(self, now: int) -> int:
        """Move old blocks, in every replica; how many. Raises ShardDownError as `compact`."""
        return sum(self._everywhere("move_tiers", now))

    def _everywhere(self, kind: Kind, now: int = MAX_TIME) -> list[Any]:
        """Ask all replicas of all shards."""
        # What this router wrote is meant too, and may still be on its way to a replica.
        question = Question(kind=kind, shards=(), end=now, after=self._own(), patience=self.options.patience)
        return self._asker.every_replica(question)

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
        self._asker.close()
