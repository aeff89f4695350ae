"""Errors of the product search.

ServiceDownError
└── SearchDownError    no node of OpenSearch answers
LabError
├── SearchRefusedError OpenSearch refuses what it is asked
└── IndexingError      an index is not as it should be; the alias stays where it was
"""

from __future__ import annotations

from quintet.errors import LabError, ServiceDownError

__all__ = ["IndexingError", "SearchDownError", "SearchRefusedError"]


class SearchDownError(ServiceDownError):
    """No node of OpenSearch answers."""


class SearchRefusedError(LabError):
    """OpenSearch refuses what it is asked; `status` of its answer."""

    def __init__(self, message: str, *, status: int, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.status = status


class IndexingError(LabError):
    """An index is not as it should be; the alias stays where it was."""
