"""The inverted index: which series carry a label, as bitmaps; matchers are answered with set operations on them.

`Postings` is what a head (growing, in memory) and a block (in its file) both offer; `select` is the one place that
knows what the operators mean: an absent label has the value "", regular expressions match whole values.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

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
    try:
        fits = re.compile(wanted, re.DOTALL).fullmatch
    except re.error as error:
        raise MatcherError(
            f"label {matcher.name!r}: the regular expression {wanted!r} does not compile: {error}",
            remedy="Escape what is meant literally",
        ) from error
    if matcher.op == "=~":
        return lambda value: fits(value) is not None
    return lambda value: fits(value) is None


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
