"""Gate between the log of events and the published tables of the project `ecommerce`.

Prints `RESULT {json}` when what has landed may be published; ends with the error's exit code and its text otherwise (5:
the gate refused). Starts Spark only when there is something to judge.
"""

from __future__ import annotations

import sys
from typing import Any

from quintet.ecommerce.batch.gate import run_gate
from quintet.lake.sparkjob import Options, Start, run_job
from quintet.settings import Lab


def judge(lab: Lab, options: Options, start: Start) -> dict[str, Any]:
    """Counts of the outcome."""
    return run_gate(lab, start, run_id=options.run_id)


if __name__ == "__main__":
    sys.exit(run_job("ecommerce gate", "Judge events before they are published.", judge))
