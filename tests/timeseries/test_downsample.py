"""Downsampling: the columns are those of plain Python over the points, gaps are filled as asked, answers bounded."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from batches import HOUR, MINUTE, QUIET, START, Points, batch, expected, regular, series
from naive_store import NaiveStore
from services import served

from quintet.errors import InputError
from quintet.timeseries import Labels, Matcher, Store, series_text
from quintet.timeseries.downsample import Fill, fill_of
from quintet.timeseries.model import MAX_TIME, MIN_TIME
from quintet.timeseries.promql.errors import QueryLimitError
from quintet.timeseries.promql.limits import QueryLimits
from quintet.timeseries.service import ServiceOptions

A, B = series(host="a"), series(host="b")
COLUMNS = ("count", "sum", "min", "max", "mean", "first", "last")
#: series, beginning of the bucket -> its columns
Buckets = dict[tuple[str, int], tuple[Any, ...]]


def exact_sum(values: list[float]) -> float:
    special = [value for value in values if not math.isfinite(value)]
    if special:
        return sum(special)
    try:
        return math.fsum(values)  # rounded once, as the fractions below, and much faster
    except OverflowError:  # of the sum, or only on the way to it
        total = sum((Fraction(value) for value in values), Fraction(0))
    try:
        return float(total)
    except OverflowError:
        return math.inf if total > 0 else -math.inf


def aggregated(values: list[float]) -> tuple[Any, ...]:
    """The columns of a bucket, by plain Python."""
    total = exact_sum(values)
    numbers = [value for value in values if not math.isnan(value)] or values[:1]
    return len(values), total, min(numbers), max(numbers), total / len(values), values[0], values[-1]


def buckets(points: Points, step: int) -> Buckets:
    found: dict[tuple[str, int], list[float]] = {}
    for labels, of_series in sorted(points.items()):
        text = series_text(labels)
        for time in sorted(of_series):
            found.setdefault((text, time // step * step), []).append(of_series[time])
    return {key: aggregated(values) for key, values in found.items()}


def rows(table: Any) -> Buckets:
    """A table as plain values; no bucket comes twice."""
    times = table["timestamp"].cast("int64").to_pylist()
    keys = list(zip(table["series"].to_pylist(), times, strict=True))
    assert len(set(keys)) == len(keys)
    columns = zip(*(table[name].to_pylist() for name in COLUMNS), strict=True)
    return dict(zip(keys, columns, strict=True))


def assert_alike(found: Buckets, wanted: Buckets) -> None:
    """Equal bit for bit, but for the bits of what is no number."""
    assert list(found) == list(wanted)
    for key, row in found.items():
        # As text: it tells zeros of both signs and integers from floats apart, and is the same of what is no number.
        assert repr(row) == repr(wanted[key]), key


def filled(table: Any, name: str) -> list[Any]:
    found: list[Any] = table[name].to_pylist()
    return found


@pytest.mark.parametrize("flushed", [False, True])
@pytest.mark.parametrize("step", [MINUTE, 7 * MINUTE, HOUR])
def test_a_row_has_the_count_sum_ends_mean_first_and_last_of_its_bucket(
    tmp_path: Path, step: int, flushed: bool
) -> None:
    points = regular(5, 400)
    with Store.open(tmp_path, QUIET) as store:
        store.append(points)
        if flushed:
            store.flush()
        table = store.downsample([], START, START + 400 * MINUTE, step)
        assert_alike(rows(table), buckets(expected(points), step))
    assert [str(table[name].type) for name in ("timestamp", "count", "sum")] == [
        "timestamp[ns, tz=UTC]",
        "int64",
        "double",
    ]


def test_series_come_sorted_with_their_labels_and_matchers_choose_them(tmp_path: Path) -> None:
    with Store.open(tmp_path, QUIET) as store:
        store.append(batch({B: [(START, 2.0)], A: [(START, 1.0), (START + HOUR, 3.0)]}))
        table = store.downsample([], START, START + 2 * HOUR, HOUR)
        assert filled(table, "series") == ['temperature{host="a"}'] * 2 + ['temperature{host="b"}']
        assert filled(table, "labels")[2] == [("__name__", "temperature"), ("host", "b")]
        only = store.downsample([Matcher("host", "=", "b")], START, START + 2 * HOUR, HOUR)
        assert filled(only, "mean") == [2.0]
        assert store.downsample([Matcher("host", "=", "c")], START, START + HOUR, HOUR).num_rows == 0


def test_buckets_are_aligned_to_the_epoch_and_taken_whole_wherever_the_interval_cuts(tmp_path: Path) -> None:
    times = [-1, 0, HOUR - 1, HOUR, 2 * HOUR - 1, 2 * HOUR]
    with Store.open(tmp_path, QUIET) as store:
        store.append(batch({A: [(time, 1.0) for time in times]}))
        found = rows(store.downsample([], 30 * MINUTE, HOUR + 1, HOUR))
        assert [(time, row[0]) for (_, time), row in found.items()] == [(0, 2), (HOUR, 2)]
        before = rows(store.downsample([], -1, 0, HOUR))
        assert [(time, row[0]) for (_, time), row in before.items()] == [(-HOUR, 1)]
        assert store.downsample([], HOUR, HOUR, HOUR).num_rows == 0


def test_the_ends_of_time_have_their_buckets(tmp_path: Path) -> None:
    with Store.open(tmp_path, QUIET) as store:
        store.append(batch({A: [(MIN_TIME, 1.0), (MAX_TIME - 1, 2.0)]}))
        found = rows(store.downsample([], MIN_TIME, MAX_TIME, HOUR))
        assert [time for _, time in found] == [MIN_TIME, (MAX_TIME - 1) // HOUR * HOUR]


NAN, INF = math.nan, math.inf
VALUES = {
    "one NaN": [1.0, NAN, 3.0],
    "only NaN": [NAN, NAN],
    "NaN first": [NAN, -INF, 2.0],
    "both infinities": [INF, -INF],
    "one infinity": [1.0, INF],
    "cancelled": [1e100, 1.0, -1e100, 1e-100],
    "tenths": [0.1] * 10,
    "half way": [1e16, 1.0, 1e-16],
    "half way down": [-1e16, -1.0, -1e-16],
    "too large on the way": [1.7e308, 1.7e308, -1.7e308],
    "too large": [1.7e308, 1.7e308],
    "large and tiny": [1.7e308, 1.7e308, 5e-324, -1.7e308, -1.7e308],
    "tiny": [5e-324, 5e-324],
    "zeros": [-0.0, 0.0],
}


@pytest.mark.parametrize("name", VALUES)
def test_what_is_no_number_and_sums_of_every_size_are_as_plain_python_has_them(tmp_path: Path, name: str) -> None:
    points = batch({A: [(START + index, value) for index, value in enumerate(VALUES[name])]})
    with Store.open(tmp_path, QUIET) as store:
        store.append(points)
        assert_alike(rows(store.downsample([], START, START + 1, HOUR)), buckets(expected(points), HOUR))


@pytest.mark.parametrize("seed", range(5))
def test_random_values_of_every_magnitude_give_exact_sums(tmp_path: Path, seed: int) -> None:
    random = np.random.default_rng(seed)
    values = random.integers(0, 2**64 - 1, 3000, np.uint64).view(np.float64)
    values = np.where(np.isfinite(values), values, 0.25) * random.choice([1.0, 1e-300, -1.0], 3000)
    points = batch({A: [(START + index * MINUTE, float(value)) for index, value in enumerate(values)]})
    with Store.open(tmp_path, QUIET) as store:
        store.append(points)
        found = rows(store.downsample([], START, START + 3000 * MINUTE, HOUR))
    assert_alike(found, buckets(expected(points), HOUR))


GAPPED = batch({A: [(START, 1.0), (START + 1, 3.0), (START + 3 * HOUR, 8.0)], B: [(START + HOUR, 5.0)]})
GAPS: list[tuple[Fill, list[int], list[float | None], list[float | None], list[float | None]]] = [
    ("none", [2, 1, 1], [4.0, 8.0, 5.0], [2.0, 8.0, 5.0], [3.0, 8.0, 5.0]),
    ("null", [2, 0, 0, 1, 1], [4.0, None, None, 8.0, 5.0], [2.0, None, None, 8.0, 5.0], [3.0, None, None, 8.0, 5.0]),
    ("previous", [2, 0, 0, 1, 1], [4.0, 0.0, 0.0, 8.0, 5.0], [2.0, 2.0, 2.0, 8.0, 5.0], [3.0, 3.0, 3.0, 8.0, 5.0]),
    ("linear", [2, 0, 0, 1, 1], [4.0, 0.0, 0.0, 8.0, 5.0], [2.0, 4.0, 6.0, 8.0, 5.0], [3.0, 14 / 3, 19 / 3, 8.0, 5.0]),
    (-1.0, [2, 0, 0, 1, 1], [4.0, 0.0, 0.0, 8.0, 5.0], [2.0, -1.0, -1.0, 8.0, 5.0], [3.0, -1.0, -1.0, 8.0, 5.0]),
]


@pytest.mark.parametrize(("fill", "count", "total", "mean", "last"), GAPS)
def test_gaps_between_the_first_and_the_last_bucket_of_a_series_are_filled_as_asked(
    tmp_path: Path,
    fill: Fill,
    count: list[int],
    total: list[float | None],
    mean: list[float | None],
    last: list[float | None],
) -> None:
    with Store.open(tmp_path, QUIET) as store:
        store.append(GAPPED)
        table = store.downsample([], START - 9 * HOUR, START + 9 * HOUR, HOUR, fill)
    assert filled(table, "count") == count
    assert filled(table, "sum") == total
    assert filled(table, "mean") == mean
    assert filled(table, "last") == [value if value is None else pytest.approx(value) for value in last]
    of_a = [time - START for time in table["timestamp"].cast("int64").to_pylist()[:-1]]
    assert of_a == ([0, 3 * HOUR] if fill == "none" else [0, HOUR, 2 * HOUR, 3 * HOUR])


def test_too_many_rows_are_refused_before_there_is_memory_for_them(tmp_path: Path) -> None:
    with Store.open(tmp_path, QUIET) as store:
        store.append(batch({A: [(MIN_TIME, 1.0), (MAX_TIME - 1, 2.0)], B: [(START, 1.0)]}))
        assert store.downsample([], MIN_TIME, MAX_TIME, 1, limit=3).num_rows == 3
        with pytest.raises(QueryLimitError, match="the answer has 3 rows"):
            store.downsample([], MIN_TIME, MAX_TIME, 1, limit=2)
        with pytest.raises(QueryLimitError, match="do not fill gaps"):
            store.downsample([], MIN_TIME, MAX_TIME, 1, "null")


def test_a_fill_is_written_as_its_name_or_a_number() -> None:
    assert [fill_of(text) for text in ("none", "linear", "-1.5")] == ["none", "linear", -1.5]
    with pytest.raises(InputError, match="'cubic' is none"):
        fill_of("cubic")


@pytest.mark.parametrize("step", [0, -HOUR])
def test_a_step_that_is_none_is_refused(tmp_path: Path, step: int) -> None:
    with Store.open(tmp_path, QUIET) as store, pytest.raises(InputError, match="not above 0"):
        store.downsample([], START, START + HOUR, step)


ASKED = {
    "match[]": "temperature",
    "start": START / 1e9,
    "end": (START + 4 * HOUR) / 1e9,
    "step": "1h",
    "fill": "previous",
}


@pytest.mark.parametrize("naive", [False, True])
def test_over_http_columns_rows_and_what_was_touched_are_answered(tmp_path: Path, naive: bool) -> None:
    with NaiveStore() if naive else Store.open(tmp_path, QUIET) as store:
        store.append(GAPPED)
        with served(store) as client:
            answers = [client.get("/api/v1/downsample", params=ASKED), client.post("/api/v1/downsample", data=ASKED)]
    assert [answer.status_code for answer in answers] == [200, 200]
    found = answers[0].json()["data"]
    assert found == answers[1].json()["data"]
    assert found["columns"] == ["series", "labels", "timestamp", *COLUMNS]
    assert len(found["rows"]) == 5
    if not naive:
        labels: Labels = A
        wanted = ["2023-11-14 23:00:00.000000000Z", 0, 0.0, 1.0, 3.0, 2.0, 1.0, 3.0]
        assert found["rows"][1] == ['temperature{host="a"}', dict(labels), *wanted]
        (touched,) = found["touched"]
        assert (touched["source"], touched["start"], touched["end"]) == ("raw", START, START + 4 * HOUR)
        assert touched["head_points"] == 4


@pytest.mark.parametrize(
    ("changed", "status", "text"),
    [
        ({"match[]": []}, 400, "'match[]' is missing"),
        ({"match[]": ["a", "b"]}, 400, "several parameters"),
        ({"match[]": "rate(a[5m])"}, 400, "no selector"),
        ({"step": "soon"}, 400, "duration"),
        ({"fill": "cubic"}, 400, "'cubic' is none"),
        ({"start": "then"}, 400, "RFC 3339"),
        ({"step": "0.000001"}, 422, "rows (buckets"),
        ({"match[]": "{host=~'.+'}"}, 422, "the limit is 3"),
    ],
)
def test_what_cannot_be_answered_is_refused_with_its_reason(
    tmp_path: Path, changed: dict[str, Any], status: int, text: str
) -> None:
    options = ServiceOptions(limits=QueryLimits(points=3))
    with Store.open(tmp_path, QUIET) as store:
        store.append(GAPPED)
        with served(store, options=options) as client:
            answer = client.get("/api/v1/downsample", params={**ASKED, "match[]": 'temperature{host="a"}', **changed})
    assert answer.status_code == status, answer.text
    assert text in answer.json()["error"]
