"""Labels have one form, and a series one text."""

from __future__ import annotations

import pytest

from quintet.timeseries.errors import CardinalityError, PointsRefusedError
from quintet.timeseries.model import labels_of, series_text


def test_labels_are_sorted_and_empty_values_are_no_labels() -> None:
    assert labels_of({"b": "2", "__name__": "up", "a": ""}) == (("__name__", "up"), ("b", "2"))


@pytest.mark.parametrize("labels", [{}, {"a": ""}, {"": "x"}])
def test_labels_that_name_no_series_are_refused(labels: dict[str, str]) -> None:
    with pytest.raises(PointsRefusedError, match="name no series"):
        labels_of(labels)


def test_the_text_of_a_series_is_that_of_prometheus() -> None:
    assert series_text(labels_of({"__name__": "up", "job": 'a"b\\c\nd'})) == 'up{job="a\\"b\\\\c\\nd"}'
    assert series_text(labels_of({"__name__": "up"})) == "up"
    assert series_text(labels_of({"job": "a"})) == '{job="a"}'


def test_the_limit_of_series_names_the_metric() -> None:
    assert "metric 'cpu': a new series would be number 11, the store may hold 10" in str(
        CardinalityError("cpu", series=10, limit=10)
    )
