"""What Grafana's data source for Prometheus asks: each answer has the form that Prometheus' API documents.

Where the Prometheus of the distribution is installed, both get the same points and the same requests, and every field
of Prometheus' answer has to be in ours with a value of the same kind.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from naive_store import NaiveStore
from prometheus_server import PROGRAM, push, running
from services import served

from quintet.timeseries.labelroutes import label_name
from quintet.timeseries.model import MINUTE, SECOND, Batch, labels_of

#: s; a whole number of minutes.
NOW = 1_700_000_040
SERIES = tuple(
    labels_of({"__name__": "requests_total", "job": job, "instance": str(number)})
    for job in "ab"
    for number in range(2)
)
POINTS = Batch(
    SERIES,
    np.repeat(np.arange(4, dtype=np.uint32), 61),
    np.tile((NOW - 15 * np.arange(61)[::-1]) * SECOND, 4),
    np.arange(4 * 61, dtype=np.float64),
)
RANGE = {"start": str(NOW - 600), "end": str(NOW), "step": "60"}
#: Requests as Grafana sends them: method, path, parameters; POST ones as a form.
REQUESTS = [
    ("POST", "/api/v1/query", {"query": "1+1", "time": str(NOW)}),
    ("GET", "/api/v1/query", {"query": "requests_total", "time": f"{NOW}.000"}),
    ("POST", "/api/v1/query", {"query": "requests_total[1m]", "time": str(NOW)}),
    ("GET", "/api/v1/query", {"query": '"text"', "time": str(NOW)}),
    ("POST", "/api/v1/query_range", {"query": "rate(requests_total[5m])", **RANGE, "timeout": "30s"}),
    ("GET", "/api/v1/query_range", {"query": "sum(requests_total)", **RANGE}),
    ("GET", "/api/v1/query_exemplars", {"query": "requests_total", **RANGE}),
    ("POST", "/api/v1/query_exemplars", {"query": "requests_total", **RANGE}),
    ("GET", "/api/v1/series", {"match[]": "requests_total", **RANGE}),
    ("POST", "/api/v1/series", {"match[]": '{job="a"}', **RANGE}),
    ("GET", "/api/v1/labels", RANGE),
    ("POST", "/api/v1/labels", {"match[]": "requests_total", **RANGE}),
    ("GET", "/api/v1/label/__name__/values", RANGE),
    ("GET", "/api/v1/label/job/values", {"match[]": 'requests_total{instance="0"}', **RANGE}),
    ("GET", "/api/v1/metadata", {"limit": "1"}),
    ("GET", "/api/v1/metadata", {"metric": "requests_total"}),
    ("GET", "/api/v1/rules", {}),
    ("GET", "/api/v1/rules", {"type": "alert"}),
    ("GET", "/api/v1/alerts", {}),
    ("GET", "/api/v1/alertmanagers", {}),
    ("GET", "/api/v1/targets", {}),
    ("GET", "/api/v1/targets/metadata", {"metric": "requests_total"}),
    ("GET", "/api/v1/status/buildinfo", {}),
    ("GET", "/api/v1/status/runtimeinfo", {}),
    ("GET", "/api/v1/status/config", {}),
    ("GET", "/api/v1/status/flags", {}),
    ("GET", "/api/v1/status/tsdb", {}),
    ("GET", "/api/v1/format_query", {"query": "sum( requests_total )by(job)/ 2"}),
    ("POST", "/api/v1/format_query", {"query": "requests_total offset 5m"}),
    # What is refused.
    ("POST", "/api/v1/query", {"query": "sum("}),
    ("GET", "/api/v1/query", {"query": "requests_total", "time": "soon"}),
    ("GET", "/api/v1/query_range", {"query": "requests_total", **RANGE, "step": "0"}),
    ("GET", "/api/v1/query_range", {"query": "requests_total", **RANGE, "start": str(NOW + 1)}),
    ("GET", "/api/v1/query_range", {"query": "requests_total[5m]", **RANGE}),
    ("GET", "/api/v1/series", {}),
    ("GET", "/api/v1/series", {"match[]": "requests_total{"}),
    ("GET", "/api/v1/format_query", {"query": "requests_total["}),
    ("GET", "/api/v1/format_query", {}),
]


@pytest.fixture(scope="module")
def ours() -> Iterator[httpx.Client]:
    store = NaiveStore()
    store.append(POINTS)
    with served(store) as client:
        yield client


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with running(tmp_path_factory.mktemp("prometheus")) as client:
        push(client, POINTS)
        yield client


def ask(client: httpx.Client, method: str, path: str, parameters: dict[str, str]) -> httpx.Response:
    return client.post(path, data=parameters) if method == "POST" else client.get(path, params=parameters)


def success(answer: httpx.Response) -> Any:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("application/json")
    body = answer.json()
    assert set(body) - {"warnings"} == {"status", "data"}
    assert body["status"] == "success"
    return body["data"]


@pytest.mark.skipif(PROGRAM is None, reason="the program prometheus is not installed")
@pytest.mark.parametrize(("method", "path", "parameters"), REQUESTS)
def test_an_answer_has_the_fields_of_prometheus_with_values_of_their_kind(
    ours: httpx.Client, theirs: httpx.Client, method: str, path: str, parameters: dict[str, str]
) -> None:
    expected, actual = ask(theirs, method, path, parameters), ask(ours, method, path, parameters)
    assert actual.status_code == expected.status_code, actual.text
    if expected.status_code == 200:
        assert missing(expected.json(), actual.json(), path) == []
    else:
        assert actual.json()["status"] == "error"
        assert actual.json()["errorType"] == expected.json()["errorType"]
    if path.endswith(("query", "query_range", "labels", "values", "series")) and expected.status_code == 200:
        assert unordered(actual.json()["data"]) == unordered(expected.json()["data"]), "and these values are equal"


#: Maps whose names are the server's own.
OPEN = {"/api/v1/status/flags", "/api/v1/metadata"}


def missing(theirs: Any, ours: Any, where: str) -> list[str]:
    """Fields of theirs that ours lacks or has of another kind; of lists the first elements."""
    if isinstance(theirs, dict):
        if not isinstance(ours, dict):
            return [where]
        names = {"status", "data"} & set(theirs) if where in OPEN else set(theirs)
        below = [
            missing(theirs[name], ours[name], f"{where}.{name}")
            for name in names
            if name in ours and f"{where}.{name}".removesuffix(".data") not in OPEN
        ]
        return [f"{where}.{name}" for name in names if name not in ours] + [one for found in below for one in found]
    if isinstance(theirs, list):
        if not isinstance(ours, list):
            return [where]
        return missing(theirs[0], ours[0], f"{where}[]") if theirs and ours else []
    number = (int, float)
    same = isinstance(ours, number) if isinstance(theirs, number) else type(theirs) is type(ours)
    return [] if same else [where]


def unordered(value: Any) -> Any:
    if isinstance(value, dict) and "result" in value and isinstance(value["result"], list):
        rows = value["result"]
        if rows and isinstance(rows[0], dict):
            return {**value, "result": sorted(rows, key=lambda row: sorted(row["metric"].items()))}
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return sorted(value, key=lambda row: sorted(row.items()))
    return value


def test_the_health_check_of_a_data_source_is_a_query_that_is_two(ours: httpx.Client) -> None:
    found = success(ask(ours, "POST", "/api/v1/query", {"query": "1+1", "time": str(NOW)}))
    assert found == {"resultType": "scalar", "result": [NOW, "2"]}


def test_the_build_says_which_release_of_the_api_this_is(ours: httpx.Client) -> None:
    found = success(ours.get("/api/v1/status/buildinfo"))
    assert set(found) >= {"version", "revision", "branch", "buildUser", "buildDate", "goVersion"}
    assert [part.isdigit() for part in found["version"].split(".")] == [True] * 3


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/api/v1/rules", {"groups": []}),
        ("/api/v1/alerts", {"alerts": []}),
        ("/api/v1/alertmanagers", {"activeAlertmanagers": [], "droppedAlertmanagers": []}),
        ("/api/v1/targets", {"activeTargets": [], "droppedTargets": []}),
        ("/api/v1/targets/metadata", []),
        ("/api/v1/metadata", {}),
        ("/api/v1/query_exemplars?query=requests_total&start=0&end=1", []),
        ("/api/v1/status/config", {"yaml": ""}),
        ("/api/v1/status/flags", {}),
    ],
)
def test_what_there_is_none_of_is_answered_as_empty(ours: httpx.Client, path: str, expected: Any) -> None:
    assert success(ours.get(path)) == expected


def test_the_status_has_all_lists_of_prometheus(ours: httpx.Client) -> None:
    found = success(ours.get("/api/v1/status/tsdb"))
    assert found["headStats"] == {
        "numSeries": 4,
        "numLabelPairs": 5,
        "chunkCount": 0,
        "minTime": (NOW - 900) * 1000,
        "maxTime": NOW * 1000,
    }
    assert found["seriesCountByMetricName"] == [{"name": "requests_total", "value": 4}]
    assert {"name": "job", "value": 2} in found["labelValueCountByLabelName"]
    assert {"name": "job=a", "value": 2} in found["seriesCountByLabelValuePair"]
    assert {"name": "job", "value": 8} in found["memoryInBytesByLabelName"]
    runtime = success(ours.get("/api/v1/status/runtimeinfo"))
    assert runtime["startTime"] <= runtime["serverTime"]


@pytest.mark.parametrize(
    ("path", "parameters", "whole"),
    [
        ("/api/v1/labels", {}, 3),
        ("/api/v1/label/job/values", {}, 2),
        ("/api/v1/series", {"match[]": "requests_total"}, 4),
    ],
)
def test_a_limit_cuts_an_answer_and_says_so(
    ours: httpx.Client, path: str, parameters: dict[str, str], whole: int
) -> None:
    for limit, length in (("0", whole), (str(whole), whole), ("1", 1)):
        answer = ours.get(path, params={**parameters, "limit": limit})
        assert len(success(answer)) == length
        assert answer.json().get("warnings", []) == ([] if length == whole else ["results truncated due to limit"])
    assert ours.get(path, params={**parameters, "limit": "-1"}).status_code == 400


def test_a_limit_cuts_the_series_of_a_query(ours: httpx.Client) -> None:
    for path, parameters in (("query", {"time": str(NOW)}), ("query_range", RANGE)):
        asked = {"query": "requests_total", **parameters}
        assert len(success(ours.get(f"/api/v1/{path}", params=asked))["result"]) == 4
        answer = ours.get(f"/api/v1/{path}", params={**asked, "limit": "3"})
        assert len(success(answer)["result"]) == 3
        assert answer.json()["warnings"] == ["results truncated due to limit"]
    scalar = ours.get("/api/v1/query", params={"query": "1", "time": str(NOW), "limit": "1"})
    assert success(scalar)["result"] == [NOW, "1"]


def test_a_request_may_ask_for_less_time_and_another_look_back(ours: httpx.Client) -> None:
    late = {"query": "count(requests_total)", "time": str(NOW + 600)}
    assert success(ours.get("/api/v1/query", params=late))["result"] == []
    longer = success(ours.get("/api/v1/query", params={**late, "lookback_delta": "15m"}))
    assert longer["result"][0]["value"][1] == "4"
    answer = ours.get("/api/v1/query", params={**late, "timeout": "1ms", "query": "+".join(["requests_total"] * 99)})
    assert (answer.status_code, answer.json()["errorType"]) == (503, "timeout")


def test_probes_of_prometheus_are_answered(ours: httpx.Client) -> None:
    for path in ("/-/healthy", "/-/ready"):
        assert ours.get(path).status_code == 200
        assert ours.head(path).status_code == 200


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("job", "job"),
        ("U", "U"),
        ("U__http_2e_status", "http.status"),
        ("U__a__b", "a_b"),
        ("U___1f600_", "\U0001f600"),
        ("U__a_zz_", "a_zz_"),
        ("U__a_ffffff_", "a_ffffff_"),
    ],
)
def test_names_that_do_not_fit_into_an_address_are_unescaped(text: str, name: str) -> None:
    assert label_name(text) == name


def test_a_label_with_a_dot_is_listed_by_its_escaped_name() -> None:
    store = NaiveStore()
    labels = [labels_of({"__name__": "m", "http.status": "200"})]
    store.append(Batch(labels, np.zeros(1, np.uint32), np.array([NOW * SECOND - MINUTE]), np.ones(1)))
    with served(store) as client:
        assert success(client.get("/api/v1/label/U__http_2e_status/values")) == ["200"]
        assert success(client.get("/api/v1/label/http.status/values")) == ["200"]


def test_grafana_may_show_its_token_in_a_header_or_as_a_password(tmp_path: Path) -> None:
    from quintet.webservice.tokens import Tokens, new_token

    token = new_token(tmp_path / "tokens", "grafana", ["read"])
    with served(NaiveStore(), tokens=Tokens.read(tmp_path / "tokens")) as client:
        assert client.get("/api/v1/labels").status_code == 401
        assert client.get("/api/v1/labels", headers={"Authorization": f"Bearer {token}"}).status_code == 200
        assert client.get("/api/v1/labels", auth=("grafana", token)).status_code == 200
