"""The inverted index: which series carry a label, as bitmaps; matchers are answered with set operations on them.

`Postings` is what a head (growing, in memory) and a block (in its file) both offer; `select` is the one place that
knows what the operators mean: an absent label has the value "", regular expressions match whole values. They are
RE2's, as in Prometheus: the time they take grows with the value, whatever a client writes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import lru_cache

import re2
from pyroaring import BitMap

from quintet.timeseries.errors import MatcherError
from quintet.timeseries.model import Labels, Matcher

__all__ = ["GrowingPostings", "Postings", "predicate", "select"]


class Postings(ABC):
    """Series numbers by label."""

    @abstractmethod
    def all(self) -> BitMap:
        """All series."""

    @abstractmethod
    def names(self) -> list[str]:
        """Names of labels, in any order."""

    @abstractmethod
    def values(self, name: str) -> list[str]:
        """Values of a label, in any order."""

    @abstractmethod
    def with_value(self, name: str, value: str) -> BitMap:
        """Series with this label; a bitmap that the caller does not change."""


class GrowingPostings(Postings):
    """Postings in memory; series are added with rising numbers."""

    def __init__(self) -> None:
        self._by_name: dict[str, dict[str, BitMap]] = {}
        self._count = 0

    def add(self, number: int, labels: Labels) -> None:
        """Enter a series."""
        for name, value in labels:
            values = self._by_name.setdefault(name, {})
            bitmap = values.get(value)
            if bitmap is None:
                values[value] = BitMap((number,))
            else:
                bitmap.add(number)
        self._count = number + 1

    def all(self) -> BitMap:
        """All series."""
        return BitMap(range(self._count))

    def names(self) -> list[str]:
        """Names of labels."""
        return list(self._by_name)

    def values(self, name: str) -> list[str]:
        """Values of a label."""
        return list(self._by_name.get(name, ()))

    def with_value(self, name: str, value: str) -> BitMap:
        """Series with this label."""
        return self._by_name.get(name, {}).get(value, _NOTHING)


_NOTHING = BitMap()
#: Without one of these a regular expression is a list of values.
_SPECIAL = set("\\.+*?()[]{}^$")
_SYNTAX = re2.Options()
_SYNTAX.dot_nl = True
_SYNTAX.log_errors = False


def predicate(matcher: Matcher) -> Callable[[str], bool]:
    """Whether a value fits the matcher.

    Raises:
        MatcherError: the operator is unknown, the regular expression does not compile.

    """
    wanted = matcher.value
    if matcher.op == "=":
        return lambda value: value == wanted
    if matcher.op == "!=":
        return lambda value: value != wanted
    if matcher.op not in ("=~", "!~"):
        raise MatcherError(f"label {matcher.name!r}: unknown operator {matcher.op!r}", remedy="Use = != =~ !~")
    fits = _fitting_whole(matcher.name, wanted)
    if matcher.op == "=~":
        return fits
    return lambda value: not fits(value)


@lru_cache(maxsize=1024)
def _fitting_whole(name: str, pattern: str) -> Callable[[str], bool]:
    """Whether a value fits a regular expression from its first to its last character."""
    alternatives = pattern.split("|")
    if not any(_SPECIAL & set(one) for one in alternatives):
        return frozenset(alternatives).__contains__
    try:
        fullmatch = re2.compile(pattern, _SYNTAX).fullmatch
    except (re2.error, UnicodeEncodeError) as error:
        raise MatcherError(
            f"label {name!r}: the regular expression {pattern!r} does not compile: {error}",
            remedy="Write it in the syntax of RE2, escape what is meant literally",
        ) from error
    return lambda value: fullmatch(value) is not None


def select(postings: Postings, matchers: Sequence[Matcher]) -> BitMap:
    """Series that fit all matchers; without matchers all of them."""
    found: BitMap | None = None
    # Equality first: it is one look-up and leaves little for the others to intersect.
    for matcher in sorted(matchers, key=lambda item: item.op != "="):
        one = _fitting(postings, matcher)
        found = one if found is None else found & one
        if not found:
            return BitMap()
    return BitMap(found) if found is not None else postings.all()


def _fitting(postings: Postings, matcher: Matcher) -> BitMap:
    if matcher.op == "=" and matcher.value:
        return postings.with_value(matcher.name, matcher.value)
    fits = predicate(matcher)
    values = postings.values(matcher.name)
    if fits(""):  # series without the label fit too: take away those whose value does not
        return postings.all() - _union(postings, matcher.name, [value for value in values if not fits(value)])
    return _union(postings, matcher.name, [value for value in values if fits(value)])


def _union(postings: Postings, name: str, values: list[str]) -> BitMap:
    return BitMap.union(*(postings.with_value(name, value) for value in values)) if values else BitMap()
