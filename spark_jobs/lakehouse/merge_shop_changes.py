"""Merge the shop's change log into the copies of its tables, and the history of customers in two times.

Prints `RESULT {json}` with counts by table; starts Spark only when a landing is not merged yet.
"""

from __future__ import annotations

import sys
from typing import Any

from quintet.lake.sparkjob import Options, Start, run_job
from quintet.lakehouse.shop.copies import merge_all
from quintet.settings import Lab


def publish(lab: Lab, options: Options, start: Start) -> dict[str, Any]:
    """Counts by table, and seconds by step."""
    return merge_all(lab, start, full_refresh=options.full_refresh)


if __name__ == "__main__":
    sys.exit(run_job("lakehouse shop changes", "Merge the shop's changes.", publish))
