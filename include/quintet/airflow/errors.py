"""Errors of tasks, beside those of `quintet.errors` that a job tells by its exit code.

QuintetError
├── JobFailedError   a job ended with an error of its own, or without a result
└── JobKilledError   a signal ended the job: memory, a person, the machine
"""

from __future__ import annotations

from quintet.errors import QuintetError

__all__ = ["JobFailedError", "JobKilledError"]


class JobFailedError(QuintetError):
    """A job ended with an error of its own, or without a result."""


class JobKilledError(QuintetError):
    """A signal ended the job."""
