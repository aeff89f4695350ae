"""A block that lies far away: its index is kept in a file here, its chunks are asked for by ranges."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Executor
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from quintet.timeseries.block import index_of
from quintet.timeseries.blockbytes import BlockBytes, ChunkBytes, MappedBytes
from quintet.timeseries.errors import CorruptionError
from quintet.timeseries.files import writing_aside
from quintet.timeseries.ranges import FetchedChunks, spans

__all__ = ["Fetch", "RemoteBytes", "keep_index"]

_LOG = logging.getLogger(__name__)
#: The bytes in [start, end) of one file.
Fetch = Callable[[int, int], bytes]


def keep_index(kept: Path, source: BlockBytes) -> tuple[int, bytes]:
    """Write the index of a block to the file `kept`; its offset in the block, and the index."""
    first, data = index_of(source)
    with writing_aside(kept) as file:
        file.write(data)
    return first, data


class RemoteBytes(BlockBytes):
    """path: where it lies, for messages; kept: file for its index, fetched when it is missing or damaged."""

    def __init__(self, path: str, size: int, fetch: Fetch, *, kept: Path, pool: Executor) -> None:
        self.path = path
        self.size = size
        self._fetch = fetch
        self._kept = kept
        self._pool = pool

    @cached_property
    def _index(self) -> _End:
        try:
            here = _End(self.path, self.size, MappedBytes(self._kept))
            index_of(here)
        except (FileNotFoundError, ValueError):
            _LOG.info("%s: the index is fetched", self.path)
        except CorruptionError as error:
            _LOG.warning("%s: the index kept here is damaged and fetched anew (%s)", self.path, error.what)
        else:
            return here
        keep_index(self._kept, _Whole(self.path, self.size, self._fetch))
        return _End(self.path, self.size, MappedBytes(self._kept))

    def read(self, start: int, end: int) -> bytes:
        """From the index where it lies there."""
        return self._index.read(start, end) if start >= self._index.first else self._fetch(start, end)

    def chunks(self, starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]) -> ChunkBytes:
        """Fetch what lies together in one request, some requests at a time."""
        return FetchedChunks(spans(starts, ends), self._fetch, self._pool)


class _Whole(BlockBytes):
    """The far file."""

    def __init__(self, path: Path | str, size: int, fetch: Fetch) -> None:
        self.path = path
        self.size = size
        self._fetch = fetch

    def read(self, start: int, end: int) -> bytes:
        return self._fetch(start, end)

    def chunks(self, starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]) -> ChunkBytes:
        return FetchedChunks(spans(starts, ends), self._fetch, None)


class _End(_Whole):
    """The end of the far file, kept here, with the offsets of the whole."""

    def __init__(self, path: Path | str, size: int, kept: MappedBytes) -> None:
        super().__init__(path, size, lambda start, end: kept.read(start - self.first, end - self.first))
        self.first = size - kept.size

    def read(self, start: int, end: int) -> bytes:
        if start < self.first or end > self.size:
            raise CorruptionError(self.path, "the index kept here is too short", offset=start, remedy="Remove it")
        return super().read(start, end)
