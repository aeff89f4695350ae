"""Errors of the lake.

InputError
└── FileRefusedError  one input file that cannot land: file, line, what is wrong, what to do
LabError
├── LandingError      the lake could not be written; nothing of the batch landed
├── CareError         a table could not be cared for; its rows are as they were
└── VersionError      a version of a table that does not exist, or whose files are gone
"""

from __future__ import annotations

from quintet.errors import InputError, LabError

__all__ = ["CareError", "FileRefusedError", "LandingError", "VersionError"]


class FileRefusedError(InputError):
    """One input file that cannot land.

    `line` is the line where it goes wrong (0: the file as a whole); `sha256` and `size` describe its uncompressed
    content and are empty when that could not be read.
    """

    def __init__(self, file: str, what: str, *, line: int = 0, remedy: str) -> None:
        where = f"{file}, line {line}" if line else file
        super().__init__(f"{where}: {what}", remedy=remedy)
        self.file = file
        self.line = line
        self.sha256 = ""
        self.size = 0
        self.encoding = ""


class LandingError(LabError):
    """The lake could not be written; nothing of the batch landed."""


class CareError(LabError):
    """A table could not be cared for."""


class VersionError(LabError):
    """A version of a table that does not exist, or whose files are gone."""
