"""The root of a Java exception, out of a stack trace: what a person has to read of it."""

from __future__ import annotations

import re

__all__ = ["is_about_statement", "root_cause"]

_CAUSE = re.compile(r"^\s*Caused by: ", re.MULTILINE)
_FRAME = re.compile(r"^\s*(at [\w$.<>/@]+.*\(.*\)|\.\.\. \d+ (more|common frames omitted))\s*$")
_WRAPPING = re.compile(r"^\s*(<?Exception on server side:|End of exception on server side>?|\]?>?)\s*$")
#: Packages say nothing to a person who looks for the cause.
_PACKAGE = re.compile(r"^(?:[a-z][\w]*\.)+(?=[A-Z])")
#: What Calcite and Flink's planner throw at a statement that is wrong, whoever runs it.
_ABOUT_STATEMENT = re.compile(
    r"(SqlParse\w*|SqlValidat\w*|Validation|CalciteContext|Table|TableNotExist|DatabaseNotExist|SqlParserEOF)Exception\b"
)
#: Characters of a cause that are kept.
_LENGTH = 2000


def root_cause(trace: str) -> str:
    """Class and message of the last cause of a stack trace, without packages and frames; "" for an empty one."""
    # A wrapped trace may end with text of its wrapper: the last part that says something.
    for part in reversed(_CAUSE.split(trace)):
        kept: list[str] = []
        for line in part.splitlines():
            if _FRAME.match(line):
                if kept:
                    break
                continue
            if line.startswith("Was expecting one of"):  # every word that the parser knows
                break
            if line.strip() and not _WRAPPING.match(line):
                kept.append(line.rstrip())
        if kept:
            return _PACKAGE.sub("", "\n".join(kept).strip().lstrip("<"))[:_LENGTH]
    return ""


def is_about_statement(trace: str) -> bool:
    """Whether a failed statement is wrong in itself, so that another try would end the same."""
    return bool(_ABOUT_STATEMENT.search(root_cause(trace).splitlines()[0] if trace.strip() else ""))
