"""The tree of a query to its text: one form for each query, with the brackets that it needs and no others."""

from __future__ import annotations

import json
import re

from quintet.timeseries.model import METRIC, Matcher
from quintet.timeseries.promql.numbers import number_text
from quintet.timeseries.promql.parser import STRENGTH
from quintet.timeseries.promql.tree import (
    Aggregate,
    At,
    Binary,
    Call,
    Expression,
    Matching,
    Number,
    Selector,
    Subquery,
    Text,
    Unary,
)

__all__ = ["format_duration", "format_expression"]

_POWER = STRENGTH["^"]
#: How strongly a sign binds: less than a power, more than all other operators.
_SIGN = _POWER - 0.5
_ATOM = _POWER + 1.0
_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
#: ns; years, weeks and days are written only where nothing is left.
_UNITS = (
    ("y", 365 * 86_400 * 10**9, True),
    ("w", 7 * 86_400 * 10**9, True),
    ("d", 86_400 * 10**9, True),
    ("h", 3600 * 10**9, False),
    ("m", 60 * 10**9, False),
    ("s", 10**9, False),
    ("ms", 10**6, False),
)


def format_expression(expression: Expression) -> str:
    """The text of a query; `parse` makes the same tree of it."""
    match expression:
        case Number():
            return number_text(expression.value)
        case Text():
            return _quoted(expression.value)
        case Selector():
            window = f"[{format_duration(expression.range)}]" if expression.range else ""
            return _selector(expression.matchers) + window + _moved(expression.at, expression.offset)
        case Subquery():
            step = format_duration(expression.step) if expression.step else ""
            window = f"[{format_duration(expression.range)}:{step}]"
            return _within(expression.expression, _ATOM) + window + _moved(expression.at, expression.offset)
        case Unary():
            return "-" + _within(expression.expression, _SIGN)
        case Call():
            return f"{expression.function}({', '.join(map(format_expression, expression.arguments))})"
        case Aggregate():
            return _aggregate(expression)
        case Binary():
            return _binary(expression)


def format_duration(nanoseconds: int) -> str:
    """`1h30m`; 0 is `0s`."""
    left, parts = abs(nanoseconds), []
    for unit, length, whole in _UNITS:
        if left >= length and not (whole and left % length):
            parts.append(f"{left // length}{unit}")
            left %= length
    return ("-" if nanoseconds < 0 else "") + ("".join(parts) or "0s")


def _strength(expression: Expression) -> float:
    match expression:
        case Binary():
            return STRENGTH[expression.operator]
        case Unary():
            return _SIGN
        case Number(value=value):
            return _SIGN if number_text(value).startswith(("-", "+")) else _ATOM
    return _ATOM


def _within(expression: Expression, strength: float) -> str:
    """Text of an operand that has to bind at least so strongly."""
    text = format_expression(expression)
    return text if _strength(expression) >= strength else f"({text})"


def _binary(expression: Binary) -> str:
    own = STRENGTH[expression.operator]
    # Powers are read from the right, all others from the left; a sign may stand behind any operator.
    left, right = (own + 0.1, own - 0.5) if own == _POWER else (own, own + 0.1)
    words = [expression.operator, *(["bool"] if expression.as_bool else []), *_matching(expression.matching)]
    return f"{_within(expression.left, left)} {' '.join(words)} {_within(expression.right, right)}"


def _matching(matching: Matching) -> list[str]:
    if matching == Matching():
        return []
    words = [f"{'on' if matching.on else 'ignoring'} ({', '.join(matching.labels)})"]
    if matching.many:
        words.append(f"group_{matching.many} ({', '.join(matching.include)})")
    return words


def _aggregate(expression: Aggregate) -> str:
    arguments = [expression.expression]
    if expression.parameter is not None:
        arguments.insert(0, expression.parameter)
    listed = f"({', '.join(map(format_expression, arguments))})"
    if not expression.labels and not expression.without:
        return expression.operator + listed
    word = "without" if expression.without else "by"
    return f"{expression.operator} {word} ({', '.join(expression.labels)}) {listed}"


def _selector(matchers: tuple[Matcher, ...]) -> str:
    names = [one for one in matchers if one.name == METRIC]
    metric = ""
    if len(names) == 1 and matchers[0] is names[0] and names[0].op == "=" and _METRIC.fullmatch(names[0].value):
        metric, matchers = names[0].value, matchers[1:]
    inner = ",".join(f"{one.name}{one.op}{_quoted(one.value)}" for one in matchers)
    return f"{metric}{{{inner}}}" if inner or not metric else metric


def _moved(at: At, offset: int) -> str:
    text = ""
    if at is not None:
        text += f" @ {at}()" if isinstance(at, str) else f" @ {at / 1e9:.3f}"
    return text + (f" offset {format_duration(offset)}" if offset else "")


def _quoted(text: str) -> str:
    # JSON's escapes are among those of PromQL, but for the pair of surrogates, which stays a character.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\x7f")
