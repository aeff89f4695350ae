"""Seconds by step."""

from __future__ import annotations

import time

__all__ = ["Laps"]


class Laps:
    """A clock that is read at the end of each step. Units: seconds."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.monotonic()

    def lap(self, name: str) -> None:
        """A step ends here."""
        now = time.monotonic()
        self.laps[name] = round(now - self._last, 2)
        self._last = now
