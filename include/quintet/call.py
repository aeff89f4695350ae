"""Call one function in this interpreter's environment, for programs that run in another.

`python -m quintet.call module:function` reads the keyword arguments as one JSON object from standard input and ends
standard output with the line `RESULT {json}`. A QuintetError is told on standard error and by its exit code. This is
how every job of the platform answers (`tell`); `quintet.airflow.jobs` and `quintet.runs.programs` are the other side.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from typing import Any, TextIO

from quintet.errors import QuintetError, SettingsError

__all__ = ["RESULT", "call", "main", "tell"]

#: Start of the line that carries a job's result.
RESULT = "RESULT "


def call(name: str, arguments: dict[str, Any]) -> Any:
    """Result of a function named `module:function`.

    Raises:
        SettingsError: there is no such function.

    """
    module, _, function = name.partition(":")
    try:
        target: Callable[..., Any] = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise SettingsError(
            f"the function {name} cannot be loaded by {sys.executable} ({error})",
            remedy="Name it as module:function and run it in an environment that has its imports",
        ) from error
    return target(**arguments)


def main(name: str, given: TextIO, answer: TextIO, complaint: TextIO) -> int:
    """Read arguments, call, write the result; the exit code."""
    return tell(lambda: call(name, json.load(given)), answer=answer, complaint=complaint)


def tell(
    work: Callable[[], Any],
    *,
    default: Callable[[Any], Any] | None = None,
    answer: TextIO | None = None,
    complaint: TextIO | None = None,
) -> int:
    """Do the work of a program and write its result, or the error that ended it; the exit code.

    Args:
        work: gives the result, a JSON value.
        default: what makes a JSON value of anything in it that is none; without it that is a TypeError.
        answer: where the result goes, standard output when nothing is given.
        complaint: where an error goes, standard error when nothing is given.

    """
    try:
        result = work()
    except QuintetError as error:
        (complaint or sys.stderr).write(f"{error}\n")
        return error.exit_code
    (answer or sys.stdout).write(f"{RESULT}{json.dumps(result, ensure_ascii=False, default=default)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.stdin, sys.stdout, sys.stderr))
