"""What a query gives on points that fit on a page; limits; text that is no query."""

from __future__ import annotations

import math
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_store import NaiveStore

from quintet.timeseries.model import MINUTE, SECOND, Batch, Matcher, labels_of
from quintet.timeseries.promql.answers import instant_data
from quintet.timeseries.promql.errors import QueryLimitError, QuerySyntaxError, QueryTimeoutError
from quintet.timeseries.promql.evaluate import STALE, Engine
from quintet.timeseries.promql.functions import step_of
from quintet.timeseries.promql.lexer import duration
from quintet.timeseries.promql.limits import QueryLimits
from quintet.timeseries.promql.numbers import number_text, time_number
from quintet.timeseries.promql.parser import parse, parse_selector
from quintet.timeseries.promql.vectors import Vector

#: A whole number of minutes.
NOW = 1_700_000_040 * SECOND
Points = dict[int, float]


def engine(points: dict[str, Points], limits: QueryLimits | None = None) -> Engine:
    """Series by the value of their label `id`; times in seconds before now."""
    store = NaiveStore()
    for name, own in points.items():
        store.append(
            Batch(
                [labels_of({"__name__": "m", "id": name})],
                np.zeros(len(own), np.uint32),
                np.array([NOW - ago * SECOND for ago in own], np.int64),
                np.array(list(own.values()), np.float64),
            )
        )
    return Engine(store, limits=limits)


def one(engine: Engine, query: str) -> float | None:
    """The value of the only element at now."""
    value = engine.instant(query, NOW).value
    assert isinstance(value, Vector)
    assert len(value.labels) <= 1
    return float(value.values[0, 0]) if len(value.labels) and value.present[0, 0] else None


def test_a_point_counts_for_five_minutes_and_no_longer() -> None:
    assert one(engine({"a": {300: 7}}), "m") == 7
    assert one(engine({"a": {301: 7}}), "m") is None


def test_a_staleness_marker_ends_a_series_until_its_next_point() -> None:
    marker = float(np.array([STALE]).view(np.float64)[0])
    assert one(engine({"a": {60: 1, 30: marker}}), "m") is None
    assert one(engine({"a": {60: 1, 30: marker, 10: 2}}), "m") == 2
    assert one(engine({"a": {60: 1, 30: marker, 10: 2}}), "count_over_time(m[5m])") == 2


def test_points_within_one_millisecond_are_told_apart() -> None:
    store = NaiveStore()
    times = np.array([NOW, NOW + 1, NOW + 2], np.int64)
    store.append(Batch([labels_of({"__name__": "m"})], np.zeros(3, np.uint32), times, np.array([1.0, 2, 3])))
    small = Engine(store)
    rows = [instant_data(small.instant("m", NOW + number))["result"] for number in range(3)]
    assert [found["value"][1] for (found,) in rows] == ["1", "2", "3"]


def test_a_counter_that_starts_again_has_lost_nothing() -> None:
    assert one(engine({"a": {60: 10, 40: 20, 20: 5, 0: 15}}), "increase(m[1m])") == pytest.approx(25)


def test_an_empty_store_gives_empty_answers() -> None:
    nothing = engine({})
    for query in ("m", "rate(m[5m])", "sum(m)", "topk(3, m)", "m + m", "m or m", "sort(m)", "histogram_quantile(1, m)"):
        value = nothing.instant(query, NOW).value
        assert isinstance(value, Vector)
        assert not value.present.any(), query
    assert one(nothing, 'absent(m{id="a"})') == 1


def test_elements_at_different_steps_may_share_labels_after_a_function() -> None:
    two = engine({"a": {600: 1}, "b": {0: 2}})
    value = two.range("sum without (id) (m)", NOW - 600 * SECOND, NOW, 600 * SECOND).value
    assert isinstance(value, Vector)
    assert value.values.tolist() == [[1, 2]]
    assert two.range('label_replace(m, "id", "", "id", ".*")', NOW - 600 * SECOND, NOW, 600 * SECOND)


