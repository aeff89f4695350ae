"""Which node keeps which shard: pure functions and values, no service.

A series belongs to one shard for ever (a stable hash of its labels), a shard is one partition of the log. The nodes
that should keep a shard are the `replication` ones with the highest weights for it, so that a node that comes takes
only what becomes its own, and what a node leaves goes to others without anything else moving.

What is is recorded apart from what should be: a replica first catches up, then serves, and only then the one that it
replaces is let go. Every step is one new placement with the next version.

Source: Thaler, Ravishankar, "Using name-based mappings to increase hit rates", IEEE/ACM ToN 6 (1998), section III
(highest random weight).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace

import xxhash

from quintet.timeseries.cluster.errors import PlacementError
from quintet.timeseries.model import Labels

__all__ = ["Placement", "Replicas", "shard_of", "wanted"]

#: A byte that no UTF-8 text holds.
_END = b"\xff"


def shard_of(labels: Labels, shards: int) -> int:
    """Shard of a series: XXH64 (seed 0) of its canonical labels, each name and value followed by the byte 0xff."""
    text = b"".join(word.encode() + _END for pair in labels for word in pair)
    return int(xxhash.xxh64_intdigest(text)) % shards


def wanted(nodes: Iterable[str], shard: int, replication: int) -> tuple[str, ...]:
    """The nodes that should keep a shard, best first; all of them where there are fewer than `replication`."""
    weights = sorted(((xxhash.xxh64_intdigest(f"{node}\n{shard}".encode()), node) for node in set(nodes)), reverse=True)
    return tuple(node for _, node in weights[:replication])


@dataclass(frozen=True)
class Replicas:
    """Nodes of one shard: those that answer for it, and those that catch up."""

    serving: tuple[str, ...] = ()
    catching_up: tuple[str, ...] = ()

    @property
    def nodes(self) -> tuple[str, ...]:
        """All that read the shard's log."""
        return (*self.serving, *self.catching_up)


@dataclass(frozen=True)
class Placement:
    """The cluster as recorded. nodes: address (URL) by name; leaving: nodes that are to keep nothing."""

    shards: int
    replication: int
    version: int = 0
    nodes: Mapping[str, str] = field(default_factory=dict)
    leaving: tuple[str, ...] = ()
    replicas: tuple[Replicas, ...] = ()

    def __post_init__(self) -> None:
        if self.shards < 1 or self.replication < 1:
            raise PlacementError(f"{self.shards} shards, replication {self.replication}", remedy="Give 1 or more")
        if not self.replicas:
            object.__setattr__(self, "replicas", (Replicas(),) * self.shards)

    def joined(self, node: str, address: str) -> Placement:
        """With one more node, or a known one at another address; it keeps nothing until steps are taken."""
        if not node or not node.isprintable() or not address.startswith(("http://", "https://")):
            raise PlacementError(
                f"node {node!r} at {address!r}", remedy="Give a name and an address as http://host:port"
            )
        leaving = tuple(one for one in self.leaving if one != node)
        return self._next(nodes={**self.nodes, node: address}, leaving=leaving)

    def left(self, node: str) -> Placement:
        """With a node that is to leave: it serves until others have taken over.

        Raises:
            PlacementError: the node is not known, or it is the last one.

        """
        if node not in self.nodes:
            known = ", ".join(sorted(self.nodes)) or "none"
            raise PlacementError(f"there is no node {node!r}", remedy=f"Known nodes: {known}")
        if not set(self.nodes) - set(self.leaving) - {node}:
            raise PlacementError(f"{node!r} is the last node", remedy="Let another one join first")
        return self._next(leaving=tuple(sorted({*self.leaving, node})))

    def _next(self, **changes: object) -> Placement:
        return replace(self, version=self.version + 1, **changes)  # type: ignore[arg-type]

    def wanted(self, shard: int) -> tuple[str, ...]:
        """The nodes that should keep a shard."""
        return wanted(set(self.nodes) - set(self.leaving), shard, self.replication)

    def kept_by(self, node: str) -> dict[int, bool]:
        """Shards whose log a node reads, and whether it answers for them."""
        return {
            shard: node in replicas.serving for shard, replicas in enumerate(self.replicas) if node in replicas.nodes
        }

    @property
    def settled(self) -> bool:
        """Whether every shard is where it should be and no node is leaving."""
        return not self.leaving and all(
            not replicas.catching_up and set(replicas.serving) == set(self.wanted(shard))
            for shard, replicas in enumerate(self.replicas)
        )

    def step(self, has_caught_up: Callable[[str, int], bool]) -> Placement:
        """The next placement towards the wanted one, or itself where nothing can be done now.

        A shard's first replicas serve at once, as there is nothing before them. Afterwards a new one serves when
        `has_caught_up(node, shard)`; those not wanted any more are let go when all wanted ones serve.
        """
        replicas = tuple(self._step(shard, has_caught_up) for shard in range(self.shards))
        used = {node for one in replicas for node in one.nodes}
        gone = [node for node in self.leaving if node not in used]
        if replicas == self.replicas and not gone:
            return self
        return self._next(
            replicas=replicas,
            nodes={node: address for node, address in self.nodes.items() if node not in gone},
            leaving=tuple(node for node in self.leaving if node not in gone),
        )

    def _step(self, shard: int, has_caught_up: Callable[[str, int], bool]) -> Replicas:
        now, target = self.replicas[shard], self.wanted(shard)
        if not now.serving:
            return Replicas(target)
        caught_up = [node for node in now.catching_up if node in target and has_caught_up(node, shard)]
        serving = {*now.serving, *caught_up}
        if serving >= set(target):
            return Replicas(target)
        ordered = [node for node in target if node in serving] + [node for node in now.serving if node not in target]
        return Replicas(tuple(ordered), tuple(node for node in target if node not in serving))

    def to_json(self) -> bytes:
        """The placement as it is recorded."""
        return json.dumps(asdict(self), separators=(",", ":"), sort_keys=True).encode()

    @staticmethod
    def from_json(text: bytes) -> Placement:
        """A recorded placement."""
        found = json.loads(text)
        replicas = tuple(Replicas(tuple(one["serving"]), tuple(one["catching_up"])) for one in found.pop("replicas"))
        return Placement(**{**found, "leaving": tuple(found["leaving"]), "replicas": replicas})
