"""Errors of Flink jobs.

SettingsError
└── JobDefinitionError       job.yaml or its SQL is wrong: a person mends it
InputError
└── StatementError           the SQL gateway refused a statement for what it says
GateError
├── IncompatibleStateError   the new version cannot take over the state of the one that runs
└── RolledBackError          the new version did not start; the one before it runs again
LabError
├── FlinkError               the cluster or the gateway failed at a request
│   └── UnknownJobError      the cluster knows no such job
└── StreamFailedError        a job ended, or does not get to its first checkpoint; its root exception is the message
"""

from __future__ import annotations

from quintet.errors import GateError, InputError, LabError, SettingsError

__all__ = [
    "FlinkError",
    "IncompatibleStateError",
    "JobDefinitionError",
    "RolledBackError",
    "StatementError",
    "StreamFailedError",
    "UnknownJobError",
]


class JobDefinitionError(SettingsError):
    """job.yaml or its SQL is wrong."""


class StatementError(InputError):
    """The SQL gateway refused a statement for what it says."""


class IncompatibleStateError(GateError):
    """The new version cannot take over the state of the one that runs."""


class RolledBackError(GateError):
    """The new version did not start; the one before it runs again."""


class FlinkError(LabError):
    """The cluster or the gateway failed at a request."""


class UnknownJobError(FlinkError):
    """The cluster knows no such job."""


class StreamFailedError(LabError):
    """A job ended, or does not get to its first checkpoint."""