def test_a_query_says_what_it_has_read() -> None:
    result = engine({"a": {600: 1, 0: 2}}).instant('m{id="a"} + rate(m[20m])', NOW)
    assert [(one.stats.head_points, (one.end - one.start) // MINUTE) for one in result.touched] == [(1, 5), (2, 20)]
    assert result.touched[0].matchers == (Matcher("__name__", "=", "m"), Matcher("id", "=", "a"))


def test_explain_reads_no_point() -> None:
    touched = engine({"a": {0: 2}}).explain("max_over_time(rate(m[1m])[10m:1m]) > scalar(m offset 1h)", NOW, NOW)
    assert [(NOW + 1 - one.start) // MINUTE for one in touched] == [11, 65]


@pytest.mark.parametrize(
    ("limits", "query", "word"),
    [
        (QueryLimits(points=5), "m[1h]", "6 points"),
        (QueryLimits(series=1), "m", "2 series"),
        (QueryLimits(steps=10), "max_over_time(m[1h:1m])", "61 steps"),
        (QueryLimits(cells=1), "m", "2 values"),
    ],
)
def test_a_query_that_touches_too_much_is_refused(limits: QueryLimits, query: str, word: str) -> None:
    with pytest.raises(QueryLimitError, match=word):
        engine({"a": {0: 1, 10: 1, 20: 1}, "b": {0: 1, 10: 1, 20: 1}}, limits).instant(query, NOW)


def test_a_range_of_too_many_steps_is_refused_before_anything_is_read() -> None:
    with pytest.raises(QueryLimitError, match="11001 steps"):
        engine({}).range("m", 0, 11_000 * SECOND, SECOND)


def test_a_query_that_takes_too_long_is_ended() -> None:
    with pytest.raises(QueryTimeoutError):
        engine({"a": {0: 1}}, QueryLimits(seconds=-1)).instant("m", NOW)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("", "at the end"),
        ("sum(m", r"'\)' expected"),
        ("m{a=1}", "string expected"),
        ("m{a}", "'}' found"),
        ("m[5]", "duration expected"),
        ("m offset 5m offset 5m", "a second offset"),
        ("m @ nowhere", "number expected"),
        ("sum(m) offset 5m", "follow a selector"),
        ("clamp(m, 1)", "3 arguments"),
        ("topk(m, m)", "takes a scalar"),
        ("m and bool m", "bool goes with comparisons"),
        ("m or on(a) group_left m", "no grouping"),
        ("m{a='x\\y'}", "unknown escape"),
        ("m{__name__='n'}", "given twice"),
        ("(" * 200, "within each other"),
        ("m ; m", "unexpected ';'"),
    ],
)
def test_text_that_is_no_query_is_refused_with_the_place(query: str, message: str) -> None:
    with pytest.raises(QuerySyntaxError, match=message):
        parse(query)


def test_a_selector_alone_gives_its_matchers() -> None:
    assert parse_selector("up{job=~'a|b', env!=\"\\u0041\"}") == (
        Matcher("__name__", "=", "up"),
        Matcher("job", "=~", "a|b"),
        Matcher("env", "!=", "A"),
    )
    with pytest.raises(QuerySyntaxError, match="no selector"):
        parse_selector("up + 1")


@pytest.mark.parametrize(("text", "seconds"), [("5m", 300), ("1h30m", 5400), ("1w", 604_800), ("500ms", 0.5)])
def test_durations_are_sums_of_units(text: str, seconds: float) -> None:
    assert duration(text) == step_of(text) == seconds * SECOND
    assert step_of(str(seconds)) == seconds * SECOND


@pytest.mark.parametrize("text", ["0", "-5", "x", "nan", "5m3"])
def test_a_step_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(QuerySyntaxError):
        step_of(text)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3.0, "3"),
        (0.1, "0.1"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (1e-6, "0.000001"),
        (1.5e-7, "1.5e-07"),
        (-0.0, "-0"),
        (math.inf, "+Inf"),
        (-math.inf, "-Inf"),
        (math.nan, "NaN"),
    ],
)
def test_numbers_are_written_as_the_api_writes_them(value: float, text: str) -> None:
    assert number_text(value) == text


def test_times_are_written_in_seconds_to_the_millisecond() -> None:
    assert [time_number(1_500_000_000), time_number(2_000_000_000), time_number(1_234_567_890)] == [1.5, 2, 1.234]


FLOATS = st.floats(-1e6, 1e6)


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(st.integers(0, 900), FLOATS, min_size=1, max_size=30),
    st.integers(1, 600),
    st.sampled_from(["sum", "avg", "min", "max", "count", "last", "stddev", "stdvar"]),
)
def test_statistics_of_a_window_are_those_of_its_points(points: Points, length: int, statistic: str) -> None:
    window = [points[ago] for ago in sorted(points, reverse=True) if ago <= length]
    found = one(engine({"a": dict(sorted(points.items(), reverse=True))}), f"{statistic}_over_time(m[{length}s])")
    expected = {
        "sum": math.fsum,
        "avg": np.mean,
        "min": min,
        "max": max,
        "count": len,
        "last": lambda values: values[-1],
        "stddev": np.std,
        "stdvar": np.var,
    }
    if window:
        assert found == pytest.approx(float(expected[statistic](window)), rel=1e-9, abs=1e-6)
    else:
        assert found is None


@settings(max_examples=60, deadline=None)
@given(st.lists(FLOATS, min_size=1, max_size=12), st.floats(0, 1), st.integers(1, 15))
def test_quantiles_and_the_largest_are_those_of_the_elements(values: list[float], level: float, count: int) -> None:
    all_of_them = engine({str(number): {0: value} for number, value in enumerate(values)})
    assert one(all_of_them, f"quantile({level:.17f}, m)") == pytest.approx(np.quantile(values, level), abs=1e-6)
    rows = instant_data(all_of_them.instant(f"topk({count}, m)", NOW))["result"]
    assert [float(row["value"][1]) for row in rows] == sorted(values, reverse=True)[:count]


PIECES = st.sampled_from([*"m()[]{}+-*/^=<>!~,:@5.\"' ", "sum", " by ", "rate(", "[5m]", "offset ", " or ", " on("])


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=25).map("".join))
def test_any_text_is_a_tree_or_a_syntax_error(text: str) -> None:
    with suppress(QuerySyntaxError):
        assert parse(text).kind in {"scalar", "vector", "matrix", "string"}
