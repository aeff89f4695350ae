"""Errors of streams.

LabError
├── TopicError         a topic is not as it is declared, or the broker refuses
└── RegistryError      the registry does not know a schema, or refuses it
"""

from __future__ import annotations

from quintet.errors import LabError

__all__ = ["RegistryError", "TopicError"]


class TopicError(LabError):
    """A topic is not as it is declared, or the broker refuses."""


class RegistryError(LabError):
    """The registry does not know a schema, or refuses it; `status` is what it answered with."""

    def __init__(self, message: str, *, status: int, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.status = status
