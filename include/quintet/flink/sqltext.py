"""SQL of a job as text: its statements one by one, without comments, and which of them starts the job."""

from __future__ import annotations

import re
from collections.abc import Iterator

from quintet.flink.errors import JobDefinitionError

__all__ = ["is_job", "split"]

#: What one statement is made of: quoted text, comments, the end sign, anything else.
_TOKEN = re.compile(r"'(?:[^']|'')*'|`(?:[^`]|``)*`|--[^\n]*|/\*.*?\*/|;|[^'`;/-]+|.", re.DOTALL)
_SET_BEGINS = re.compile(r"^\s*(EXECUTE\s+STATEMENT\s+SET\s+BEGIN|BEGIN\s+STATEMENT\s+SET)\b", re.IGNORECASE)
#: Alone between two end signs: a CASE ends with the same word.
_SET_ENDS = re.compile(r"^\s*END\s*$", re.IGNORECASE)
_JOB = re.compile(r"^\s*(EXECUTE\s+STATEMENT\s+SET|BEGIN\s+STATEMENT\s+SET|(EXECUTE\s+)?INSERT)\b", re.IGNORECASE)


def split(text: str, *, where: str) -> tuple[str, ...]:
    """Statements of a text without their end signs and comments; a statement set is one of them.

    Raises:
        JobDefinitionError: a quote or a statement set is not closed; `where` names the text.

    """
    return tuple(_statements(text, where))


def is_job(statement: str) -> bool:
    """Whether the statement starts a job."""
    return bool(_JOB.match(statement))


def _statements(text: str, where: str) -> Iterator[str]:
    done, piece = "", ""  # of a statement set: the statements in it so far, and the one that is read
    for part in _TOKEN.findall(text):
        if part.startswith(("--", "/*")):
            piece += " "
        elif part in {"'", "`"}:
            raise JobDefinitionError(f"{where}: a {part} is not closed", remedy="Close it, or double it within a text")
        elif part != ";":
            piece += part
        elif _SET_BEGINS.match(done + piece) and not _SET_ENDS.match(piece):
            done, piece = f"{done}{piece};", ""
        else:
            yield from _tidy(done + piece)
            done, piece = "", ""
    if done and not _SET_ENDS.match(piece):
        raise JobDefinitionError(f"{where}: the statement set is not closed", remedy="End it with a line END;")
    yield from _tidy(done + piece)


def _tidy(statement: str) -> Iterator[str]:
    lines = [line.rstrip() for line in statement.splitlines()]
    tidy = "\n".join(line for line in lines if line).strip()
    if tidy:
        yield tidy
