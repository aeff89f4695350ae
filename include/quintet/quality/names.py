"""Names of runs as names of files."""

from __future__ import annotations

import re

__all__ = ["file_name"]


def file_name(run_id: str) -> str:
    """Run id as a file name; those of schedulers hold colons and plus signs."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", run_id)
