"""Errors of change data capture.

LabError
├── CaptureError      the connector or its slot is not as it should be
└── ChangeError       a record of a change topic is none
"""

from __future__ import annotations

from quintet.errors import LabError

__all__ = ["CaptureError", "ChangeError"]


class CaptureError(LabError):
    """The connector or its slot is not as it should be."""


class ChangeError(LabError):
    """A record of a change topic cannot be read as a change; `reason` is one word for it."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
