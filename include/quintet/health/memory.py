"""Memory of process trees: proportional set size, so that shared pages count once."""

from __future__ import annotations

from collections.abc import Iterable

import psutil

__all__ = ["tree_memory_mb"]


def tree_memory_mb(pids: Iterable[int]) -> int:
    """Memory of the processes and everything below them, in MB; processes that are gone count nothing.

    Where the kernel does not let us read the proportional size, the unique set size is taken.
    """
    total = 0
    seen: set[int] = set()
    for pid in pids:
        try:
            parent = psutil.Process(pid)
            family = [parent, *parent.children(recursive=True)]
        except psutil.Error:
            continue
        for process in family:
            if process.pid in seen:
                continue
            seen.add(process.pid)
            try:
                info = process.memory_full_info()
            except psutil.Error:
                continue
            total += getattr(info, "pss", 0) or info.uss
    return total // 1024**2
