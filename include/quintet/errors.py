"""Errors of Quintet.

QuintetError
├── SettingsError        the lab file is absent, unreadable or of another version
├── InputError           input data that cannot be accepted (file, column, line)
├── GateError            a quality gate refused to publish
├── LabError             a service of the lab does not answer as it should
│   └── ServiceDownError nothing listens where the lab file says
└── VerifyError          results differ from the truth

Every message says what failed, on which object, and what to do; `remedy` holds the last part so that programs can
show it apart. `exit_code` is what the `quintet` command ends with.
"""

from __future__ import annotations

__all__ = [
    "GateError",
    "InputError",
    "LabError",
    "QuintetError",
    "ServiceDownError",
    "SettingsError",
    "VerifyError",
]


class QuintetError(Exception):
    """Base of all errors; `remedy` is the next step for a person."""

    exit_code = 1

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message if not remedy else f"{message}. {remedy}")
        self.message = message
        self.remedy = remedy


class SettingsError(QuintetError):
    """The lab file is absent, unreadable or of another version."""

    exit_code = 3


class InputError(QuintetError):
    """Input data that cannot be accepted."""

    exit_code = 4


class GateError(QuintetError):
    """A quality gate refused to publish."""

    exit_code = 5


class LabError(QuintetError):
    """A service of the lab does not answer as it should."""

    exit_code = 6


class ServiceDownError(LabError):
    """Nothing listens where the lab file says."""


class VerifyError(QuintetError):
    """Results differ from the truth."""

    exit_code = 7
