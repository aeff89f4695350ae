"""The statistics against values worked out by hand."""

from __future__ import annotations

from math import inf, log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quintet.quality.statistics import population_stability, robust_z

COUNTS = st.dictionaries(st.sampled_from("abcd"), st.integers(0, 1000), min_size=1)


def test_robust_z_measures_in_scaled_median_deviations() -> None:
    # median 3, absolute deviations 2 1 0 1 2: median 1
    assert robust_z(6.0, [1, 2, 3, 4, 5], floor=0) == pytest.approx(3 / 1.4826)


def test_robust_z_does_not_mind_one_wild_day_in_the_history() -> None:
    assert robust_z(6.0, [1, 2, 3, 4, 1000], floor=0) == pytest.approx(3 / 1.4826)


def test_robust_z_has_a_floor_where_history_hardly_varies() -> None:
    assert robust_z(110.0, [100] * 10, floor=0.05) == pytest.approx(2.0)


def test_robust_z_of_a_constant_history_is_nothing_or_infinite() -> None:
    assert robust_z(0.0, [0.0] * 5, floor=0.1) == 0
    assert robust_z(0.1, [0.0] * 5, floor=0.1) == inf


def test_population_stability_of_two_categories() -> None:
    # counts raised by a half: 80.5 and 20.5 of 101 against 50.5 and 50.5 of 101
    new, old = (80.5 / 101, 20.5 / 101), (0.5, 0.5)
    expected = sum((n - o) * log(n / o) for n, o in zip(new, old, strict=True))
    assert population_stability({"a": 80, "b": 20}, {"a": 50, "b": 50}) == pytest.approx(expected)


def test_population_stability_bears_categories_that_one_side_lacks() -> None:
    assert population_stability({"a": 10}, {"b": 10}) > 1


@given(COUNTS, COUNTS)
def test_population_stability_is_symmetric_and_never_negative(one: dict[str, int], other: dict[str, int]) -> None:
    assert population_stability(one, other) == pytest.approx(population_stability(other, one))
    assert population_stability(one, other) >= 0
    assert population_stability(one, one) == 0
