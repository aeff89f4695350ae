"""Errors of backups.

BackupError (LabError)        pgBackRest, or the server, does not do what it is asked
├── NoRoomError               the disk of the repository, or of a restore, is full
└── NotPrimaryError           this node's server is a replica
RepositoryDamagedError (VerifyError)  a file of the repository is not what was written
└── LogGapError               a segment of the log is missing: moments behind it cannot be restored
FilledFolderError (InputError)        the folder of a restore has files
NoBackupError (InputError)            no backup is older than the moment that is asked for

What another try cannot mend is of the classes on which tasks fail at once.
"""

from __future__ import annotations

from quintet.errors import InputError, LabError, VerifyError

__all__ = [
    "BackupError",
    "FilledFolderError",
    "LogGapError",
    "NoBackupError",
    "NoRoomError",
    "NotPrimaryError",
    "RepositoryDamagedError",
]


class BackupError(LabError):
    """PgBackRest, or the server, does not do what it is asked."""


class NoRoomError(BackupError):
    """The disk of the repository, or of a restore, is full."""


class NotPrimaryError(BackupError):
    """The server of this node is a replica."""


class RepositoryDamagedError(VerifyError):
    """A file of the repository is not what was written."""


class LogGapError(RepositoryDamagedError):
    """A segment of the log is missing: moments behind it cannot be restored."""


class FilledFolderError(InputError):
    """The folder of a restore has files."""


class NoBackupError(InputError):
    """No backup is older than the moment that is asked for."""
