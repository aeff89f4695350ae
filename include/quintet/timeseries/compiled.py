"""Compilation of hot loops: numba, kept on disk where the installation can be written to, else once per process.

They are kept in a folder of their own for each state of all files with loops: numba itself notices a change of the
file a loop is in, not of those whose loops it calls.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba import config, njit

__all__ = ["kernel"]


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function at its first call; it runs without the interpreter's lock, so readers do not stop writers."""
    try:
        return njit(cache=True, nogil=True)(function)
    except RuntimeError:  # no folder for the cache: a read-only installation without a home
        return njit(nogil=True)(function)


def _state(folder: Path) -> str:
    """Stands for the content of all files with loops."""
    sources = [path.read_bytes() for path in sorted(folder.rglob("*.py"))]
    return hashlib.sha256(b"".join(source for source in sources if b"@kernel" in source)).hexdigest()[:16]


_FOLDER = Path(__file__).parent
if config.CACHE_DIR or os.access(_FOLDER, os.W_OK):
    config.CACHE_DIR = str(Path(config.CACHE_DIR or _FOLDER / "__pycache__") / f"loops-{_state(_FOLDER)}")
