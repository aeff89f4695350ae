"""Towards the wanted placement, one recorded step after the other.

Whatever ends this program, the next run goes on from what is recorded. A node that does not answer has not caught up;
nothing is taken from a node before all that are to follow it serve.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from quintet.errors import ServiceDownError
from quintet.timeseries.cluster.errors import PlacementError
from quintet.timeseries.cluster.ledger import PlacementEditor
from quintet.timeseries.cluster.nodeclient import NodeClients
from quintet.timeseries.cluster.placement import Placement

__all__ = ["CAUGHT_UP", "rebalance", "waiting_for"]

#: Seconds: a replica that held all of the log so recently has caught up.
CAUGHT_UP = 2.0
_PAUSE = 0.3


@dataclass(frozen=True)
class _States:
    """What nodes say of their shards, each asked once."""

    staleness: dict[tuple[str, int], float]

    @staticmethod
    def of(placement: Placement, clients: NodeClients) -> _States:
        found: dict[tuple[str, int], float] = {}
        for node in {one for replicas in placement.replicas for one in replicas.catching_up}:
            try:
                status = clients.at(placement.nodes[node]).status()
            except ServiceDownError:
                continue
            for shard in status["shards"] if status["name"] == node else ():
                stale = (shard["freshness"] or {}).get("stale")
                if stale is not None and not shard["trouble"]:
                    found[node, shard["shard"]] = stale
        return _States(found)

    def caught_up(self, node: str, shard: int) -> bool:
        return self.staleness.get((node, shard), CAUGHT_UP) < CAUGHT_UP


def rebalance(
    editor: PlacementEditor,
    clients: NodeClients,
    *,
    seconds: float,
    told: Callable[[Placement], None] = lambda _: None,
) -> Placement:
    """Take steps until the placement is settled. told: hears of each version recorded.

    Raises:
        PlacementError: it is not settled in time (what was recorded stays), or someone else changes the placement.
        LogError: Kafka does not answer.

    """
    deadline = time.monotonic() + seconds
    placement = editor.known()
    while not placement.settled:
        following = placement.step(_States.of(placement, clients).caught_up)
        if following is not placement:
            placement = editor.record(following)
            told(placement)
        elif time.monotonic() >= deadline:
            raise PlacementError(
                f"not settled after {seconds:g} s: {waiting_for(placement)}",
                remedy="Look at these nodes, then run `placement rebalance` again",
            )
        else:
            time.sleep(_PAUSE)
    return placement


def waiting_for(placement: Placement) -> str:
    """Which nodes still catch up, with how many shards."""
    counts: dict[str, int] = {}
    for replicas in placement.replicas:
        for node in replicas.catching_up:
            counts[node] = counts.get(node, 0) + 1
    return ", ".join(f"{node} catches up with {count} shards" for node, count in sorted(counts.items())) or "no node"
