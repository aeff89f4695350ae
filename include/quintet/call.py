"""Call one function in this interpreter's environment, for programs that run in another.

`python -m quintet.call module:function` reads the keyword arguments as one JSON object from standard input and ends
standard output with the line `RESULT {json}`. A QuintetError is told on standard error and by its exit code. This is
how every job of the platform answers; `quintet.airflow.jobs` is the other side.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from typing import Any, TextIO

from quintet.errors import QuintetError, SettingsError

__all__ = ["RESULT", "call", "main"]

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
    try:
        result = call(name, json.load(given))
    except QuintetError as error:
        complaint.write(f"{error}\n")
        return error.exit_code
    answer.write(f"{RESULT}{json.dumps(result, ensure_ascii=False)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.stdin, sys.stdout, sys.stderr))
