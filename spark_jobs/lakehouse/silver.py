"""Silver of the project `lakehouse`: publish what the gate of the same run has passed.

Prints `RESULT {json}` with counts and seconds by step; ends with the error's exit code and its text otherwise.
Starts Spark only when there is something to publish.
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
from quintet.lakehouse.gateoutcome import passed_bronze_version
from quintet.lakehouse.selection import Days
from quintet.lakehouse.silver import build
from quintet.settings import load_lab


def parse_args(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Command line of the job."""
    parser = argparse.ArgumentParser(prog="silver.py", description="Publish silver tables.")
    parser.add_argument("--run-id", required=True, help="run whose gate has passed")
    parser.add_argument("--from", dest="from_", type=date.fromisoformat, metavar="YYYY-MM-DD", help="first day")
    parser.add_argument("--to", type=date.fromisoformat, metavar="YYYY-MM-DD", help="last day")
    parser.add_argument("--full-refresh", action="store_true", help="compute everything anew")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the tables; the exit code."""
    options = parse_args(arguments)
    try:
        lab = load_lab()
        result = build(
            lab,
            lambda: session(lab, "lakehouse silver"),
            bronze_version=passed_bronze_version(lab, options.run_id),
            days=Days(options.from_, options.to),
            full_refresh=options.full_refresh,
        )
    except QuintetError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    finally:
        running = SparkSession.getActiveSession()
        if running is not None:
            running.stop()
    sys.stdout.write(f"RESULT {json.dumps(result, default=str)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
