"""Batch layer of the project `ecommerce`: publish what the gate of the same run has passed.

Prints `RESULT {json}` with days, counts and seconds by step; starts Spark only when there is something to publish.
"""

from __future__ import annotations

import sys
from typing import Any

from quintet.ecommerce.batch.gate import passed_batch
from quintet.ecommerce.batch.publish import publish
from quintet.lake.sparkjob import Options, Start, run_job
from quintet.settings import Lab


def compute(lab: Lab, options: Options, start: Start) -> dict[str, Any]:
    """Counts of what was published, and seconds by step."""
    up_to = passed_batch(lab, options.run_id)
    return publish(lab, start, run_id=options.run_id, up_to=up_to, full_refresh=options.full_refresh)


if __name__ == "__main__":
    sys.exit(run_job("ecommerce figures", "Publish events, figures and sessions.", compute))
