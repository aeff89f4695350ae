"""Errors of queries.

InputError
└── QueryError              a query that cannot be answered; `status` is its HTTP status
    ├── QuerySyntaxError    text that is no query, or of a type that its function does not take (400)
    ├── EvaluationError     a query that these data do not allow, such as labels that match twice (422)
    ├── QueryLimitError     a query that would touch more than it may (422)
    └── QueryTimeoutError   a query that took longer than it may (503)
"""

from __future__ import annotations

from quintet.errors import InputError

__all__ = ["EvaluationError", "QueryError", "QueryLimitError", "QuerySyntaxError", "QueryTimeoutError"]


class QueryError(InputError):
    """A query that cannot be answered."""

    status = 400


class QuerySyntaxError(QueryError):
    """Text that is no query."""


class EvaluationError(QueryError):
    """A query that these data do not allow."""

    status = 422


class QueryLimitError(QueryError):
    """A query that would touch more than it may."""

    status = 422


class QueryTimeoutError(QueryError):
    """A query that took longer than it may."""

    status = 503
