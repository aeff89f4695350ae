"""Questions to the collector in its environment: `python -m quintet.lineage.command <question> [<name>] [--at TIME]`.

The last line of output is `RESULT {json}`; the `quintet` command asks through it, since it has no driver of PostgreSQL.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import datetime

from quintet.call import tell
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

    def work() -> object:
        lab = load_lab()
        if options.question == "prepare":
            return "changed" if Store.of_lab(lab).prepare() else "same"
        ask = getattr(Answers(lab, at=options.at), options.question)
        return ask(options.name) if options.name else ask()

    return tell(work, default=str)


if __name__ == "__main__":
    sys.exit(main())
