"""Questions to the collector in its environment: `python -m quintet.lineage.command <question> [<name>] [--at TIME]`.

The last line of output is `RESULT {json}`; the `quintet` command asks through it, since it has no driver of PostgreSQL.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import datetime

from quintet.errors import QuintetError
from quintet.lineage.answers import Answers
from quintet.lineage.store import Store
from quintet.settings import load_lab

__all__ = ["main"]

QUESTIONS = ("of", "impact", "versions", "details", "whole", "prepare")


def main(arguments: Sequence[str] | None = None) -> int:
    """Answer one question; the exit code is the error's."""
    parser = argparse.ArgumentParser(prog="quintet.lineage.command", description="Ask the collector of lineage.")
    parser.add_argument("question", choices=QUESTIONS)
    parser.add_argument("name", nargs="?", default="", help="table or table.column")
    parser.add_argument("--at", type=datetime.fromisoformat, help="lineage of this time")
    options = parser.parse_args(arguments)
    try:
        lab = load_lab()
        if options.question == "prepare":
            answer: object = "changed" if Store.of_lab(lab).prepare() else "same"
        else:
            ask = getattr(Answers(lab, at=options.at), options.question)
            answer = ask(options.name) if options.name else ask()
    except QuintetError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    sys.stdout.write(f"RESULT {json.dumps(answer, default=str)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
