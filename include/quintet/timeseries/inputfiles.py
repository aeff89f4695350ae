"""Files of line protocol: which there are, and how they are read in pieces that end with a line."""

from __future__ import annotations

import gzip
import hashlib
import re
import zlib
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from quintet.errors import InputError

__all__ = ["PIECE_BYTES", "content_hash", "day_of", "files_in", "pieces"]

#: Bytes of a request; below what the service takes.
PIECE_BYTES = 8 * 1024 * 1024
_SUFFIXES = (".lp", ".lp.gz")
_DAY = re.compile(r"(\d{4}-\d{2}-\d{2})")


def files_in(folder: Path) -> list[Path]:
    """Files of the folder and of its `by_day/`, by name: what comes later corrects what came before.

    Raises:
        InputError: the folder is absent, cannot be listed, or holds no such file.

    """
    try:
        found = [
            path
            for place in (folder, folder / "by_day")
            if place == folder or place.is_dir()
            for path in place.iterdir()
            if path.name.endswith(_SUFFIXES) and not path.name.startswith(".")
        ]
    except OSError as error:
        raise InputError(
            f"the input folder {folder} cannot be read ({error.strerror})",
            remedy="Name a folder that the lab's user can read",
        ) from error
    if not found:
        raise InputError(
            f"the input folder {folder} holds no *.lp or *.lp.gz files",
            remedy="Put files into it or into its by_day/, or make some: quintet generate timeseries",
        )
    return sorted(found, key=lambda path: (path.name, str(path)))


def day_of(path: Path) -> date | None:
    """The day in the file's name."""
    found = _DAY.search(path.name)
    try:
        return date.fromisoformat(found[1]) if found else None
    except ValueError:
        return None


def content_hash(path: Path) -> str:
    """SHA-256 of the unpacked content, hex.

    Raises:
        InputError: the file cannot be read or unpacked.

    """
    digest = hashlib.sha256()
    for piece in pieces(path):
        digest.update(piece)
    return digest.hexdigest()


def pieces(path: Path, size: int = PIECE_BYTES) -> Iterator[bytes]:
    """The unpacked content in pieces of whole lines, of about `size` bytes.

    Raises:
        InputError: the file cannot be read or unpacked, or a line is longer than a piece.

    """
    rest = b""
    try:
        with gzip.open(path, "rb") if path.name.endswith(".gz") else path.open("rb") as source:
            while chunk := source.read(size):
                whole, end, rest = (rest + chunk).rpartition(b"\n")
                if end:
                    yield whole + end
                elif len(rest) > size:
                    raise InputError(f"{path.name}: a line is longer than {size} bytes", remedy="Is it line protocol?")
    except (EOFError, zlib.error, OSError) as error:
        raise InputError(f"{path.name} cannot be read to its end ({error})", remedy="Send the file again") from error
    if rest:
        yield rest
