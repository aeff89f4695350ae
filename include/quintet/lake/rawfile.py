"""Bytes of an input file: gzip taken off, hashed, and shown to be text of a known encoding.

A file is UTF-8 (with or without byte order mark), else Latin-1. Every byte string is formally Latin-1, so that a file
passes as such only when it holds none of the control codes 0x80–0x9F, which no Latin-1 text uses but cut or mixed
multi-byte text nearly always does. NUL bytes (UTF-16, binary files) are refused.

Files up to `SMALL` bytes are read once and kept; larger ones are read a block at a time, once to check and once more
to land, and the second reading must give the same hash.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

from quintet.lake.errors import FileRefusedError

__all__ = ["SMALL", "RawFile", "content_hash", "read_raw"]

#: Bytes of uncompressed content up to which a file is kept in memory.
SMALL = 8 * 1024 * 1024
#: Bytes read at a time from larger files.
BLOCK = 4 * 1024 * 1024

_GZIP = b"\x1f\x8b"
_BOM = b"\xef\xbb\xbf"
_WIDE_BOMS = (b"\xff\xfe", b"\xfe\xff")
_CONTROLS = re.compile(rb"[\x80-\x9f]")
_LONE_CR = re.compile(rb"\r(?!\n)")
_SEND_UTF8 = "Save it as UTF-8 and send it again under the same name"
_SEND_AGAIN = "Send it again under the same name"


@dataclass(frozen=True)
class RawFile:
    """A checked file.

    `lines` counts lines, an unfinished last one included; `content` is the text as UTF-8 without byte order mark when
    the file is small, else None.
    """

    path: Path
    sha256: str
    size: int
    encoding: str
    lines: int
    quotes: int
    has_lone_cr: bool
    content: bytes | None = field(repr=False)

    def utf8(self) -> BinaryIO:
        """Text as a stream of UTF-8 bytes without byte order mark.

        Raises FileRefusedError at its end when the file has changed since it was checked.
        """
        if self.content is not None:
            return io.BytesIO(self.content)
        return cast(BinaryIO, io.BufferedReader(_Recoded(self), BLOCK))


def read_raw(path: Path) -> RawFile:
    """Read, hash and check a file. Raises FileRefusedError."""
    check = _TextCheck(path.name)
    kept: list[bytes] | None = []
    for block in _blocks(path):
        check.feed(block)
        if kept is not None:
            kept.append(block)
            if check.size > SMALL:
                kept = None
    encoding = check.finish()
    content = None if kept is None else _as_utf8(b"".join(kept), encoding)
    return RawFile(
        path=path,
        sha256=check.hash.hexdigest(),
        size=check.size,
        encoding=encoding,
        lines=check.lines + (not check.ends_with_newline and check.size > 0),
        quotes=check.quotes,
        has_lone_cr=check.has_lone_cr,
        content=content,
    )


def content_hash(path: Path) -> str:
    """SHA-256 of the uncompressed content, hex, without any check of the text. Raises FileRefusedError."""
    found = hashlib.sha256()
    for block in _blocks(path):
        found.update(block)
    return found.hexdigest()


def _blocks(path: Path) -> Iterator[bytes]:
    with _opened(path) as stream:
        while block := stream.read(BLOCK):
            yield block


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """Open for reading with gzip taken off, and name what fails inside the block after the file."""
    try:
        with path.open("rb") as file:
            is_gzip = file.peek(2)[:2] == _GZIP
            if not is_gzip and path.suffix == ".gz":
                raise FileRefusedError(path.name, "it is named .gz but is no gzip file", remedy=_SEND_AGAIN)
            yield cast(BinaryIO, gzip.GzipFile(fileobj=file)) if is_gzip else file
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise FileRefusedError(path.name, f"its gzip stream is damaged ({error})", remedy=_SEND_AGAIN) from error
    except OSError as error:
        raise FileRefusedError(
            path.name,
            f"it cannot be read ({error.strerror})",
            remedy=f"Give the lab's user a readable file: ls -l {path}",
        ) from error


def _as_utf8(content: bytes, encoding: str) -> bytes:
    if encoding == "utf-8-sig":
        return content[len(_BOM) :]
    return content.decode("latin-1").encode() if encoding == "latin-1" else content


class _TextCheck:
    """Hash, counts and encoding, a block at a time."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.hash = hashlib.sha256()
        self.size = 0
        self.lines = 0
        self.quotes = 0
        self.has_lone_cr = False
        self.ends_with_newline = False
        self._head = b""
        self._pending = b""  # start of a character that the next block ends
        self._carriage_return = False
        self._not_utf8: tuple[int, int] | None = None  # line, byte
        self._control: tuple[int, int] | None = None

    def feed(self, block: bytes) -> None:
        self.hash.update(block)
        if self.size == 0:
            self._head = block[:4]
            self._refuse_wide()
        if b"\0" in block:
            line = self.lines + block[: block.index(b"\0")].count(b"\n") + 1
            raise FileRefusedError(self.file, "it holds a NUL byte, so it is no text", line=line, remedy=_SEND_UTF8)
        self._check_characters(block)
        self._check_line_ends(block)
        self.size += len(block)
        self.lines += block.count(b"\n")
        self.quotes += block.count(b'"')

    def finish(self) -> str:
        """Encoding of the whole: utf-8, utf-8-sig or latin-1."""
        if self._carriage_return:
            self.has_lone_cr = True
        if self._pending and self._not_utf8 is None:
            self._not_utf8 = (self.lines + 1, self._pending[0])
        if self._not_utf8 is None:
            return "utf-8-sig" if self._head.startswith(_BOM) else "utf-8"
        if self._control is None and not self._head.startswith(_BOM):
            return "latin-1"
        line, byte = self._not_utf8
        raise FileRefusedError(
            self.file,
            f"byte 0x{byte:02x} belongs to no UTF-8 text, and the file is no Latin-1 text either",
            line=line,
            remedy=_SEND_UTF8,
        )

    def _refuse_wide(self) -> None:
        if self._head.startswith(_WIDE_BOMS):
            raise FileRefusedError(self.file, "it is UTF-16 or UTF-32 text", line=1, remedy=_SEND_UTF8)

    def _check_characters(self, block: bytes) -> None:
        if block.isascii() and not self._pending:
            return
        if self._control is None and (found := _CONTROLS.search(block)):
            self._control = (self.lines + block[: found.start()].count(b"\n") + 1, found[0][0])
        if self._not_utf8 is not None:
            return
        data = self._pending + block
        self._pending = b""
        try:
            data.decode()
        except UnicodeDecodeError as error:
            if error.reason == "unexpected end of data" and error.end == len(data):
                self._pending = data[error.start :]
            else:
                self._not_utf8 = (self.lines + data[: error.start].count(b"\n") + 1, data[error.start])

    def _check_line_ends(self, block: bytes) -> None:
        self.ends_with_newline = block.endswith((b"\n", b"\r"))
        if self._carriage_return and not block.startswith(b"\n"):
            self.has_lone_cr = True
        self._carriage_return = block.endswith(b"\r")
        if not self.has_lone_cr and b"\r" in block:
            body = block[:-1] if self._carriage_return else block
            self.has_lone_cr = _LONE_CR.search(body) is not None


class _Recoded(io.RawIOBase):
    """Second reading of a large file: recoded to UTF-8, and compared with the hash of the first."""

    def __init__(self, raw: RawFile) -> None:
        super().__init__()
        self._raw = raw
        self._blocks = _blocks(raw.path)
        self._hash = hashlib.sha256()
        self._rest = memoryview(b"")
        self._first = True

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        target = memoryview(cast(bytearray, buffer))
        if not self._rest and not self._next_block():
            return 0
        taken = self._rest[: len(target)]
        target[: len(taken)] = taken
        self._rest = self._rest[len(taken) :]
        return len(taken)

    def _next_block(self) -> bool:
        block = next(self._blocks, None)
        if block is None:
            if self._hash.hexdigest() != self._raw.sha256:
                raise FileRefusedError(
                    self._raw.path.name,
                    "it changed while it was read",
                    remedy="Put files into the input folder by renaming them into place, then run again",
                )
            return False
        self._hash.update(block)
        if self._raw.encoding == "latin-1":
            block = block.decode("latin-1").encode()
        elif self._first and self._raw.encoding == "utf-8-sig":
            block = block[len(_BOM) :]
        self._first = False
        self._rest = memoryview(block)
        return True
