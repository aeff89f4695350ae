"""What a router asks a node and what it is told: the bytes of both. Encoder beside decoder.

A question is JSON. An answer is the length of a JSON text (4 bytes, little endian), the text, and for a scan the
points as one record of the log's form. Aggregates are the points that a rollup has of them (`rollup`), with exact sums.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from quintet.timeseries.cluster.gather import as_batch, as_scan
from quintet.timeseries.cluster.record import Deletion, Reader, encode_batch
from quintet.timeseries.cluster.replica import Freshness
from quintet.timeseries.model import MAX_TIME, MIN_TIME, Matcher, Scan, ScanStats

__all__ = ["Answer", "Kind", "Question"]

Kind = Literal[
    "scan",
    "explain",
    "downsample",
    "explain_downsample",
    "series",
    "label_names",
    "label_values",
    "stats",
    "flush",
    "compact",
    "roll_up",
    "retain",
    "move_tiers",
]

_LENGTH = struct.Struct("<I")


@dataclass(frozen=True, kw_only=True)
class Question:
    """A question to some shards of a node. name: the label whose values are asked for; step: ns, of buckets.

    end: for `retain` and `move_tiers` the time that counts as now.
    after: shards that must hold the record at an offset; the node waits up to `patience` seconds for them.
    max_stale: seconds that an answer may be behind the log; None: any.
    """

    kind: Kind
    shards: tuple[int, ...]
    matchers: tuple[Matcher, ...] = ()
    start: int = MIN_TIME
    end: int = MAX_TIME
    name: str = ""
    step: int = 0
    after: Mapping[int, int] = field(default_factory=dict)
    patience: float = 5.0
    max_stale: float | None = None

    def to_bytes(self) -> bytes:
        """The question as it is sent."""
        return json.dumps(asdict(self), separators=(",", ":")).encode()

    @staticmethod
    def from_bytes(body: bytes) -> Question:
        """A question that was sent. Raises ValueError, KeyError or TypeError where it is none."""
        found = json.loads(body)
        found["matchers"] = tuple(Matcher(**one) for one in found["matchers"])
        found["after"] = {int(shard): offset for shard, offset in found["after"].items()}
        return Question(**{**found, "shards": tuple(found["shards"])})


@dataclass(frozen=True)
class Answer:
    """What a node says: how fresh each shard was that answered, why others did not, and the answer itself.

    refused: reason by shard; scan: of a question for points or aggregates; data: of any other.
    """

    fresh: Mapping[int, Freshness]
    refused: Mapping[int, str] = field(default_factory=dict)
    scan: Scan | None = None
    data: Any = None

    def to_bytes(self) -> bytes:
        """The answer as it is sent."""
        text = json.dumps(
            {
                "fresh": {shard: asdict(one) for shard, one in self.fresh.items()},
                "refused": dict(self.refused),
                "stats": None if self.scan is None else asdict(self.scan.stats),
                "data": self.data,
            },
            separators=(",", ":"),
        ).encode()
        points = [] if self.scan is None else encode_batch(as_batch(self.scan), limit=None)
        return b"".join([_LENGTH.pack(len(text)), text, *points])

    @staticmethod
    def from_bytes(body: bytes) -> Answer:
        """An answer that was sent.

        Raises:
            PointsRefusedError: the points are damaged.

        """
        (length,) = _LENGTH.unpack_from(body)
        found = json.loads(body[_LENGTH.size : _LENGTH.size + length])
        scan = None
        if found["stats"] is not None:
            batch = Reader().decode(body[_LENGTH.size + length :])
            assert not isinstance(batch, Deletion)  # noqa: S101 an answer is made of points
            scan = as_scan(batch, ScanStats(**found["stats"]))
        fresh = {int(shard): Freshness(**one) for shard, one in found["fresh"].items()}
        return Answer(fresh, {int(shard): why for shard, why in found["refused"].items()}, scan, found["data"])
