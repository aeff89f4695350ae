"""Where the bytes of a block come from: a file mapped into memory, or a place that is asked for ranges."""

from __future__ import annotations

import mmap
from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np
import numpy.typing as npt

__all__ = ["BlockBytes", "ChunkBytes", "MappedBytes"]


class ChunkBytes(ABC):
    """The bytes of chosen chunks, which are asked for in rising order."""

    @abstractmethod
    def around(self, offset: int) -> tuple[npt.NDArray[np.uint8], int]:
        """Bytes that hold the chunk at an offset with what follows it, and the offset that they begin at."""


class BlockBytes(ABC):
    """Bytes of one immutable file. path: where it lies, for messages; size: in bytes."""

    path: Path | str
    size: int

    @abstractmethod
    def read(self, start: int, end: int) -> bytes:
        """The bytes in [start, end)."""

    @abstractmethod
    def chunks(self, starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]) -> ChunkBytes:
        """Make the chunks in [start, end) ready. Shapes: starts int64[n], rising; ends int64[n]."""


class MappedBytes(BlockBytes, ChunkBytes):
    """A file of this machine.

    Raises:
        FileNotFoundError: it is missing.
        ValueError: it is empty.

    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("rb") as file:
            self.size = file.seek(0, 2)
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._data: npt.NDArray[np.uint8] = np.frombuffer(self._map, np.uint8)

    def read(self, start: int, end: int) -> bytes:
        """Copy."""
        return self._map[start:end]

    def chunks(self, starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]) -> ChunkBytes:
        """Nothing to do."""
        return self

    def around(self, offset: int) -> tuple[npt.NDArray[np.uint8], int]:
        """The whole file."""
        return self._data, 0
