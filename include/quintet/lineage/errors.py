"""Errors of lineage.

QuintetError
├── InputError
│   └── EventError      what was sent is no OpenLineage event
└── LabError
    └── LineageError    the collector or its database does not answer as it should
"""

from __future__ import annotations

from quintet.errors import InputError, LabError

__all__ = ["EventError", "LineageError"]


class EventError(InputError):
    """What was sent is no OpenLineage event; the message names the part."""


class LineageError(LabError):
    """The collector or its database does not answer as it should."""
