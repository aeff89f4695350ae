"""Errors of the product search.

ServiceDownError
└── SearchDownError    no node of OpenSearch answers
LabError
├── SearchRefusedError OpenSearch refuses what it is asked
│   └── NoIndexError   there is no such index: none was built yet
└── IndexingError      an index is not as it should be; the alias stays where it was
"""

from __future__ import annotations

from quintet.errors import LabError, ServiceDownError

__all__ = ["BUILD_FIRST", "IndexingError", "NoIndexError", "SearchDownError", "SearchRefusedError"]

BUILD_FIRST = "Build it: quintet run ecommerce --dag ecommerce_index_products"


class SearchDownError(ServiceDownError):
    """No node of OpenSearch answers."""


class SearchRefusedError(LabError):
    """OpenSearch refuses what it is asked; `status` of its answer."""

    def __init__(self, message: str, *, status: int, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.status = status


class NoIndexError(SearchRefusedError):
    """There is no such index: none was built yet, or the project was emptied."""

    def __init__(self, what: str) -> None:
        super().__init__(f"there is no index of products for {what}", status=404, remedy=BUILD_FIRST)


class IndexingError(LabError):
    """An index is not as it should be; the alias stays where it was."""
