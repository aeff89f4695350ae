"""The lock of a store: one object at a time has it open; the kernel gives it free when the process ends."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from quintet.timeseries.errors import StoreLockedError

__all__ = ["StoreLock"]


class StoreLock:
    """Holds the file `LOCK` of a store.

    Raises:
        StoreLockedError: someone else holds it; the message names the process.

    """

    def __init__(self, folder: Path) -> None:
        path = folder / "LOCK"
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._file, 20).decode(errors="replace").strip()
            os.close(self._file)
            raise StoreLockedError(
                f"the store {folder} is open in process {holder or 'unknown'}",
                remedy="Close it there, or ask the server that has it open",
            ) from None
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Give the store free."""
        os.close(self._file)
