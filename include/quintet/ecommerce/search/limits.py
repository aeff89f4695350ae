"""Requests per second of a key."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ["RateError", "RateLimit"]


class RateError(Exception):
    """Too many requests; `retry_after` in seconds."""

    def __init__(self, name: str, rate: float, retry_after: float) -> None:
        super().__init__(f"the key {name!r} has more than {rate:g} requests a second: wait {retry_after:.1f} s")
        self.retry_after = retry_after


@dataclass
class RateLimit:
    """A bucket a key, filled with `rate` requests a second up to `burst` seconds' worth; None: no limit.

    A process has buckets of its own: several of them give as many times the rate.
    """

    rate: float | None = None
    burst: float = 2.0
    clock: Callable[[], float] = time.monotonic
    _buckets: dict[str, tuple[float, float]] = field(default_factory=dict)

    def take(self, name: str) -> None:
        """Take one request out of the bucket of a key.

        Raises:
            RateError: it is empty.

        """
        if self.rate is None:
            return
        now, most = self.clock(), max(1.0, self.rate * self.burst)
        held, since = self._buckets.get(name, (most, now))
        held = min(most, held + (now - since) * self.rate)
        if held < 1:
            self._buckets[name] = held, now
            raise RateError(name, self.rate, (1 - held) / self.rate)
        self._buckets[name] = held - 1, now
