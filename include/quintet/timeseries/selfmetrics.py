"""Figures that the service tells of itself beside its counters: the store's, and room on its disks."""

from __future__ import annotations

import shutil
from pathlib import Path

from quintet.timeseries.service import Service
from quintet.timeseries.store import Store

__all__ = ["gauges"]


def gauges(service: Service) -> dict[str, float]:
    """Gauges by name.

    Raises:
        StoreError: the store does not answer.

    """
    found = {
        f"store_{name}": float(value)
        for name, value in vars(service.store.stats()).items()
        if isinstance(value, int) and not isinstance(value, bool)
    }
    found["start_time_seconds"] = service.started
    if isinstance(service.store, Store):
        found |= _room("store", service.store.path)
        if service.store.options.warm is not None:
            found |= _room("warm", service.store.options.warm)
    return found


def _room(name: str, folder: Path) -> dict[str, float]:
    usage = shutil.disk_usage(folder)
    return {f"{name}_disk_free_bytes": float(usage.free), f"{name}_disk_size_bytes": float(usage.total)}
