"""Silver of the project `lakehouse`: publish what the gate of the same run has passed.

Prints `RESULT {json}` with counts and seconds by step; ends with the error's exit code and its text otherwise.
Starts Spark only when there is something to publish.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from pyspark.sql import SparkSession

from quintet.lake.sparkjob import Options, run_job
from quintet.lakehouse.gateoutcome import passed_bronze_version
from quintet.lakehouse.selection import Days
from quintet.lakehouse.silver import build
from quintet.settings import Lab


def publish(lab: Lab, options: Options, start: Callable[[], SparkSession]) -> dict[str, Any]:
    """Counts of what was published, and seconds by step."""
    return build(
        lab,
        start,
        bronze_version=passed_bronze_version(lab, options.run_id),
        days=Days(options.first, options.last),
        full_refresh=options.full_refresh,
    )


if __name__ == "__main__":
    sys.exit(run_job("lakehouse silver", "Publish silver tables.", publish))
