"""Text of a query to tokens."""

from __future__ import annotations

import re
from dataclasses import dataclass

from quintet.timeseries.promql.errors import QuerySyntaxError

__all__ = ["Token", "duration", "tokens"]

_UNITS = {
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
    "d": 86_400 * 10**9,
    "w": 7 * 86_400 * 10**9,
    "y": 365 * 86_400 * 10**9,
}
_TOKEN = re.compile(
    r"""(?P<space>\s+|\#[^\n]*)
    |(?P<duration>(?:\d+(?:ms|[smhdwy]))+(?![\w.]))
    |(?P<number>0[xX][0-9a-fA-F]+(?!\w)|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.])|(?:[iI][nN][fF]|[nN][aA][nN])(?![\w:]))
    |(?P<word>[a-zA-Z_][a-zA-Z0-9_:]*)
    |(?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`[^`]*`)
    |(?P<mark>=~|!~|==|!=|<=|>=|[-+*/%^()\[\]{},=<>@:])""",
    re.VERBOSE,
)
_PART = re.compile(r"(\d+)(ms|[smhdwy])")
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{3}|.)", re.DOTALL)
_SIMPLE = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\", "'": "'", '"': '"'}


@dataclass(frozen=True)
class Token:
    """A piece of a query: kind duration, number, word, string (unquoted), mark or end; `position` from 0."""

    kind: str
    text: str
    position: int


def tokens(query: str) -> list[Token]:
    """The tokens of a query, the last of kind `end`.

    Raises:
        QuerySyntaxError: a character begins no token, a string is not closed.

    """
    found, position = [], 0
    while position < len(query):
        match = _TOKEN.match(query, position)
        if not match or not match.lastgroup:
            what = "a string that does not end" if query[position] in "\"'`" else f"unexpected {query[position]!r}"
            raise QuerySyntaxError(f"{what} at character {position + 1} of the query")
        if match.lastgroup != "space":
            text = _unquoted(match[0], position) if match.lastgroup == "string" else match[0]
            found.append(Token(match.lastgroup, text, position))
        position = match.end()
    return [*found, Token("end", "", len(query))]


def duration(text: str) -> int:
    """`1h30m` in ns.

    Raises:
        QuerySyntaxError: the text is no duration.

    """
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise QuerySyntaxError(f"duration {text!r}", remedy="Write it like 5m or 1h30m")
    return sum(int(number) * _UNITS[unit] for number, unit in parts)


def _unquoted(text: str, position: int) -> str:
    if text[0] == "`":
        return text[1:-1]

    def character(match: re.Match[str]) -> str:
        escape = match[1]
        if escape in _SIMPLE:
            return _SIMPLE[escape]
        if len(escape) > 1:
            return chr(int(escape, 8) if escape[0].isdigit() else int(escape[1:], 16))
        raise QuerySyntaxError(f"unknown escape \\{escape} in the string at character {position + 1}")

    return _ESCAPE.sub(character, text[1:-1])
