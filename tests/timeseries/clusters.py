"""A cluster for tests: nodes as processes that can be killed, a router in this one, and numbered writes without end."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cluster_nodes
import numpy as np
from batches import ALL, SECOND, START, series

from free_ports import free_port
from quintet.errors import ServiceDownError
from quintet.timeseries import Batch
from quintet.timeseries.cluster.ledger import PlacementEditor, PlacementFeed
from quintet.timeseries.cluster.log import LogEnds, LogWriter
from quintet.timeseries.cluster.nodeclient import NodeClients
from quintet.timeseries.cluster.placement import Placement
from quintet.timeseries.cluster.rebalance import rebalance
from quintet.timeseries.cluster.router import Router, RouterOptions
from quintet.timeseries.cluster.topics import Settings, Topics, create_topics

SENSORS, POINTS = 20, 10
LABELS = tuple(series(sensor=str(index)) for index in range(SENSORS))
#: A series whose one time every batch writes again.
LATEST = series("latest")


def numbered(number: int) -> Batch:
    """Points that no other batch has, and one that all of them write; the value is the number."""
    count = SENSORS * POINTS
    return Batch(
        (*LABELS, LATEST),
        np.append(np.arange(count) % SENSORS, SENSORS).astype(np.uint32),
        np.append(START + number * SECOND + np.arange(count), START),
        np.full(count + 1, float(number)),
    )


class Cluster:
    """Nodes by name, and what one asks them with."""

    def __init__(self, folder: Path, settings: Settings, topics: Topics, *, shards: int, replication: int) -> None:
        self._folder = folder
        self._settings = settings
        self._topics = topics
        self._forker = subprocess.Popen(
            [sys.executable, cluster_nodes.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        self.ports: dict[str, int] = {}
        self.processes: dict[str, int] = {}
        self.clients = NodeClients()
        create_topics(settings, topics, shards=shards)
        with PlacementEditor(settings, topics) as editor:
            editor.record(Placement(shards, replication))
        self.feed = PlacementFeed(settings, topics)
        self.writer = LogWriter(settings, shards, topics.points)
        self.ends = LogEnds(settings, topics.points)
        self.router = self.routed(RouterOptions(patience=20, max_stale=None))

    def routed(self, options: RouterOptions) -> Router:
        """Another router over the same nodes."""
        return Router(self.writer, lambda: self.feed.current, self.clients, options, self.ends)

    def start(self, name: str, *more: str) -> None:
        """Start a node's process, on the port it had before."""
        port = self.ports.setdefault(name, free_port())
        line = ["--name", name, "--folder", str(self._folder / name), "--port", str(port)]
        line += ["--kafka", str(self._settings["bootstrap.servers"]), "--prefix", self._topics.prefix, *more]
        assert self._forker.stdin
        assert self._forker.stdout
        print(shlex.join(line), file=self._forker.stdin, flush=True)
        self.processes[name] = int(self._forker.stdout.readline())
        wait_for(lambda: self._answers(name), f"node {name} answers")

    def address(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}"

    def _answers(self, name: str) -> bool:
        try:
            return bool(self.clients.at(self.address(name)).status()["name"] == name)
        except ServiceDownError:
            return False

    def kill(self, name: str, how: signal.Signals = signal.SIGKILL) -> None:
        os.kill(self.processes.pop(name), how)
        wait_for(lambda: not self._answers(name), f"node {name} is gone")

    def change(self, change: Callable[[Placement], Placement], seconds: float = 120) -> Placement:
        """Record a change of the placement and move shards until it is settled."""
        with PlacementEditor(self._settings, self._topics) as editor:
            editor.record(change(editor.known()))
            placement = rebalance(editor, self.clients, seconds=seconds)
        return self.feed.wait(placement.version, 20)

    def caught_up(self, name: str) -> bool:
        """Whether all shards of a node hold what was in the log a moment ago."""
        shards = self.clients.at(self.address(name)).status()["shards"]
        stale = [(one["freshness"] or {}).get("stale") for one in shards]
        return bool(stale) and all(one is not None and one < 5 for one in stale)

    def close(self) -> None:
        for process in self.processes.values():
            os.kill(process, signal.SIGTERM)
        self.router.close()
        self.writer.close()
        self.feed.close()
        self.clients.close()
        self._forker.communicate()


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds:g} s: {what}"
        time.sleep(0.05)


class Writing:
    """Writes numbered batches until it is stopped; `acknowledged` are the numbers Kafka has acknowledged."""

    def __init__(self, router: Router) -> None:
        self._router = router
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.acknowledged: list[int] = []
        self._thread.start()

    def _run(self) -> None:
        number = 0
        while not self._stop.is_set():
            self._router.write(numbered(number))
            self.acknowledged.append(number)
            number += 1

    def some_more(self, count: int = 20) -> None:
        """Wait until more batches are acknowledged."""
        goal = len(self.acknowledged) + count
        wait_for(lambda: len(self.acknowledged) >= goal, f"{count} more batches")

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(60)
        assert not self._thread.is_alive()


@contextmanager
def writing(router: Router) -> Iterator[Writing]:
    """Writes that go on while the block runs."""
    made = Writing(router)
    try:
        yield made
    finally:
        made.stop()


def whole(router: Router, acknowledged: list[int]) -> int:
    """Check that each acknowledged batch is there whole and once; the number of points."""
    scan = router.scan([], *ALL)
    numbers = np.repeat(np.arange(len(scan.labels)), np.diff(scan.offsets))
    latest = scan.labels.index(LATEST)
    values, counts = np.unique(scan.values[numbers != latest].astype(np.int64), return_counts=True)
    there = dict(zip(values.tolist(), counts.tolist(), strict=True))
    wrong = [number for number in acknowledged if there.get(number) != SENSORS * POINTS]
    assert not wrong, f"acknowledged and not whole: {wrong[:10]} of {len(acknowledged)}"
    assert scan.values[numbers == latest].tolist() >= [float(acknowledged[-1])]
    return len(scan.values)
