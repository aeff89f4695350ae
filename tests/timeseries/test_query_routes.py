"""Reading over HTTP: Prometheus' API, SQL, limits, and the page in a browser."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from naive_store import NaiveStore
from services import served

from quintet.timeseries.model import SECOND, Options
from quintet.timeseries.promql.limits import QueryLimits
from quintet.timeseries.service import ServiceOptions
from quintet.timeseries.store import Store
from quintet.webservice.tokens import Tokens, new_token

#: s
NOW = 1_700_000_040
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="module")
def store() -> NaiveStore:
    store = NaiveStore()
    lines = [
        f"cpu,host={host} user={number}i,idle={100 - number} {(NOW - 15 * number) * 10**9}"
        for host in "ab"
        for number in range(60)
    ]
    with served(store) as client:
        assert client.post("/write", content="\n".join(lines)).status_code == 204
    return store


@pytest.fixture(scope="module")
def client(store: NaiveStore) -> Iterator[httpx.Client]:
    with served(store) as client:
        yield client


def data(answer: httpx.Response) -> Any:
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["status"] == "success"
    return body["data"]


def test_an_instant_query_is_answered_by_address_and_by_form(client: httpx.Client) -> None:
    parameters = {"query": "sum(cpu_user)", "time": str(NOW)}
    expected = {"resultType": "vector", "result": [{"metric": {}, "value": [NOW, "0"]}]}
    assert data(client.get("/api/v1/query", params=parameters)) == expected
    assert data(client.post("/api/v1/query", data=parameters)) == expected


def test_times_may_be_written_as_dates(client: httpx.Client) -> None:
    for text in ("2023-11-14T22:14:00Z", "2023-11-14T23:14:00+01:00", "1700000040.0"):
        assert data(client.get("/api/v1/query", params={"query": "time()", "time": text}))["result"] == [NOW, str(NOW)]


def test_a_range_query_gives_a_value_for_each_step(client: httpx.Client) -> None:
    parameters = {"query": 'cpu_user{host="a"}', "start": NOW - 60, "end": NOW, "step": "30s"}
    assert data(client.get("/api/v1/query_range", params=parameters)) == {
        "resultType": "matrix",
        "result": [
            {
                "metric": {"__name__": "cpu_user", "host": "a"},
                "values": [[NOW - 60, "4"], [NOW - 30, "2"], [NOW, "0"]],
            }
        ],
    }


def test_labels_values_and_series_are_listed(client: httpx.Client) -> None:
    assert data(client.get("/api/v1/labels")) == ["__name__", "host"]
    assert data(client.get("/api/v1/label/host/values")) == ["a", "b"]
    assert data(client.get("/api/v1/label/host/values", params={"match[]": 'cpu_idle{host!="a"}'})) == ["b"]
    assert data(client.get("/api/v1/labels", params={"match[]": "nothing"})) == []
    found = data(client.get("/api/v1/series", params=[("match[]", "cpu_user"), ("match[]", '{host="b"}')]))
    assert [tuple(one.values()) for one in found] == [("cpu_idle", "b"), ("cpu_user", "a"), ("cpu_user", "b")]
    past = {"match[]": "cpu_user", "start": 0, "end": 10}
    assert data(client.get("/api/v1/series", params=past)) == []


def test_labels_and_values_are_those_of_the_interval(tmp_path: Path) -> None:
    hour = 3600 * SECOND
    with Store.open(tmp_path, Options(background=False, block_span=hour)) as store, served(store) as client:
        assert client.post("/write", content=f"old,when=then f=1 {NOW * SECOND - 48 * hour}").status_code == 204
        store.flush()
        assert client.post("/write", content=f"new,where=here f=1 {NOW * SECOND}").status_code == 204
        recent = {"start": NOW - 60, "end": NOW}
        assert data(client.get("/api/v1/labels")) == ["__name__", "when", "where"]
        assert data(client.get("/api/v1/labels", params=recent)) == ["__name__", "where"]
        assert data(client.get("/api/v1/label/__name__/values", params=recent)) == ["new_f"]
        assert data(client.get("/api/v1/label/when/values", params={"end": NOW - 3600})) == ["then"]
        assert data(client.get("/api/v1/label/where/values", params={"end": NOW - 3600})) == []


def test_the_status_counts_series_by_metric(client: httpx.Client) -> None:
    found = data(client.get("/api/v1/status/tsdb"))
    assert found["headStats"]["numSeries"] == 4
    assert found["seriesCountByMetricName"] == [{"name": "cpu_idle", "value": 2}, {"name": "cpu_user", "value": 2}]


def test_a_query_is_explained_by_what_its_selectors_touch(client: httpx.Client) -> None:
    query = {"query": 'rate(cpu_user{host="a"}[1m]) / on() sum(cpu_idle)', "start": NOW - 60, "end": NOW}
    first, second = data(client.get("/api/v1/query_explain", params=query))
    assert (first["selector"], first["head_points"]) == ('cpu_user{host="a"}', 9)
    assert (second["selector"], second["head_points"]) == ("cpu_idle{}", 2 * 25)


def test_sql_is_answered_with_rows_and_with_what_it_read(client: httpx.Client) -> None:
    columns = "labels, max(value) AS top, min(timestamp) AS first"
    statement = f"SELECT {columns} FROM points WHERE metric = 'cpu_user' GROUP BY 1 ORDER BY 1"
    found = data(client.get("/sql", params={"q": statement}))
    assert found["columns"] == ["labels", "top", "first"]
    assert found["rows"][0] == [{"host": "a"}, 59.0, "2023-11-14 21:59:15.000000000"]
    assert found["touched"]["head_points"] == 120
    assert data(client.post("/sql", data={"q": statement, "explain": "1"}))["selector"] == "cpu_user{}"


@pytest.mark.parametrize(
    ("path", "parameters", "status", "kind", "text"),
    [
        ("/api/v1/query", {}, 400, "bad_data", "'query' is missing"),
        ("/api/v1/query", {"query": "sum("}, 400, "bad_data", "at the end"),
        ("/api/v1/query", {"query": "m", "time": "soon"}, 400, "bad_data", "RFC 3339"),
        ("/api/v1/query_range", {"query": "m", "start": 0, "end": 1, "step": 0}, 400, "bad_data", "step"),
        ("/api/v1/query_range", {"query": "m", "start": 0, "end": 99_999, "step": 1}, 422, "execution", "100000 steps"),
        ("/api/v1/query", {"query": "cpu_user + on() cpu_idle", "time": NOW}, 422, "execution", "several elements"),
        ("/api/v1/query", {"query": "cpu_user[1h]", "time": NOW}, 422, "execution", "the limit is 100"),
        ("/api/v1/query", {"query": '{host=~"("}'}, 400, "bad_data", "regular expression"),
        ("/api/v1/series", {}, 400, "bad_data", "match[]"),
        ("/sql", {"q": "DROP TABLE points"}, 400, "bad_data", "only SELECT"),
        ("/sql", {"q": "SELECT * FROM points"}, 422, "execution", "240 points"),
    ],
)
def test_what_cannot_be_answered_is_refused_in_the_form_of_prometheus(
    store: NaiveStore, path: str, parameters: dict[str, Any], status: int, kind: str, text: str
) -> None:
    with served(store, options=ServiceOptions(limits=QueryLimits(points=100))) as client:
        answer = client.get(path, params=parameters)
    assert answer.status_code == status
    assert answer.json()["errorType"] == kind
    assert text in answer.json()["error"]


def test_reading_writing_and_care_each_need_their_scope(store: NaiveStore, tmp_path: Path) -> None:
    tokens = {scope: new_token(tmp_path / "tokens", scope, [scope]) for scope in ("read", "write", "admin")}
    with served(store, tokens=Tokens.read(tmp_path / "tokens")) as client:
        statuses = {
            scope: [
                client.get("/api/v1/labels", headers=header).status_code,
                client.post("/api/v1/write", headers=header, content=b"\x00").status_code,
                client.post("/admin/flush", headers=header).status_code,
                client.get("/", headers=header).status_code,
            ]
            for scope, header in ((scope, {"Authorization": f"Bearer {one}"}) for scope, one in tokens.items())
        }
        assert client.get("/api/v1/labels").status_code == 401
    assert statuses == {"read": [200, 403, 403, 200], "write": [403, 204, 403, 200], "admin": [403, 403, 204, 200]}


def test_the_page_loads_nothing_from_other_hosts(client: httpx.Client) -> None:
    page = client.get("/")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    for path in ("/", "/page/style.css", "/page/chart.js", "/page/page.js"):
        answer = client.get(path)
        assert answer.status_code == 200
        text = answer.text.replace("http://www.w3.org/2000/svg", "")
        assert "http://" not in text
        assert "https://" not in text


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
def test_the_page_draws_the_chart_of_a_query_in_a_browser(client: httpx.Client, tmp_path: Path) -> None:
    address = f"{client.base_url}#query=cpu_user&range=900&until={NOW}"
    done = subprocess.run(
        [
            str(CHROMIUM),
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            f"--user-data-dir={tmp_path}",
            "--virtual-time-budget=4000",
            "--dump-dom",
            address,
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert done.stdout.count('<path d="M') == 2
    assert 'cpu_user{host="a"}' in done.stdout
    assert 'class="good">ready' in done.stdout
    assert "<dt>Series</dt><dd>4</dd>" in done.stdout
