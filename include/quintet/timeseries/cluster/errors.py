"""Errors of the cluster.

QuintetError
├── InputError
│   └── PlacementError      a change of the placement that cannot be made: an unknown node, too few nodes
└── LabError
    ├── LogError            Kafka does not answer, or refused a record; what was not acknowledged may be lost
    │   └── LogGapError     the log no longer reaches back to where a store ends
    └── ShardDownError      no replica of a shard answers
        └── StaleError      replicas answer, but none is as fresh as was asked
"""

from __future__ import annotations

from quintet.errors import InputError, LabError

__all__ = ["LogError", "LogGapError", "PlacementError", "ShardDownError", "StaleError"]


class PlacementError(InputError):
    """A change of the placement that cannot be made."""


class LogError(LabError):
    """Kafka does not answer as it should; a write that meets this is not acknowledged, and may be stored or not."""


class LogGapError(LogError):
    """The log no longer reaches back to where a store ends: the points between are only in other replicas."""


class ShardDownError(LabError):
    """No replica of a shard answers; `shards` are those concerned."""

    def __init__(self, message: str, *, shards: tuple[int, ...], remedy: str) -> None:
        super().__init__(message, remedy=remedy)
        self.shards = shards


class StaleError(ShardDownError):
    """Replicas answer, but none of them is as fresh as was asked."""
