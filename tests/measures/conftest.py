"""The benchmarks' own modules are imported by name, as the benchmarks do."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))
