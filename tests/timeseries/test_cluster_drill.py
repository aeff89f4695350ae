"""Three nodes, two replicas of each shard, a real broker: one is killed under writes, one joins, one leaves.

Nothing that was acknowledged is missing, nothing is there twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from batches import ALL, found
from clusters import LABELS, Cluster, numbered, wait_for, whole, writing
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from quintet.timeseries import Matcher
from quintet.timeseries.cluster.errors import ShardDownError, StaleError
from quintet.timeseries.cluster.question import Question
from quintet.timeseries.cluster.router import RouterOptions
from quintet.timeseries.cluster.topics import Settings, Topics

SHARDS = 6


@pytest.fixture
def cluster(tmp_path: Path, broker: Settings, topics: Topics) -> Iterator[Cluster]:
    made = Cluster(tmp_path, broker, topics, shards=SHARDS, replication=2)
    try:
        for name in ("a", "b", "c"):
            made.start(name)
            made.change(lambda placement, name=name: placement.joined(name, made.address(name)))
        yield made
    finally:
        made.close()


def only(cluster: Cluster, name: str, after: dict[int, int]) -> dict[int, int]:
    """Points of each shard that one node alone answers with, once it has reached these offsets."""
    placement = cluster.feed.current
    assert placement is not None
    counts = {}
    for shard in placement.kept_by(name):
        question = Question(kind="scan", shards=(shard,), after=after, patience=30)
        answer = cluster.clients.at(cluster.address(name)).ask(question)
        assert not answer.refused, answer.refused
        assert answer.scan is not None
        counts[shard] = len(answer.scan.values)
    return counts


@pytest.mark.timeout(300)
def test_a_killed_node_loses_nothing_and_catches_up(cluster: Cluster) -> None:
    with writing(cluster.router) as writes:
        writes.some_more()
        cluster.kill("b")
        writes.some_more()
        before = list(writes.acknowledged)
        assert whole(cluster.router, before) >= len(before) * (len(numbered(0)) - 1)
        cluster.start("b")
        wait_for(lambda: cluster.caught_up("b"), "b has caught up")
    newest = cluster.router.newest()
    points = whole(cluster.router, writes.acknowledged)
    assert points == len(writes.acknowledged) * (len(numbered(0)) - 1) + 1, "nothing is there twice"
    replicas: dict[int, set[int]] = {}
    for name in ("a", "b", "c"):
        for shard, count in only(cluster, name, newest).items():
            replicas.setdefault(shard, set()).add(count)
    assert sorted(replicas) == list(range(SHARDS))
    assert all(len(counts) == 1 for counts in replicas.values()), "replicas of a shard hold the same"
    assert sum(count for counts in replicas.values() for count in counts) == points


@pytest.mark.timeout(300)
def test_a_node_joins_and_another_leaves_under_writes(cluster: Cluster) -> None:
    cluster.start("d", "--from-snapshot")
    with writing(cluster.router) as writes:
        writes.some_more()
        placement = cluster.change(lambda placement: placement.joined("d", cluster.address("d")))
        whole(cluster.router, list(writes.acknowledged))
        assert placement.kept_by("d")
        placement = cluster.change(lambda placement: placement.left("a"))
        whole(cluster.router, list(writes.acknowledged))
        cluster.kill("a")
        writes.some_more(5)
    assert sorted(placement.nodes) == ["b", "c", "d"]
    assert all(len(replicas.serving) == 2 for replicas in placement.replicas)
    points = whole(cluster.router, writes.acknowledged)
    assert points == len(writes.acknowledged) * (len(numbered(0)) - 1) + 1, "nothing is there twice"


@pytest.mark.timeout(300)
def test_a_shard_without_a_live_replica_is_named_and_answers_say_how_fresh_they_are(cluster: Cluster) -> None:
    cluster.router.write(numbered(0))
    answered = cluster.router.ask("scan", max_stale=30)
    assert sorted(answered.sources) == list(range(SHARDS))
    assert answered.stale is not None
    assert answered.stale < 30
    assert answered.lag == 0
    assert len(cluster.router.series([], *ALL)) == len(LABELS) + 1
    assert cluster.router.label_names() == ["__name__", "sensor"]
    assert cluster.router.label_values("sensor") == sorted(str(number) for number in range(len(LABELS)))
    assert cluster.router.delete([Matcher("sensor", "=", "3")], *ALL) == 1
    assert LABELS[3] not in found(cluster.router.scan([], *ALL))
    cluster.router.write(numbered(1))
    assert len(found(cluster.router.scan([], *ALL))[LABELS[3]]) == 10, "what is written after a deletion stays"
    impatient = cluster.routed(RouterOptions(max_stale=None, patience=0.2, read_own_writes=False))
    with pytest.raises(StaleError, match="has not reached offset"):
        impatient.ask("scan", after={0: 10_000})
    placement = cluster.feed.current
    assert placement is not None
    gone = set(placement.replicas[0].serving)
    for name in gone:
        cluster.kill(name)
    dead = [shard for shard, replicas in enumerate(placement.replicas) if set(replicas.serving) <= gone]
    with pytest.raises(ShardDownError, match="no part is left out") as caught:
        impatient.scan([], *ALL)
    assert list(caught.value.shards) == dead
    impatient.close()


@pytest.mark.timeout(300)
def test_where_the_log_no_longer_reaches_back_a_snapshot_of_another_replica_does(
    cluster: Cluster, broker: Settings, topics: Topics
) -> None:
    with writing(cluster.router) as writes:
        writes.some_more(5)
        cluster.kill("b")
        writes.some_more(5)
    ends = cluster.ends.following(range(SHARDS))
    wait_for(lambda: cluster.router.ask("label_names", after=cluster.router.newest()).lag == 0, "a and c hold all")
    forgotten = [TopicPartition(topics.points, shard, end) for shard, end in ends.items()]
    admin = AdminClient(dict(broker))
    for done in admin.delete_records(forgotten).values():
        done.result(15)
    cluster.router.write(numbered(len(writes.acknowledged)))
    numbers = list(range(len(writes.acknowledged) + 1))
    cluster.start("b")
    cluster.start("d")
    cluster.change(lambda placement: placement.joined("d", cluster.address("d")))
    newest = cluster.router.newest()
    cluster.kill("c")
    wait_for(lambda: cluster.caught_up("b"), "b has caught up")
    assert whole(cluster.router, numbers) == len(numbers) * (len(numbered(0)) - 1) + 1
    for name in ("b", "d"):
        assert only(cluster, name, newest)
