"""Where series and shards go: stable, spread, and moved no more than a change asks for."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from batches import series
from hypothesis import given, settings
from hypothesis import strategies as st

from quintet.timeseries.cluster.errors import PlacementError
from quintet.timeseries.cluster.placement import Placement, Replicas, shard_of, wanted

NAMES = st.sets(st.sampled_from([f"node-{number}" for number in range(12)]), min_size=1, max_size=8)
REPLICATION = st.integers(1, 4)
SHARDS = 48


def everything(*_: object) -> bool:
    return True


def nothing(*_: object) -> bool:
    return False


def made(names: set[str], replication: int, shards: int = SHARDS) -> Placement:
    """A settled cluster of these nodes."""
    placement = Placement(shards, replication)
    for name in sorted(names):
        placement = placement.joined(name, f"http://{name}:1")
    return settled(placement)


def settled(placement: Placement) -> Placement:
    while (following := placement.step(everything)) is not placement:
        placement = following
    assert placement.settled
    return placement


def test_the_shard_of_a_series_is_the_same_for_ever() -> None:
    # The log is read by programs of later years: these numbers must never change.
    assert shard_of(series("cpu", host="a"), 1024) == 208
    assert shard_of(series("cpu", host="b"), 1024) == 676


def test_series_spread_over_the_shards() -> None:
    counts = Counter(shard_of(series(host=f"h{number}"), 16) for number in range(16_000))
    assert len(counts) == 16
    assert max(counts.values()) < 1200


def test_names_and_values_are_not_run_together() -> None:
    assert shard_of((("a", "bc"),), 2**62) != shard_of((("ab", "c"),), 2**62)


@given(NAMES, REPLICATION)
def test_every_shard_has_as_many_different_nodes_as_wanted(names: set[str], replication: int) -> None:
    for shard in range(SHARDS):
        nodes = wanted(names, shard, replication)
        assert len(nodes) == len(set(nodes)) == min(replication, len(names))


@given(NAMES, REPLICATION)
def test_a_node_that_comes_takes_only_its_own(names: set[str], replication: int) -> None:
    for shard in range(SHARDS):
        before, after = set(wanted(names, shard, replication)), set(wanted({*names, "new"}, shard, replication))
        assert after <= before | {"new"}, "nothing moves between the others"
        assert len(before - after) <= 1


@given(NAMES, REPLICATION)
def test_what_a_node_leaves_goes_to_others_and_nothing_else_moves(names: set[str], replication: int) -> None:
    gone = min(names)
    for shard in range(SHARDS):
        before, after = wanted(names, shard, replication), wanted(names - {gone}, shard, replication)
        assert [node for node in before if node != gone] == list(after[: len(before) - (gone in before)])


def test_a_joining_node_takes_about_its_part() -> None:
    names = {f"node-{number}" for number in range(4)}
    taken = sum("new" in wanted({*names, "new"}, shard, 2) for shard in range(2000))
    assert 700 < taken < 900, "two fifths of 2000"


def test_a_new_node_serves_after_it_has_caught_up_and_only_then_another_is_let_go() -> None:
    before = made({"a", "b", "c"}, 2)
    placement = before.joined("new", "http://new:1").step(nothing)
    moved = [shard for shard in range(SHARDS) if "new" in placement.wanted(shard)]
    assert moved
    for shard in moved:
        assert placement.replicas[shard].catching_up == ("new",)
        assert set(placement.replicas[shard].serving) == set(before.replicas[shard].serving)
    assert placement.step(nothing) is placement, "it waits"
    one = placement.step(lambda node, shard: shard == moved[0])
    assert one.replicas[moved[0]] == Replicas(one.wanted(moved[0]))
    assert one.replicas[moved[1]] == placement.replicas[moved[1]]
    assert settled(one).kept_by("new").keys() == set(moved)


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 7)), max_size=12),
    st.integers(1, 3),
    st.randoms(use_true_random=False),
)
def test_in_any_sequence_of_changes_no_shard_is_ever_without_a_full_replica(
    changes: list[tuple[bool, int]], replication: int, random: object
) -> None:
    """A replica may serve only if it caught up since it was last given the shard."""
    placement = made({"first", "second"}, replication, shards=8)
    full = {(node, shard) for shard in range(8) for node in placement.replicas[shard].serving}
    history = [placement]
    for comes, number in changes:
        try:
            name = f"n{number}"
            placement = placement.joined(name, f"http://{name}:1") if comes else placement.left(name)
        except PlacementError:
            continue
        caught_up = {(f"n{one}", shard) for one in range(8) for shard in range(8) if random.random() < 0.6}  # type: ignore[attr-defined]
        placement = placement.step(lambda node, shard, now=caught_up: (node, shard) in now)
        for shard, replicas in enumerate(placement.replicas):
            kept = {(node, one) for node, one in full if one != shard or node in replicas.nodes}
            full = kept | {(node, shard) for node in replicas.catching_up if (node, shard) in caught_up}
            full |= {(node, shard) for node in replicas.serving if (node, shard) in caught_up}
            assert replicas.serving, "someone serves"
            assert all((node, shard) in full for node in replicas.serving), "and holds everything"
        history.append(placement)
    assert all(later.version > earlier.version for earlier, later in pairwise(history))
    assert settled(placement).settled


def test_a_node_leaves_after_others_have_taken_over() -> None:
    placement = made({"a", "b", "c"}, 2).left("b").step(nothing)
    assert "b" in placement.nodes
    assert any("b" in replicas.serving for replicas in placement.replicas)
    done = settled(placement)
    assert set(done.nodes) == {"a", "c"}
    assert all(set(replicas.serving) == {"a", "c"} for replicas in done.replicas)


def test_the_last_node_cannot_leave_nor_one_that_is_not_there() -> None:
    placement = made({"a", "b"}, 2).left("b")
    with pytest.raises(PlacementError, match="last node"):
        placement.left("a")
    with pytest.raises(PlacementError, match="Known nodes: a, b"):
        placement.left("x")


def test_a_placement_is_read_as_it_was_written() -> None:
    placement = made({"a", "b", "c"}, 2).joined("d", "http://d:1").left("a").step(nothing)
    assert Placement.from_json(placement.to_json()) == placement
