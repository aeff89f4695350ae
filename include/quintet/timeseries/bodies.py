"""The body of a request: read and unpacked up to a limit, so that no request can fill the memory."""

from __future__ import annotations

import zlib

from starlette.requests import Request

__all__ = ["BodyError", "gunzip", "read_body"]


class BodyError(Exception):
    """A body is refused: `status` 413 too large, 415 of an unknown encoding, 400 damaged."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


async def read_body(request: Request, limit: int) -> bytes:
    """The body as it was sent, of at most `limit` bytes.

    Raises:
        BodyError: 413.

    """
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit:
        raise _too_large(limit)
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise _too_large(limit)
        parts.append(part)
    return b"".join(parts)


def gunzip(body: bytes, encoding: str, limit: int) -> bytes:
    """The body unpacked, of at most `limit` bytes; gzip may have many members.

    Raises:
        BodyError: 413, 415 or 400.

    """
    encoding = encoding.strip().lower()
    if encoding in {"", "identity"}:
        return body
    if encoding != "gzip":
        raise BodyError(415, f"content encoding {encoding!r}: send gzip or nothing")
    parts, size = [], 0
    while body:
        member = zlib.decompressobj(wbits=31)
        try:
            part = member.decompress(body, limit - size + 1)
        except zlib.error as error:
            raise BodyError(400, f"gzip: {error}") from error
        size += len(part)
        if size > limit:
            raise _too_large(limit)
        if not member.eof:
            raise BodyError(400, "gzip: the body ends too early")
        parts.append(part)
        body = member.unused_data
    return b"".join(parts)


def _too_large(limit: int) -> BodyError:
    return BodyError(413, f"body larger than {limit} bytes: send smaller batches")
