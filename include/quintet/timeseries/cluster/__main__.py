"""`python -m quintet.timeseries.cluster`."""

from __future__ import annotations

import sys

from quintet.timeseries.cluster.command import main

if __name__ == "__main__":
    sys.exit(main())
