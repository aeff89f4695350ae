"""Chunks of a block that lies far away: near ones are fetched together, some ranges ahead of the reader."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future

import numpy as np
import numpy.typing as npt

from quintet.timeseries.blockbytes import ChunkBytes

__all__ = ["FetchedChunks", "spans"]

#: Bytes that are fetched in vain rather than with a request of their own.
_GAP = 256 * 1024
#: Bytes of a request, if no single chunk is larger.
_SPAN = 4 * 1024 * 1024
#: Requests on the way: with `_SPAN` the memory that a reader of one block takes.
_AHEAD = 4


def spans(starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]) -> list[tuple[int, int]]:
    """Ranges that cover the chunks. Shapes: starts int64[n], rising; ends int64[n]."""
    found: list[tuple[int, int]] = []
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        if found and start - found[-1][1] <= _GAP and end - found[-1][0] <= _SPAN:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


class FetchedChunks(ChunkBytes):
    """Fetches the ranges in order; those before the one that is read are forgotten."""

    def __init__(
        self, ranges: list[tuple[int, int]], fetch: Callable[[int, int], bytes], pool: Executor | None
    ) -> None:
        self._todo = deque(ranges)
        self._fetch = fetch
        self._pool = pool if len(ranges) > 1 else None
        self._coming: deque[tuple[int, int, Future[bytes]]] = deque()
        self._start = self._end = 0
        self._data: npt.NDArray[np.uint8] = np.empty(0, np.uint8)

    def around(self, offset: int) -> tuple[npt.NDArray[np.uint8], int]:
        """The range with a chunk; waits for it."""
        while offset >= self._end:
            self._next()
        return self._data, self._start

    def _next(self) -> None:
        if self._pool is None:
            self._start, self._end = self._todo.popleft()
            self._data = np.frombuffer(self._fetch(self._start, self._end), np.uint8)
            return
        while self._todo and len(self._coming) < _AHEAD:
            start, end = self._todo.popleft()
            self._coming.append((start, end, self._pool.submit(self._fetch, start, end)))
        self._start, self._end, coming = self._coming.popleft()
        self._data = np.frombuffer(coming.result(), np.uint8)
