"""Points per second that a token may write."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ["PointQuota", "QuotaError"]


class QuotaError(Exception):
    """Too many points; `retry_after` in seconds."""

    def __init__(self, rate: float, retry_after: float) -> None:
        super().__init__(f"more than {rate:g} points per second: try again in {retry_after:.1f} s")
        self.retry_after = retry_after


@dataclass
class PointQuota:
    """A bucket per name, filled with `rate` points a second up to two seconds' worth.

    A request is let in while its bucket holds anything and may leave it in debt: so a batch that is larger than the
    bucket passes, and the sender waits after it.
    """

    rate: float | None = None
    clock: Callable[[], float] = time.monotonic
    _buckets: dict[str, tuple[float, float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, name: str, points: int) -> None:
        """Take `points` out of the bucket of `name`; 0 only asks whether it is in debt.

        Raises:
            QuotaError: the bucket is in debt; nothing was taken.

        """
        if self.rate is None:
            return
        with self._lock:
            now = self.clock()
            held, since = self._buckets.get(name, (2 * self.rate, now))
            held = min(2 * self.rate, held + (now - since) * self.rate)
            if held <= 0:
                self._buckets[name] = held, now
                raise QuotaError(self.rate, (1 - held) / self.rate)
            self._buckets[name] = held - points, now
