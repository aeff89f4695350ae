"""Files that are there whole or not at all: written aside, synced, renamed, the folder synced. Framed small files."""

from __future__ import annotations

import os
import shutil
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import xxhash

from quintet.timeseries.errors import CorruptionError

__all__ = ["checksum", "link_or_copy", "read_framed", "sync_folder", "write_framed", "writing_aside"]

#: magic, version, reserved, length of the payload, checksum of the payload
_FRAME = struct.Struct("<8sHHIQ")
_VERSION = 1


def checksum(*parts: bytes | memoryview) -> int:
    """XXH3 (64 bits) of the parts in sequence."""
    if len(parts) == 1:
        return int(xxhash.xxh3_64_intdigest(parts[0]))
    state = xxhash.xxh3_64()
    for part in parts:
        state.update(part)
    return int(state.intdigest())


def sync_folder(folder: Path) -> None:
    """Make what was created, renamed or removed in a folder last."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def writing_aside(path: Path) -> Iterator[BinaryIO]:
    """A file under a temporary name that takes the place of `path` when the block ends without an error."""
    aside = path.with_name(path.name + ".tmp")
    try:
        with aside.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        aside.rename(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write_framed(path: Path, magic: bytes, payload: bytes) -> None:
    """Replace a small file: frame and payload."""
    with writing_aside(path) as file:
        file.write(_FRAME.pack(magic, _VERSION, 0, len(payload), checksum(payload)))
        file.write(payload)


def read_framed(path: Path, magic: bytes, *, remedy: str) -> bytes:
    """Payload of a small file.

    Raises:
        CorruptionError: absent, of another kind or version, torn, or changed.

    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise CorruptionError(path, "the file is missing", remedy=remedy) from None
    if len(data) < _FRAME.size:
        raise CorruptionError(path, f"{len(data)} bytes are no whole frame", remedy=remedy)
    found, version, _, length, expected = _FRAME.unpack_from(data)
    if found != magic:
        raise CorruptionError(path, f"begins with {found!r}, not {magic!r}", remedy=remedy)
    if version != _VERSION:
        raise CorruptionError(
            path,
            f"has version {version}, this program reads {_VERSION}",
            offset=8,
            remedy="Use the version that wrote it",
        )
    payload = data[_FRAME.size :]
    if len(payload) != length or checksum(payload) != expected:
        raise CorruptionError(path, "the checksum does not fit the content", offset=_FRAME.size, remedy=remedy)
    return payload


def link_or_copy(source: Path, target: Path) -> None:
    """A second name for an immutable file; a synced copy where the file system cannot."""
    try:
        os.link(source, target)
    except OSError:
        with source.open("rb") as read, writing_aside(target) as write:
            shutil.copyfileobj(read, write, 1024 * 1024)
