"""Compilation of hot loops: numba, kept on disk where the installation can be written to, else once per process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit

__all__ = ["kernel"]


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function at its first call; it runs without the interpreter's lock, so readers do not stop writers.

    A kernel calls kernels of its own module only: numba notices a change of the file a kernel is in, not of others.
    """
    try:
        return njit(cache=True, nogil=True)(function)
    except RuntimeError:  # no folder for the cache: a read-only installation without a home
        return njit(nogil=True)(function)
