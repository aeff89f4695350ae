"""The `quintet` command: its verbs, and errors turned into messages and exit codes."""

from __future__ import annotations

import sys

import typer

from quintet.cli import (
    announcing,
    backup,
    capture,
    dashboards,
    data,
    lab,
    lineage,
    product,
    projects,
    publishing,
    rolling,
)
from quintet.errors import QuintetError

__all__ = ["EXIT_CODES", "app", "main"]

#: What the command ends with; 1 and 3 to 7 are those of quintet.errors.
EXIT_CODES = {
    0: "done",
    1: "something is wrong",
    2: "wrong usage",
    3: "no lab, or a damaged lab file",
    4: "bad input",
    5: "the gate refused",
    6: "a service does not answer as it should",
    7: "results differ from the truth",
    130: "interrupted",
}

app = typer.Typer(
    name="quintet",
    help="Look after the lab and run its projects.",
    epilog="Exit codes: " + ", ".join(f"{code} {meaning}" for code, meaning in EXIT_CODES.items()) + ".",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for commands in (lab, rolling, projects, announcing, publishing, dashboards, data, capture, backup, lineage, product):
    commands.register(app)


def main() -> None:
    """Entry of the console script."""
    try:
        app(prog_name="quintet")
    except QuintetError as error:
        sys.stderr.write(f"quintet: {error}\n")
        sys.exit(error.exit_code)
    except BrokenPipeError:  # the reader of our output has gone
        sys.exit(0)
    except OSError as error:
        place = f": {error.filename}" if error.filename else ""
        sys.stderr.write(f"quintet: {error.strerror or error}{place}\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
