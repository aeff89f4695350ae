"""What the Spark jobs share: their options, when Spark starts, their last line of output and their exit code."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from quintet.call import tell
from quintet.lake.spark import session
from quintet.settings import Lab, load_lab

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["Options", "Start", "Work", "run_job"]


@dataclass(frozen=True)
class Options:
    """What a run asks of a job: files of these days (both inclusive) or all that is pending; everything anew."""

    run_id: str
    first: date | None
    last: date | None
    full_refresh: bool


#: Gives the Spark session when there is something to do; it may be told how many rows the job takes in.
Start = Callable[..., "SparkSession"]
#: A job's work: lab, options, and what starts Spark.
Work = Callable[[Lab, Options, Start], dict[str, Any]]


def run_job(app_name: str, description: str, work: Work, arguments: Sequence[str] | None = None) -> int:
    """Run a job of the lab on this machine; the exit code.

    Prints `RESULT {json}` at its end; an error's text goes to standard error and its exit code is returned.
    """
    options = _options(app_name, description, arguments)

    def done() -> dict[str, Any]:
        lab = load_lab()
        with ExitStack() as started:
            return work(lab, options, lambda rows=0: started.enter_context(session(lab, app_name, rows=rows)))

    return tell(done, default=str)


def _options(app_name: str, description: str, arguments: Sequence[str] | None) -> Options:
    parser = argparse.ArgumentParser(prog=app_name, description=description)
    parser.add_argument("--run-id", required=True, help="run that the jobs before and after it name, too")
    parser.add_argument("--from", dest="first", type=date.fromisoformat, metavar="YYYY-MM-DD", help="first day")
    parser.add_argument("--to", dest="last", type=date.fromisoformat, metavar="YYYY-MM-DD", help="last day")
    parser.add_argument("--full-refresh", action="store_true", help="work on all files")
    return Options(**vars(parser.parse_args(arguments)))
