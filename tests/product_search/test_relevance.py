"""nDCG against its definition."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

pytest.importorskip("pyarrow", reason="the search environment has it")
from hypothesis import given
from hypothesis import strategies as st

from quintet.ecommerce.search.relevance import Judged, measure, ndcg, read_judged


def test_a_worked_example() -> None:
    # Gains 7 at place 1, 0 at 2, 1 at 3; ideal: 7, 7, 1.
    gained = 7 + 1 / math.log2(4)
    ideal = 7 + 7 / math.log2(3) + 1 / math.log2(4)
    assert ndcg([1, 9, 3], {1: 3, 2: 3, 3: 1}) == pytest.approx(gained / ideal)


def test_products_behind_the_tenth_do_not_count() -> None:
    assert ndcg([*range(100, 110), 1], {1: 3}) == 0
    assert ndcg([1], {1: 3, **dict.fromkeys(range(2, 30), 0)}) == 1


@given(st.dictionaries(st.integers(0, 40), st.sampled_from([1, 3]), min_size=1), st.permutations(range(41)))
def test_it_lies_between_nothing_and_the_ideal_order(grades: dict[int, int], order: list[int]) -> None:
    assert 0 <= ndcg(order, grades) <= 1 + 1e-12
    assert ndcg(sorted(grades, key=lambda one: -grades[one]), grades) == pytest.approx(1)


def test_means_are_told_by_kind_and_language_and_the_worst_are_named() -> None:
    judged = [Judged("a", "en", "word", {1: 3}), Judged("b", "de", "word", {2: 3}), Judged("c", "de", "brand", {3: 3})]
    found = measure(lambda text, _: {"a": [1], "b": [9], "c": [3]}[text], judged)
    assert (found.mean, found.queries) == (pytest.approx(2 / 3, abs=1e-4), 3)
    assert found.by_kind == {"brand": 1.0, "word": 0.5}
    assert found.by_language == {"de": 0.5, "en": 1.0}
    assert found.worst[0] == (0, "de", "word", "b")


def test_the_judgement_list_of_a_catalogue_has_its_queries_with_their_grades(catalogue: Path) -> None:
    judged = read_judged(catalogue)
    assert {query.language for query in judged} == {"en", "de", "fr", "es"}
    assert all(set(query.grades.values()) <= {1, 3} and query.grades for query in judged)
    assert len(judged) > 300
