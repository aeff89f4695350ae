"""A node: the replicas that the placement gives it, filled by one thread from the log.

One thread does all that concerns the log: it takes up and lets go shards as the placement says, reads, appends. A
second one asks twice a second where the log ends, so that the node can say how fresh its answers are. A third one
removes and moves old blocks and rolls up what is over, which takes its time. Everybody else reads.
"""

from __future__ import annotations

import logging
import re
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from quintet.errors import QuintetError
from quintet.timeseries.cluster.errors import LogError, LogGapError
from quintet.timeseries.cluster.log import LogEnds, LogReader
from quintet.timeseries.cluster.placement import Placement
from quintet.timeseries.cluster.replica import Freshness, Replica
from quintet.timeseries.cluster.topics import Settings, Topics
from quintet.timeseries.errors import StoreError
from quintet.timeseries.files import writing_aside
from quintet.timeseries.model import DAY, Options
from quintet.timeseries.store import Store

__all__ = ["Node", "NodeOptions", "ShardState"]

_LOG = logging.getLogger(__name__)

#: Records read at once, and seconds to wait for the first of them.
_RECORDS, _WAIT = 1000, 0.1
#: Seconds between two questions where the log ends, and until something that failed is tried again.
_ASK, _AGAIN = 0.5, 2.0
#: Seconds between two looks for blocks past their time and for days to roll up.
_CARE = 600.0

#: Fetches a snapshot of a shard into a new folder: (shard, addresses of nodes that serve it, folder) -> whether it did.
Fetch = Callable[[int, tuple[str, ...], Path], bool]


@dataclass(frozen=True, kw_only=True)
class NodeOptions:
    """store: options of each shard's store; its memory is `head_points` for each shard that the node keeps.

    The log is the place where points are safe, so the stores sync at intervals: what a machine loses is read again.
    from_snapshot: a new replica begins with a snapshot of another one even where the log holds everything.
    """

    store: Options = field(
        default_factory=lambda: Options(durability="interval", max_series=None, head_points=1_000_000)
    )
    from_snapshot: bool = False
    topics: Topics = field(default_factory=Topics)


@dataclass(frozen=True)
class ShardState:
    """A shard on this node; trouble: why it does not go on, empty when it does."""

    shard: int
    serving: bool
    freshness: Freshness | None
    trouble: str = ""
    refused: int = 0


