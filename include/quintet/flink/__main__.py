"""Look at the lab's Flink jobs and deploy them by hand: `python -m quintet.flink <verb> [<slug>/<job>]`.

Airflow does the same in its DAGs; this is for whoever sits before a lab whose Airflow is down.
"""

from __future__ import annotations

import argparse
import json
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path

from quintet.errors import QuintetError
from quintet.flink.definition import FOLDER, read_job
from quintet.flink.deploy import Deployer, finish
from quintet.flink.health import observe
from quintet.flink.ledger import Ledger
from quintet.flink.rest import FlinkRest
from quintet.flink.waits import Done
from quintet.flink.watch import watch
from quintet.settings import Lab, load_lab

__all__ = ["main"]

_SHOWN = ("number", "version", "reason", "phase", "started_from", "error")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; the exit code is the error's."""
    parser = argparse.ArgumentParser(prog="quintet.flink", description="Look at the lab's Flink jobs and deploy them.")
    parser.add_argument("verb", choices=["status", "history", "deploy", "stop", "savepoint", "roll-back", "watch"])
    parser.add_argument("job", nargs="?", help="<slug>/<job>; for watch and status <slug>, or none for all")
    parser.add_argument("--fresh", action="store_true", help="deploy without the old state")
    parser.add_argument("--no-check", action="store_true", help="do not compare states before an upgrade")
    parser.add_argument("--jobs", type=Path, help="folder of the jobs (default: that of the deployed code)")
    options = parser.parse_args(arguments)
    if options.job is None and options.verb != "status":
        parser.error(f"{options.verb} of which job?")
    try:
        for row in _rows(load_lab(), options):
            sys.stdout.write(f"{json.dumps(row, default=str)}\n")
    except QuintetError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


def _rows(lab: Lab, options: argparse.Namespace) -> Sequence[object]:
    if options.verb == "watch":
        return [watch(lab, options.job, run_id="by hand", log=_say)]
    with FlinkRest(lab) as rest, Ledger(lab) as ledger:
        if options.verb == "status":
            return [observe(rest, found).as_json() for found in ledger.current(options.job)]
        if options.verb == "history":
            return [{name: getattr(entry, name) for name in _SHOWN} for entry in ledger.history(options.job)]
        return [_deployed(lab, rest, ledger, options).as_json()]


def _deployed(lab: Lab, rest: FlinkRest, ledger: Ledger, options: argparse.Namespace) -> Done:
    deployer = Deployer(lab, rest=rest, ledger=ledger, log=_say)
    attempt = f"by hand {uuid.uuid4().hex[:8]}"
    if options.verb == "deploy":
        definition = read_job((options.jobs or lab.path("app") / FOLDER) / options.job)
        check = not options.no_check
        return finish(
            rest, lambda: deployer.deploy(definition, attempt=attempt, fresh=options.fresh, check_state=check)
        )
    call = {"stop": deployer.stop, "savepoint": deployer.savepoint, "roll-back": deployer.roll_back}[options.verb]
    return finish(rest, lambda: call(options.job, attempt=attempt))


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
