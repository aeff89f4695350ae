"""The `quintet` command: options that all verbs share, and errors turned into messages and exit codes.

Exit codes: 0 done; 1 something is wrong or failed; 2 wrong usage; 3 no lab or damaged lab file; 4 bad input;
5 the quality gate refused; 6 a service does not answer; 7 results differ from the truth.
"""

from __future__ import annotations

import sys

import typer

from quintet.cli import data, lab, projects
from quintet.errors import QuintetError

__all__ = ["app", "main"]

app = typer.Typer(
    name="quintet",
    help="Look after the lab and run its projects.",
    epilog="Exit codes: 0 done, 1 something is wrong, 2 wrong usage, 3 no lab, 4 bad input, 5 the gate refused, "
    "6 a service does not answer, 7 results differ from the truth.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for commands in (lab, projects, data):
    commands.register(app)


def main() -> None:
    """Entry of the console script."""
    try:
        app()
    except QuintetError as error:
        sys.stderr.write(f"quintet: {error}\n")
        sys.exit(error.exit_code)
    except BrokenPipeError:  # the reader of our output has gone
        sys.exit(0)


if __name__ == "__main__":
    main()