class Node:
    """Keeps shards below `folder`, as `shard-0000/`; ended by `close`. fetch: where snapshots come from."""

    def __init__(
        self,
        folder: Path,
        name: str,
        settings: Settings,
        *,
        options: NodeOptions | None = None,
        fetch: Fetch | None = None,
    ) -> None:
        self.name = name
        self.options = options or NodeOptions()
        self._folder = folder
        self._fetch = fetch
        _claim(folder, name)
        _tidy(folder)
        self._ends = LogEnds(settings, self.options.topics.points)
        self._reader = LogReader(settings, self.options.topics.points, group=f"quintet-timeseries-{name}")
        self._lock = threading.Lock()
        self._placement: Placement | None = None
        self._replicas: dict[int, Replica] = {}
        self._serving: frozenset[int] = frozenset()
        self._trouble: dict[int, str] = {}
        self._again = 0.0
        self._done_version = -1
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, name="timeseries-node", daemon=True),
            threading.Thread(target=self._ask_ends, name="timeseries-ends", daemon=True),
        ]
        self._carer = threading.Thread(target=self._look_after, name="timeseries-care", daemon=True)
        #: Day on which a shard was rolled up last.
        self._rolled: dict[int, int] = {}
        for thread in (*self._threads, self._carer):
            thread.start()

    def follow(self, placement: Placement) -> None:
        """Take a placement up; what it changes happens in the node's thread."""
        with self._lock:
            self._placement = placement
            # What others serve now is asked of them at once; this node stops serving what it is to let go.
            kept = placement.kept_by(self.name)
            self._serving = frozenset(shard for shard, serves in kept.items() if serves)

    @property
    def version(self) -> int:
        """Version of the placement that the node knows; -1: none."""
        return -1 if self._placement is None else self._placement.version

    def replica(self, shard: int) -> Replica | None:
        """The replica that answers for a shard; None: this node does not."""
        return self._replicas.get(shard) if shard in self._serving else None

    def states(self) -> list[ShardState]:
        """All shards that the placement gives the node."""
        placement = self._placement
        kept: Mapping[int, bool] = {} if placement is None else placement.kept_by(self.name)
        return [self._state(shard, serves) for shard, serves in sorted(kept.items())]

    def _state(self, shard: int, serves: bool) -> ShardState:
        replica, trouble = self._replicas.get(shard), self._trouble.get(shard, "")
        if replica is None:
            return ShardState(shard, False, None, trouble)
        return ShardState(shard, serves, replica.freshness(), trouble, replica.refused)

    def snapshot(self, shard: int, target: Path) -> bool:
        """Write a snapshot of a shard to a new folder; False: this node does not answer for it."""
        replica = self.replica(shard)
        if replica is None:
            return False
        replica.store.snapshot(target)
        return True

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._turn()
            except Exception as error:  # noqa: BLE001 - the boundary of the thread: reported, and begun anew
                _LOG.warning("node %s: %s", self.name, error, exc_info=not isinstance(error, QuintetError))
                self._reopen_all()

    def _turn(self) -> None:
        placement = self._placement
        if placement is not None and (placement.version != self._done_version or self._due()):
            self._take_up(placement)
        if not self._replicas:
            self._stop.wait(_WAIT)
            return
        for shard, messages in self._reader.read(_RECORDS, _WAIT).items():
            self._store(shard, [(message.offset(), message.value() or b"") for message in messages])

    def _due(self) -> bool:
        return bool(self._trouble) and time.monotonic() >= self._again

    def _take_up(self, placement: Placement) -> None:
        kept = placement.kept_by(self.name)
        for shard in set(self._replicas) - set(kept):
            self._close(shard)
        for shard in set(self._trouble) - set(kept):
            del self._trouble[shard]
        # A node that is none any more keeps its files: whoever took it out may want them.
        for folder in self._folder.glob("shard-*") if self.name in placement.nodes else ():
            if (number := _number(folder)) is not None and number not in kept:
                shutil.rmtree(folder)
        missing = [shard for shard in kept if shard not in self._replicas]
        for shard in missing:
            if self._stop.is_set():
                return
            try:
                self._open(shard, placement)
                self._trouble.pop(shard, None)
            except (QuintetError, OSError) as error:
                self._fail(shard, error)
        self._done_version = placement.version

    def _fail(self, shard: int, error: Exception) -> None:
        _LOG.warning("node %s, shard %d: %s", self.name, shard, error)
        self._trouble[shard] = str(error)
        self._again = time.monotonic() + _AGAIN

    def _path(self, shard: int) -> Path:
        return self._folder / f"shard-{shard:04d}"

    def _open(self, shard: int, placement: Placement) -> None:
        path = self._path(shard)
        first = self._ends.first([shard])[shard]
        if not path.exists() and (self.options.from_snapshot or first > 0):
            self._from_snapshot(shard, placement, needed=first > 0)
        replica = self._replica(shard)
        if replica.position < first:
            # Away for longer than the log is kept: what is between is in other replicas only.
            replica.close()
            aside = path.with_name(path.name + ".behind")
            shutil.rmtree(aside, ignore_errors=True)
            path.rename(aside)
            try:
                self._from_snapshot(shard, placement, needed=True)
                replica = self._replica(shard)
            except BaseException:
                aside.rename(path)
                raise
            shutil.rmtree(aside)
        self._check_end(shard, replica)
        self._reader.add(shard, replica.position)
        self._replicas[shard] = replica

    def _replica(self, shard: int) -> Replica:
        return Replica(self._path(shard), shard, options=self.options.store, topic=self.options.topics.points)

    def _check_end(self, shard: int, replica: Replica) -> None:
        end = self._ends.following([shard])[shard]
        if replica.position > end:
            replica.close()
            raise LogError(
                f"shard {shard}: the store is at offset {replica.position}, the log ends at {end}",
                remedy="The topic was made anew: restore its records, or remove the folder of the shard",
            )

    def _from_snapshot(self, shard: int, placement: Placement, *, needed: bool) -> None:
        others = [node for node in placement.replicas[shard].serving if node != self.name]
        addresses = tuple(placement.nodes[node] for node in others if node in placement.nodes)
        target = self._path(shard)
        if self._fetch is None or not addresses or not self._fetch(shard, addresses, target):
            shutil.rmtree(target, ignore_errors=True)
            if needed:
                raise LogGapError(
                    f"shard {shard}: the log no longer reaches back to where this replica ends, and no other one gave "
                    f"a snapshot ({', '.join(others) or 'there is none'})",
                    remedy="Start a node that serves the shard; this is tried again every two seconds",
                )

    def _store(self, shard: int, records: list[tuple[int, bytes]]) -> None:
        replica = self._replicas.get(shard)
        if replica is None:  # let go while its records were on their way
            return
        try:
            replica.take(records)
        except (QuintetError, OSError) as error:
            # What was read is not stored: go on from what is, when there is room again.
            self._fail(shard, error)
            self._close(shard)

    def _reopen_all(self) -> None:
        for shard in list(self._replicas):
            self._close(shard)
        self._done_version = -1
        self._stop.wait(_AGAIN)

    def _close(self, shard: int) -> None:
        self._reader.remove(shard)
        with suppress(QuintetError, OSError):  # what its log could not take is read again
            self._replicas.pop(shard).close()

    def _ask_ends(self) -> None:
        while not self._stop.wait(_ASK):
            replicas = dict(self._replicas)
            at = time.monotonic()
            try:
                ends = self._ends.following(replicas)
            except LogError as error:
                _LOG.warning("node %s: %s", self.name, error)
                continue
            for shard, end in ends.items():
                replicas[shard].seen_end(end, at)

    def _look_after(self) -> None:
        while not self._stop.wait(_CARE):
            for shard, replica in dict(self._replicas).items():
                try:
                    self._care(shard, replica.store)
                except (QuintetError, OSError) as error:
                    _LOG.warning("node %s, shard %d: %s", self.name, shard, error)

    def _care(self, shard: int, store: Store) -> None:
        """Remove what is past the retention and move old blocks, as the options say; once a day roll up."""
        now = time.time_ns()
        store.retain(now)
        store.move_tiers(now)
        if self.options.store.rollups and self._rolled.get(shard) != now // DAY:
            store.roll_up()
            self._rolled[shard] = now // DAY

    def close(self) -> None:
        """Stop reading the log and close the stores."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._reader.close()
        for replica in self._replicas.values():
            replica.close()
        self._replicas = {}
        self._carer.join()  # what it was at ended with the store


def _claim(folder: Path, name: str) -> None:
    """Refuse the folder of another node: the placement has it remove shards that are not this one's."""
    folder.mkdir(parents=True, exist_ok=True)
    mark = folder / "NODE"
    if not mark.exists():
        with writing_aside(mark) as file:
            file.write(f"{name}\n".encode())
    owner = mark.read_text(encoding="utf-8").strip()
    if owner != name:
        raise StoreError(f"the folder {folder} is of node {owner!r}, not {name!r}", remedy="Name its own folder")


def _tidy(folder: Path) -> None:
    """Finish what a process left that ended while it fetched a snapshot."""
    for path in folder.glob("shard-*.*"):
        whole = path.with_suffix("")
        if path.suffix == ".behind" and not whole.exists():
            path.rename(whole)
        elif path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _number(folder: Path) -> int | None:
    found = re.fullmatch(r"shard-(\d{4,})", folder.name)
    return int(found[1]) if found else None
