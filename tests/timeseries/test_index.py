"""Matchers are answered with set operations as a look at every series would answer them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quintet.timeseries import Labels, Matcher, labels_of
from quintet.timeseries.block import Block, BlockWriter
from quintet.timeseries.errors import MatcherError
from quintet.timeseries.index import GrowingPostings, Postings, select

VALUES = ["", "a", "b", "ab", "a.b", "é"]
LABELS: list[Labels] = sorted(
    labels_of({"__name__": "m", "x": x, "y": y, "id": str(index)})
    for index, (x, y) in enumerate((x, y) for x in VALUES for y in VALUES)
)
MATCHER = st.builds(
    Matcher,
    st.sampled_from(["x", "y", "absent", "__name__"]),
    st.sampled_from(["=", "!=", "=~", "!~"]),
    st.sampled_from([*VALUES, "m", "a|b", ".*", ".+", "a.*", "a.b", "(?i)A", "^a$", "[ab]+", ""]),
)


def plainly(labels: Labels, matcher: Matcher) -> bool:
    value = dict(labels).get(matcher.name, "")
    match matcher.op:
        case "=":
            return value == matcher.value
        case "!=":
            return value != matcher.value
        case "=~":
            return re.fullmatch(matcher.value, value) is not None
    return re.fullmatch(matcher.value, value) is None


def chosen(postings: Postings, matchers: list[Matcher]) -> list[int]:
    return list(select(postings, matchers))


def growing() -> GrowingPostings:
    postings = GrowingPostings()
    for number, labels in enumerate(LABELS):
        postings.add(number, labels)
    return postings


@settings(deadline=None, max_examples=300)
@given(st.lists(MATCHER, max_size=4))
def test_any_matchers_choose_the_series_that_fit_all(matchers: list[Matcher]) -> None:
    wanted = [number for number, labels in enumerate(LABELS) if all(plainly(labels, matcher) for matcher in matchers)]
    assert chosen(growing(), matchers) == wanted


def test_postings_in_memory_and_in_a_block_answer_alike(tmp_path: Path) -> None:
    writer = BlockWriter(number=1, level=0, sequence=1, zstd_level=None).open(tmp_path)
    count = len(LABELS)
    writer.add(LABELS, np.arange(count + 1), np.zeros(count, np.int64), np.zeros(count))
    facts = writer.finish()
    assert facts is not None
    block, memory = Block(tmp_path / facts.name), growing()
    assert sorted(block.names()) == sorted(memory.names())
    for name in [*block.names(), "absent"]:
        assert sorted(block.values(name)) == sorted(memory.values(name))
    for op in ("=", "!=", "=~", "!~"):
        for value in [*VALUES, ".*", "a|b"]:
            for name in ("x", "y", "absent"):
                one = [Matcher(name, op, value)]  # type: ignore[arg-type]
                assert chosen(block, one) == chosen(memory, one)


@pytest.mark.parametrize("pattern", ["(", "a)(b", "(?=a)", "\\1", "\udc80.*"])
def test_an_expression_that_is_not_of_re2_is_refused(pattern: str) -> None:
    with pytest.raises(MatcherError, match=r"label 'x': the regular expression .* does not compile"):
        chosen(growing(), [Matcher("x", "=~", pattern)])


def test_no_expression_takes_for_ever() -> None:
    postings = GrowingPostings()
    postings.add(0, labels_of({"x": "a" * 60}))
    assert chosen(postings, [Matcher("x", "=~", "(a+)+b")]) == []


def test_a_dot_matches_the_end_of_a_line_too() -> None:
    postings = GrowingPostings()
    postings.add(0, labels_of({"x": "a\nb"}))
    assert chosen(postings, [Matcher("x", "=~", "a.b")]) == [0]


def test_an_answer_can_be_changed_without_changing_the_postings() -> None:
    postings = growing()
    one = [Matcher("x", "=", "a")]
    before = chosen(postings, one)
    select(postings, one).clear()
    assert chosen(postings, one) == before
