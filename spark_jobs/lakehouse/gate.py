"""Gate between bronze and silver of the project `lakehouse`.

Prints `RESULT {json}` when the batch may be published; ends with the error's exit code and its text otherwise (5: the
gate refused). Starts Spark only when there is something to judge.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from pyspark.sql import SparkSession

from quintet.lake.sparkjob import Options, run_job
from quintet.lakehouse.gate import run_gate
from quintet.lakehouse.gateplan import Selection
from quintet.settings import Lab


def judge(lab: Lab, options: Options, start: Callable[[], SparkSession]) -> dict[str, Any]:
    """Counts of the outcome."""
    selection = Selection(from_=options.first, to=options.last, full_refresh=options.full_refresh)
    return run_gate(lab, start, run_id=options.run_id, selection=selection)


if __name__ == "__main__":
    sys.exit(run_job("lakehouse gate", "Judge files before they are published.", judge))
