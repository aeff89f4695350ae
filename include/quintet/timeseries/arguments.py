"""What the commands of the store and of the cluster share: arguments, the form of the log."""

from __future__ import annotations

import argparse

from quintet.errors import InputError
from quintet.timeseries.model import Rollup
from quintet.timeseries.promql.lexer import duration

__all__ = ["LOG_FORMAT", "add_rollup"]

#: Of what the services log.
LOG_FORMAT = "%(asctime)s %(levelname)s %(message)s"


def add_rollup(parser: argparse.ArgumentParser) -> None:
    """Add `--rollup`, which may be given several times."""
    parser.add_argument(
        "--rollup",
        type=_rollup,
        action="append",
        default=[],
        metavar="STEP[:DURATION]",
        help="keep aggregates by buckets of this step, for good or so long; several are several",
    )


def _rollup(text: str) -> Rollup:
    step, _, keep = text.partition(":")
    try:
        return Rollup(duration(step), duration(keep) if keep else None)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
