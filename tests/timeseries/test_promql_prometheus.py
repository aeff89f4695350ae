"""The same queries over the same data: this engine and the Prometheus of the distribution give the same answers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from naive_store import NaiveStore
from prometheus_server import PROGRAM, push, running

from quintet.timeseries.model import Batch, Labels, labels_of
from quintet.timeseries.promql.answers import instant_data, range_data
from quintet.timeseries.promql.errors import QueryError
from quintet.timeseries.promql.evaluate import STALE, Engine

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="the program prometheus is not installed")

#: ms; a whole number of minutes.
BEGIN = 1_700_000_040_000
MINUTES = 90
END = BEGIN + MINUTES * 60_000
MARKER = np.array([STALE]).view(np.float64)[0]


def sample_data() -> Batch:
    """Counters with resets, gaps and late starts; gauges with NaN, infinities and staleness; a histogram."""
    random = np.random.default_rng(7)
    series: list[tuple[Labels, np.ndarray, np.ndarray]] = []

    def times(every: float = 15, begin: float = 0, end: float = MINUTES * 60) -> np.ndarray:
        exact = np.arange(begin, end, every) * 1000
        return BEGIN + (exact + random.integers(0, 900, len(exact))).astype(np.int64)

    def add(at: np.ndarray, values: np.ndarray, **labels: str) -> None:
        series.append((labels_of(labels), at, values.astype(np.float64)))

    for job in ("api", "web"):
        for instance in ("0", "1", "2"):
            for code in ("200", "500"):
                at = times(begin=300 if instance == "2" else 0)
                if instance == "1":
                    at = at[(at < BEGIN + 1_200_000) | (at > BEGIN + 2_000_000)]
                values = np.cumsum(random.integers(0, 40, len(at))) + (1000 if code == "200" else 0)
                values[len(at) // 2 :] -= values[len(at) // 2] if job == "web" else 0
                add(at, values, __name__="requests_total", job=job, instance=instance, code=code)
            at = times()
            values = np.round(random.normal(20, 5, len(at)), 2)
            if instance == "0":
                values[50:60] = np.nan
                values[70], values[80] = np.inf, -np.inf
            if instance == "1":
                values[100] = MARKER
                values, at = np.delete(values, slice(101, 140)), np.delete(at, slice(101, 140))
            add(at, values, __name__="temperature", job=job, instance=instance, room=f"r{instance}")
            for rank, bound in enumerate(("0.1", "0.5", "1", "2.5", "+Inf")):
                at = times(30)
                counts = np.cumsum(random.integers(0, 5, len(at))) + 3 * rank * np.arange(len(at))
                add(at, counts, __name__="latency_bucket", job=job, instance=instance, le=bound)
            add(times(60), np.ones(MINUTES), __name__="build_info", instance=instance, job=job, version=f"v{instance}")
    add(times(240), np.arange(23) - 11.5, __name__="sparse")
    add(times(290), np.arange(19) ** 2, __name__="sparser", kind="x")
    add(times(end=1500), np.full(100, 1e-7), __name__="short_lived", kind="tiny")
    add(times(end=1500), np.full(100, 1e22), __name__="short_lived", kind="huge")
    add(times(60), np.full(MINUTES, 3.0), __name__="constant", a="1")
    add(times(60), np.full(MINUTES, 3.0), __name__="constant", a="2")
    add(times(60), np.full(MINUTES, 4.0), __name__="constant", b="3")
    return Batch(
        [labels for labels, _, _ in series],
        np.concatenate([np.full(len(at), number, np.uint32) for number, (_, at, _) in enumerate(series)]),
        np.concatenate([at for _, at, _ in series]) * 1_000_000,
        np.concatenate([values for _, _, values in series]),
    )


@pytest.fixture(scope="module")
def engine() -> Engine:
    store = NaiveStore()
    store.append(sample_data())
    return Engine(store)


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with running(tmp_path_factory.mktemp("prometheus")) as client:
        push(client, sample_data())
        yield client


EXPRESSIONS = """
requests_total
requests_total{job="api"}
requests_total{job=~"a.*",code!="200"}
requests_total{instance!~"0|1"}
{__name__=~"spars.+"}
temperature{room="r1"}
short_lived
sparse offset 7m
sparse offset -3m
sparse @ 1700001000
requests_total{job="api"} @ start()
sum(requests_total @ end())
rate(requests_total[5m] @ 1700002000)
rate(requests_total[5m])
rate(requests_total[47s])
rate(requests_total[1m])
rate(sparse[20m])
increase(requests_total[5m])
increase(requests_total[10m] offset 13m)
increase(latency_bucket[2m])
irate(requests_total[5m])
delta(temperature{instance="2"}[5m])
delta(sparse[30m])
idelta(temperature{instance="2"}[5m])
deriv(temperature{instance="2"}[10m])
predict_linear(sparser[30m], 3600)
changes(temperature[10m])
resets(requests_total[20m])
avg_over_time(temperature[5m])
min_over_time(temperature[5m])
max_over_time(temperature[5m])
sum_over_time(temperature{instance!="0"}[5m])
count_over_time(temperature[3m])
last_over_time(temperature[10m])
present_over_time(sparse[1m])
stddev_over_time(temperature{instance="2"}[10m])
stdvar_over_time(temperature{instance="2"}[10m])
quantile_over_time(0.9, temperature[10m])
quantile_over_time(1.5, temperature[10m])
absent_over_time(short_lived{kind="tiny"}[5m])
abs(sparse)
ceil(temperature)
floor(temperature)
round(temperature)
round(temperature, 0.25)
clamp(temperature, 15, 22)
clamp_min(temperature, 18)
clamp_max(temperature, 18)
clamp(sparse, 3, 1)
ln(sparser)
log2(temperature)
log10(abs(sparse))
exp(sparse)
sqrt(sparser)
sgn(sparse)
histogram_quantile(0.9, rate(latency_bucket[5m]))
histogram_quantile(0.5, sum by (le) (rate(latency_bucket[5m])))
histogram_quantile(0.99, sum by (job, le) (increase(latency_bucket[10m])))
histogram_quantile(-1, latency_bucket)
histogram_quantile(0.5, latency_bucket{le!="+Inf"})
label_replace(temperature, "place", "room $1", "room", "r(.*)")
label_replace(temperature, "room", "", "room", ".*")
label_replace(temperature, "x", "${1}y", "room", "nothing(.*)")
label_join(temperature, "both", "-", "job", "instance")
time()
timestamp(sparse)
timestamp(sparse + 0)
scalar(sparse) + 1
vector(3)
vector(time())
absent(sparse)
absent(nothing{a="b",c=~"d"})
absent(short_lived)
minute(vector(time()))
hour()
day_of_week()
day_of_month()
day_of_year()
days_in_month()
month()
year()
sum(requests_total)
sum by (job) (rate(requests_total[5m]))
sum without (instance, code) (rate(requests_total[5m]))
avg by (job) (temperature{instance!="0"})
min by (job) (temperature)
max without (job) (temperature)
count by (instance) (requests_total)
count(nothing)
group by (job) (temperature)
stddev by (job) (temperature{instance!="0"})
stdvar(requests_total)
quantile(0.75, requests_total)
quantile by (job) (0.1, temperature)
topk(2, requests_total)
bottomk by (job) (1, requests_total)
topk(0, requests_total)
count_values("value", sparser)
count_values by (job) ("v", floor(temperature / 10))
1 + 2 * 3 - 4 / 5 % 3 ^ 2 ^ 0.5
-2 ^ 2
2 > bool 1
requests_total / 60
60 - requests_total
-temperature
temperature > 20
temperature > bool 20
20 < temperature
temperature == temperature
temperature != bool 20
requests_total{code="500"} / ignoring(code) requests_total{code="200"}
rate(requests_total{code="500"}[5m]) / on(job, instance) rate(requests_total{code="200"}[5m])
requests_total * on(instance, job) group_left(version) build_info
build_info * on(instance, job) group_right(version) requests_total
requests_total / on(job) group_left sum by (job) (requests_total)
sum by (job) (requests_total) > on(job) group_right temperature
temperature > on(instance, job) temperature{instance="1"}
temperature and temperature > 20
temperature and on(instance) temperature{room="r1"}
temperature or requests_total
temperature{instance="0"} or on(job) requests_total
temperature unless temperature > 20
temperature unless on(job) requests_total{job="api"}
temperature{instance="2"} ^ 2 % 7
temperature{instance="2"} atan2 sparse * 0
sum(temperature > 100) or vector(0)
sum_over_time(rate(requests_total{job="api"}[2m])[10m:1m])
max_over_time(sum(requests_total)[10m:90s])
avg_over_time(sparse[15m:])
rate(sum(requests_total)[10m:1m] offset 5m)
sum(rate(requests_total[5m])) by (code) / ignoring(code) group_left sum(rate(requests_total[5m]))
sum(constant)
constant + on(a) constant
avg(constant) by (b)
0x1F + .5e1
Inf - Inf
NaN
(requests_total offset 5m) - 1
""".strip().splitlines()

#: Both refuse them.
REFUSED = """
requests_total + on(job) temperature
requests_total * on(job) group_left temperature
requests_total + on(instance, job) temperature
label_replace(requests_total, "instance", "", "instance", ".*")
label_replace(temperature, "9", "x", "room", ".*")
requests_total[5m]
rate(requests_total)
sum(requests_total[5m])
1 > 2
{job=~".*"}
{}
requests_total and 1
sum(
requests_total offset
rate(requests_total[0s])
nonsense(requests_total)
"text
temperature bool 3
requests_total{job="api}
requests_total{job=~"("}
""".strip().splitlines()

Series = dict[tuple[tuple[str, str], ...], dict[float, float]]


def series(data: dict[str, Any]) -> Series:
    """A result as {labels: {time: value}}."""
    if data["resultType"] in {"scalar", "string"}:
        return {(): {float(data["result"][0]): float(data["result"][1])}}
    return {
        tuple(sorted(row["metric"].items())): {
            float(time): float(value) for time, value in row.get("values", [row.get("value")])
        }
        for row in data["result"]
    }


def compare(ours: Series, theirs: Series) -> None:
    assert ours.keys() == theirs.keys()
    for labels, points in theirs.items():
        assert ours[labels].keys() == points.keys(), labels
        for time, value in points.items():
            own = ours[labels][time]
            same = (math.isnan(own) and math.isnan(value)) or math.isclose(own, value, rel_tol=1e-9, abs_tol=1e-9)
            assert same, f"{labels} at {time}: {own!r}, Prometheus has {value!r}"


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_a_range_of_steps_is_as_in_prometheus(engine: Engine, prometheus: httpx.Client, expression: str) -> None:
    for start, end, step in ((BEGIN - 300_000, END + 600_000, 60_000), (BEGIN + 1_000_123, BEGIN + 2_500_000, 17_000)):
        answer = prometheus.get(
            "/api/v1/query_range",
            params={"query": expression, "start": start / 1000, "end": end / 1000, "step": step / 1000},
        ).json()
        assert answer["status"] == "success", answer
        compare(
            series(range_data(engine.range(expression, start * 10**6, end * 10**6, step * 10**6))),
            series(answer["data"]),
        )


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_instant_is_as_in_prometheus(engine: Engine, prometheus: httpx.Client, expression: str) -> None:
    for time in (BEGIN + 2_000_000, END + 240_000):
        answer = prometheus.get("/api/v1/query", params={"query": expression, "time": time / 1000}).json()
        assert answer["status"] == "success", answer
        compare(series(instant_data(engine.instant(expression, time * 10**6))), series(answer["data"]))


@pytest.mark.parametrize("expression", ["sort(temperature)", "sort_desc(requests_total)", "topk(5, requests_total)"])
def test_an_order_is_as_in_prometheus(engine: Engine, prometheus: httpx.Client, expression: str) -> None:
    time = BEGIN + 4_000_000
    theirs = prometheus.get("/api/v1/query", params={"query": expression, "time": time / 1000}).json()["data"]
    ours = instant_data(engine.instant(expression, time * 10**6))
    assert [row["value"][1] for row in ours["result"]] == [row["value"][1] for row in theirs["result"]]


@pytest.mark.parametrize("expression", ["temperature[2m]", "requests_total[1m] offset 5m", '"a text"'])
def test_windows_and_texts_are_as_in_prometheus(engine: Engine, prometheus: httpx.Client, expression: str) -> None:
    time = BEGIN + 4_000_000
    theirs = prometheus.get("/api/v1/query", params={"query": expression, "time": time / 1000}).json()["data"]
    ours = instant_data(engine.instant(expression, time * 10**6))
    if ours["resultType"] == "matrix":
        compare(series(ours), series(theirs))
    assert (ours["resultType"], len(ours["result"])) == (theirs["resultType"], len(theirs["result"]))


@pytest.mark.parametrize("expression", REFUSED)
def test_what_prometheus_refuses_is_refused(engine: Engine, prometheus: httpx.Client, expression: str) -> None:
    start, end = BEGIN, BEGIN + 600_000
    answer = prometheus.get(
        "/api/v1/query_range", params={"query": expression, "start": start / 1000, "end": end / 1000, "step": 60}
    ).json()
    assert answer["status"] == "error"
    with pytest.raises(QueryError) as refused:
        engine.range(expression, start * 10**6, end * 10**6, 60 * 10**9)
    assert (refused.value.status == 400) == (answer["errorType"] == "bad_data"), answer


def test_values_are_written_as_prometheus_writes_them(engine: Engine, prometheus: httpx.Client) -> None:
    query = {"query": '{__name__=~"short_lived|temperature|sparse"}', "time": (BEGIN + 1_300_000) / 1000}
    theirs = prometheus.get("/api/v1/query", params=query).json()["data"]["result"]
    ours = instant_data(engine.instant(query["query"], (BEGIN + 1_300_000) * 10**6))["result"]
    order = lambda row: sorted(row["metric"].items())  # noqa: E731
    assert sorted(ours, key=order) == sorted(theirs, key=order)
