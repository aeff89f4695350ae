"""Tokens of a query to its tree, with the kinds of all expressions checked."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Literal, TypeVar, cast

from quintet.timeseries.errors import MatcherError
from quintet.timeseries.index import predicate
from quintet.timeseries.model import METRIC, Matcher
from quintet.timeseries.promql.errors import QuerySyntaxError
from quintet.timeseries.promql.lexer import Token, duration, tokens
from quintet.timeseries.promql.signatures import AGGREGATES, FUNCTIONS, PARAMETRIC
from quintet.timeseries.promql.tree import (
    Aggregate,
    At,
    Binary,
    Call,
    Expression,
    Kind,
    Matching,
    Number,
    Selector,
    Subquery,
    Text,
    Unary,
)

__all__ = ["COMPARISONS", "STRENGTH", "parse", "parse_selector"]

COMPARISONS = frozenset({"==", "!=", "<", "<=", ">", ">="})
SETS = frozenset({"and", "or", "unless"})
#: How strongly operators bind.
STRENGTH = {
    "or": 1,
    **dict.fromkeys(("and", "unless"), 2),
    **dict.fromkeys(COMPARISONS, 3),
    **dict.fromkeys("+-", 4),
    **dict.fromkeys(("*", "/", "%", "atan2"), 5),
    "^": 6,
}
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
#: Trees deeper than this are refused before Python's own stack is.
_DEPTH = 100
Item = TypeVar("Item")


def parse(query: str) -> Expression:
    """The tree of a query.

    Raises:
        QuerySyntaxError: the text is no query; the message has the position.

    """
    parser = _Parser(tokens(query))
    expression = parser.expression()
    parser.expect("end")
    return expression


def parse_selector(text: str) -> tuple[Matcher, ...]:
    """The matchers of `metric{label="value"}`.

    Raises:
        QuerySyntaxError: the text is no such selector.

    """
    expression = parse(text)
    if not isinstance(expression, Selector) or expression.range or expression.offset or expression.at is not None:
        raise QuerySyntaxError(f"{text!r} is no selector of series", remedy='Write it like up{job="api"}')
    return expression.matchers


class _Parser:
    def __init__(self, found: list[Token]) -> None:
        self._tokens = found
        self._next = 0
        self._depth = 0

    @property
    def token(self) -> Token:
        return self._tokens[self._next]

    def error(self, what: str) -> QuerySyntaxError:
        where = f"at character {self.token.position + 1}" if self.token.kind != "end" else "at the end"
        return QuerySyntaxError(f"{what} {where} of the query")

    def take(self, *texts: str) -> str | None:
        """The text of the next token if it is one of these marks or words."""
        token = self.token
        if token.kind in {"mark", "word"} and token.text.lower() in texts:
            self._next += 1
            return token.text.lower()
        return None

    def need(self, text: str) -> None:
        if not self.take(text):
            raise self.error(f"{text!r} expected, {self.token.text!r} found")

    def expect(self, kind: str) -> str:
        token = self.token
        if token.kind != kind:
            raise self.error(f"{kind} expected, {token.text!r} found")
        self._next += 1
        return token.text

    def expression(self, strength: int = 1) -> Expression:
        self._depth += 1
        if self._depth > _DEPTH:
            raise self.error("too many expressions within each other")
        left = self.unary()
        while True:
            operator = self.token.text.lower()
            own = STRENGTH.get(operator, 0) if self.token.kind in {"mark", "word"} else 0
            if own < strength:
                break
            self._next += 1
            as_bool, matching = self.modifiers(operator)
            right = self.expression(own if operator == "^" else own + 1)
            left = self.binary(operator, left, right, matching, as_bool)
        self._depth -= 1
        return left

    def modifiers(self, operator: str) -> tuple[bool, Matching | None]:
        as_bool = bool(self.take("bool"))
        if as_bool and operator not in COMPARISONS:
            raise self.error("bool goes with comparisons only")
        word = self.take("on", "ignoring")
        if not word:
            return as_bool, None
        matching = Matching(word == "on", self.names())
        group = self.take("group_left", "group_right")
        if group:
            if operator in SETS:
                raise self.error(f"no grouping with {operator}")
            many: Literal["left", "right"] = "left" if group == "group_left" else "right"
            include = self.names() if self.token.text == "(" else ()
            matching = replace(matching, many=many, include=include)
        return as_bool, matching

    def binary(
        self, operator: str, left: Expression, right: Expression, matching: Matching | None, as_bool: bool
    ) -> Expression:
        kinds = {left.kind, right.kind}
        if kinds - {"scalar", "vector"}:
            raise self.error(f"{operator} takes scalars and instant vectors")
        if operator in COMPARISONS and kinds == {"scalar"} and not as_bool:
            raise self.error("comparisons between scalars need bool")
        if "scalar" in kinds and (operator in SETS or matching):
            raise self.error(f"{operator if operator in SETS else 'matching'} takes two instant vectors")
        return Binary(operator, left, right, matching or Matching(), as_bool)

    def unary(self) -> Expression:
        sign = self.take("-", "+")
        if not sign:
            return self.postfix(self.primary())
        operand = self.expression(6)
        if operand.kind not in {"scalar", "vector"}:
            raise self.error("a sign takes a scalar or an instant vector")
        if isinstance(operand, Number):
            return Number(-operand.value if sign == "-" else operand.value)
        return Unary(operand) if sign == "-" else operand

    def postfix(self, expression: Expression) -> Expression:
        while True:
            if self.take("["):
                expression = self.ranged(expression)
            elif self.take("offset"):
                sign = -1 if self.take("-") else 1
                inner = self.movable(expression)
                if inner.offset:
                    raise self.error("a second offset")
                expression = replace(inner, offset=sign * duration(self.expect("duration")))
            elif self.take("@"):
                inner = self.movable(expression)
                if inner.at is not None:
                    raise self.error("a second @")
                expression = replace(inner, at=self.instant())
            else:
                return expression

    def movable(self, expression: Expression) -> Selector | Subquery:
        if isinstance(expression, Selector | Subquery):
            return expression
        raise self.error("offset and @ follow a selector or a subquery")

    def ranged(self, expression: Expression) -> Expression:
        length = duration(self.expect("duration"))
        if length <= 0:
            raise self.error("a range longer than 0 expected")
        if self.take(":"):
            step = 0 if self.token.text == "]" else duration(self.expect("duration"))
            self.need("]")
            if expression.kind != "vector":
                raise self.error("a subquery takes an instant vector")
            return Subquery(expression, length, step)
        self.need("]")
        if not isinstance(expression, Selector) or expression.range:
            raise self.error("a range follows a selector")
        if expression.offset or expression.at is not None:
            raise self.error("offset and @ come after the range")
        return replace(expression, range=length)

    def instant(self) -> At:
        word = self.take("start", "end")
        if word:
            self.need("(")
            self.need(")")
            return "start" if word == "start" else "end"
        sign = -1 if self.take("-") else 1
        value = sign * _number(self.expect("number"))
        if not math.isfinite(value) or abs(value) > 9e9:
            raise self.error("a time in seconds since the epoch expected")
        return round(value * 1000) * 1_000_000

    def primary(self) -> Expression:
        token = self.token
        if token.kind == "number":
            self._next += 1
            return Number(_number(token.text))
        if token.kind == "string":
            self._next += 1
            return Text(token.text)
        if self.take("("):
            inner = self.expression()
            self.need(")")
            return inner
        if token.text == "{" and token.kind == "mark":
            return self.selector("")
        if token.kind != "word":
            raise self.error(
                f"an expression expected, {token.text!r} found" if token.text else "an expression expected"
            )
        self._next += 1
        following = self.token.text.lower()
        if token.text.lower() in AGGREGATES and following in {"(", "by", "without"}:
            return self.aggregate(token.text.lower())
        return self.call(token.text) if following == "(" else self.selector(token.text)

    def selector(self, metric: str) -> Selector:
        matchers = [Matcher(METRIC, "=", metric)] if metric else []
        if self.take("{"):
            matchers += self.listed(self.matcher, "}")
        if metric and any(matcher.name == METRIC for matcher in matchers[1:]):
            raise self.error("the metric's name given twice")
        if all(predicate(matcher)("") for matcher in matchers):
            raise self.error("a selector needs a matcher that an empty value does not satisfy, before here")
        return Selector(tuple(matchers))

    def matcher(self) -> Matcher:
        name = self.label()
        operator = self.take("=", "!=", "=~", "!~")
        if not operator:
            raise self.error(f"=, !=, =~ or !~ expected, {self.token.text!r} found")
        matcher = Matcher(name, cast(Literal["=", "!=", "=~", "!~"], operator), self.expect("string"))
        try:
            predicate(matcher)
        except MatcherError as error:
            raise self.error(f"{error.message}, before here") from error
        return matcher

    def label(self) -> str:
        name = self.expect("word")
        if not _LABEL.fullmatch(name):
            raise self.error(f"{name!r} is no label name, before here")
        return name

    def names(self) -> tuple[str, ...]:
        self.need("(")
        return tuple(self.listed(self.label, ")"))

    def listed(self, item: Callable[[], Item], end: str) -> list[Item]:
        """Items with commas between, of which the last may be too much, up to `end`."""
        items: list[Item] = []
        while not self.take(end):
            items.append(item())
            if not self.take(","):
                self.need(end)
                break
        return items

    def grouping(self) -> tuple[bool, tuple[str, ...]] | None:
        word = self.take("by", "without")
        return (word == "without", self.names()) if word else None

    def aggregate(self, operator: str) -> Expression:
        grouping = self.grouping()
        self.need("(")
        arguments = self.listed(self.expression, ")")
        grouping = grouping or self.grouping() or (False, ())
        kind = PARAMETRIC.get(operator)
        if len(arguments) != (2 if kind else 1):
            raise self.error(f"{operator} takes {'two arguments' if kind else 'one argument'}, before here")
        if kind:
            self.check(operator, arguments[0], kind)
        self.check(operator, arguments[-1], "vector")
        return Aggregate(operator, arguments[-1], arguments[0] if kind else None, *grouping)

    def call(self, name: str) -> Expression:
        signature = FUNCTIONS.get(name)
        if not signature:
            raise self.error(f"unknown function {name!r} before here")
        self.need("(")
        arguments = self.listed(self.expression, ")")
        most = len(signature.arguments)
        if len(arguments) < most - signature.optional or (len(arguments) > most and not signature.variadic):
            raise self.error(f"{name} takes {most} arguments, not {len(arguments)}, before here")
        for number, argument in enumerate(arguments):
            self.check(name, argument, signature.arguments[min(number, most - 1)])
        return Call(name, tuple(arguments), signature.result)

    def check(self, name: str, argument: Expression, kind: Kind) -> None:
        if argument.kind != kind:
            raise self.error(f"{name} takes a {kind}, not a {argument.kind}, before here")


def _number(text: str) -> float:
    return float(int(text, 16)) if text[:2] in {"0x", "0X"} else float(text)
