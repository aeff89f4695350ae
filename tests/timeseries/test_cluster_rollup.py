"""Rollups of a cluster: each node keeps those of its shards, and answers are those of the points, bit for bit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from batches import ALL, HOUR, MINUTE, QUIET, START, batch, regular, series
from clusters import Cluster, wait_for
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_store import NaiveStore
from services import served
from test_cluster_record import batches
from test_cluster_replica import log_of, opened
from test_downsample import assert_alike, rows

from quintet.timeseries import Batch, Matcher, Rollup
from quintet.timeseries.aggregates import Aggregates, bucketed, joined
from quintet.timeseries.cluster.gather import gather
from quintet.timeseries.cluster.log import split
from quintet.timeseries.cluster.question import Answer
from quintet.timeseries.cluster.record import Deletion
from quintet.timeseries.cluster.topics import Settings, Topics
from quintet.timeseries.downsample import Fill, filled_table
from quintet.timeseries.model import DAY
from quintet.timeseries.rollup import as_scan, of_scan
from quintet.timeseries.storage import Storage

#: 2023-11-14T00:00:00Z
BEGIN = START // DAY * DAY
POINTS = regular(20, 4 * 96, start=BEGIN, step=15 * MINUTE)
ROLLED = replace(QUIET, rollups=(Rollup(HOUR),))
STEPS = (30 * MINUTE, HOUR, 3 * HOUR)


def compare(store: Storage, naive: NaiveStore, *, fill: Fill = "none") -> None:
    for step in STEPS:
        assert_alike(rows(store.downsample([], *ALL, step, fill)), rows(naive.downsample([], *ALL, step, fill)))
    some = [Matcher("room", "=~", "r[0-3]")]
    assert_alike(rows(store.downsample(some, *ALL, DAY)), rows(naive.downsample(some, *ALL, DAY)))


def test_a_replica_rolls_up_days_that_are_over_whatever_its_note_of_the_log_says(tmp_path: Path) -> None:
    gone = Deletion((Matcher("sensor", "=", "s0003"),), BEGIN + DAY, BEGIN + DAY + 90 * MINUTE)
    naive = NaiveStore()
    naive.append(POINTS)
    with opened(tmp_path, ROLLED) as replica:
        log = log_of(POINTS, gone)
        replica.take(log[:-1])
        assert replica.store.roll_up() == {"3600s": 3}, "of the newest day points may still come"
        replica.take(log[-1:])
        naive.delete(gone.matchers, gone.start, gone.end)
        touched = replica.explain_downsample([], BEGIN, BEGIN + 4 * DAY, HOUR)
        assert [(one.source, (one.end - one.start) // DAY) for one in touched] == [
            ("3600s", 1),
            ("raw", 1),
            ("3600s", 1),
            ("raw", 1),
        ]
        for step in STEPS:
            table = filled_table(replica.aggregates([], *ALL, step), step, "none")
            assert_alike(rows(table), rows(naive.downsample([], *ALL, step)))
    with opened(tmp_path, QUIET) as replica:
        assert replica.position == log[-1][0] + 1
        assert replica.store.roll_up() == {"3600s": 1}, "what the deletion changed"


@settings(deadline=None)
@given(batches(), st.integers(1, 5))
def test_aggregates_that_came_from_shards_are_those_of_the_whole(points: Batch, shards: int) -> None:
    parts = []
    for part in split(points, shards).values():
        naive = NaiveStore()
        naive.append(part)
        scan = as_scan(bucketed(Aggregates.of_points(naive.scan([], *ALL)), HOUR))
        answer = Answer.from_bytes(Answer({}, scan=scan).to_bytes())
        assert answer.scan is not None
        parts.append(answer.scan)
    whole = NaiveStore()
    whole.append(points)
    found = filled_table(bucketed(of_scan(gather(parts), Path("shards")), HOUR), HOUR, "none")
    assert_alike(rows(found), rows(whole.downsample([], *ALL, HOUR)))


@pytest.fixture
def cluster(tmp_path: Path, broker: Settings, topics: Topics) -> Iterator[Cluster]:
    made = Cluster(tmp_path, broker, topics, shards=3, replication=2)
    try:
        for name in ("a", "b"):
            made.start(name, "--rollup", "1h")
            made.change(lambda placement, name=name: placement.joined(name, made.address(name)))
        yield made
    finally:
        made.close()


@pytest.mark.timeout(600)
def test_the_cluster_answers_from_rollups_says_so_and_keeps_them_when_a_node_is_killed(cluster: Cluster) -> None:
    router = cluster.router
    naive = NaiveStore()
    naive.append(POINTS)
    router.append(POINTS)
    compare(router, naive)
    assert {one.source for one in router.explain_downsample([], *ALL, HOUR)} == {"raw"}
    assert router.roll_up() == {"3600s": 2 * 3 * 3}, "three days of three shards, on both nodes"
    touched = router.explain_downsample([], BEGIN, BEGIN + 4 * DAY, HOUR)
    assert [(one.source, one.start, one.end) for one in touched] == [
        ("3600s", BEGIN, BEGIN + 3 * DAY),
        ("raw", BEGIN + 3 * DAY, BEGIN + 4 * DAY),
    ]
    assert router.stats().rollup_points > 0
    compare(router, naive, fill="linear")
    cluster.kill("a")
    compare(router, naive)
    late = batch({series(sensor="s0001", room="r1"): [(BEGIN + 5, 0.1), (BEGIN + DAY + 7, 1e300)]})
    naive.append(late)
    router.append(late)
    compare(router, naive)
    sources = {(one.source, one.start) for one in router.explain_downsample([], BEGIN, BEGIN + 4 * DAY, HOUR)}
    assert sources >= {("raw", BEGIN), ("3600s", BEGIN)}, "the shard that has changed reads points, the others do not"
    cluster.start("a", "--rollup", "1h")
    wait_for(lambda: cluster.caught_up("a"), "a has caught up")
    cluster.kill("b")
    compare(router, naive)
    with served(router) as client:
        asked = {"match[]": "temperature", "start": BEGIN / 1e9, "end": (BEGIN + 4 * DAY) / 1e9, "step": "2h"}
        answer = client.get("/api/v1/downsample", params=asked).json()["data"]
    assert {one["source"] for one in answer["touched"]} == {"3600s", "raw"}
    assert len(answer["rows"]) == 20 * 48
    assert router.downsample([Matcher("room", "=", "none")], *ALL, HOUR).num_rows == 0


def test_no_aggregates_are_an_empty_answer() -> None:
    nothing = joined([])
    assert len(of_scan(as_scan(nothing), Path("shards"))) == 0
    assert np.array_equal(nothing.offsets, [0])
