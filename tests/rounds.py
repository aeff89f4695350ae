"""How long random tests go on: QUINTET_RANDOM_ROUNDS takes more histories than a run of everything has time for."""

from __future__ import annotations

import os

__all__ = ["RANDOM_ROUNDS"]

RANDOM_ROUNDS = int(os.environ.get("QUINTET_RANDOM_ROUNDS", "1"))
