"""Errors of the project.

QuintetError
└── LabError
    └── StreamsBehindError   the streams have not done what was sent; asking again later may find them done
"""

from __future__ import annotations

from quintet.errors import LabError

__all__ = ["StreamsBehindError"]


class StreamsBehindError(LabError):
    """The streams did not come to the end of what was sent within the time that they were given."""
