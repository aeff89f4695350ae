"""Gate between bronze and silver of the project `lakehouse`.

Prints `RESULT {json}` when the batch may be published; ends with the error's exit code and its text otherwise (5: the
gate refused). Starts Spark only when there is something to judge.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import date

from pyspark.sql import SparkSession

from quintet.errors import QuintetError
from quintet.lake.spark import session
from quintet.lakehouse.gate import run_gate
from quintet.lakehouse.gateplan import Selection
from quintet.settings import Lab, load_lab


def parse_args(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Command line of the job."""
    parser = argparse.ArgumentParser(prog="gate.py", description="Judge files before they are published.")
    parser.add_argument("--run-id", required=True, help="run that silver will name too")
    parser.add_argument("--from", dest="from_", type=date.fromisoformat, metavar="YYYY-MM-DD", help="first day")
    parser.add_argument("--to", type=date.fromisoformat, metavar="YYYY-MM-DD", help="last day")
    parser.add_argument("--full-refresh", action="store_true", help="judge all files")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the gate; the exit code."""
    options = parse_args(arguments)
    selection = Selection(from_=options.from_, to=options.to, full_refresh=options.full_refresh)
    try:
        lab = load_lab()
        result = run_gate(lab, lambda: _session(lab), run_id=options.run_id, selection=selection)
    except QuintetError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    finally:
        running = SparkSession.getActiveSession()
        if running is not None:
            running.stop()
    sys.stdout.write(f"RESULT {json.dumps(result)}\n")
    return 0


def _session(lab: Lab) -> SparkSession:
    return session(lab, "lakehouse gate")


if __name__ == "__main__":
    sys.exit(main())
