"""Where tests find the repository and the real input."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).parents[1]


def retail_days() -> Path | None:
    """Folder with the 305 days of the Online Retail set: QUINTET_INPUT, else beside the repository; None: absent."""
    configured = os.environ.get("QUINTET_INPUT")
    folder = Path(configured) if configured else ROOT.parent / "shared" / "data" / "online_retail" / "by_day"
    return folder if folder.is_dir() else None
