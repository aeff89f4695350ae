"""What those who write the change log and those who read it both know of it."""

from __future__ import annotations

__all__ = ["BATCH"]

#: Application transaction of the change log that counts the landings; every row carries the number of its landing.
BATCH = "batch"
