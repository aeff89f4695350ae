"""The service over HTTP, on a real port: writes, refusals, access, quotas, health and figures."""

from __future__ import annotations

import gzip
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from naive_store import NaiveStore
from services import served

from quintet.errors import SettingsError
from quintet.timeseries.cluster.errors import ShardDownError
from quintet.timeseries.model import Batch, Matcher, Options
from quintet.timeseries.promql.limits import QueryLimits
from quintet.timeseries.quotas import PointQuota, QuotaError
from quintet.timeseries.service import ServiceOptions
from quintet.timeseries.store import Store
from quintet.webservice.tokens import AccessError, Token, Tokens, new_token


@pytest.fixture
def store() -> NaiveStore:
    return NaiveStore()


@pytest.fixture
def client(store: NaiveStore) -> Iterator[httpx.Client]:
    with served(store) as client:
        yield client


def values(store: NaiveStore) -> list[float]:
    return store.scan([Matcher("__name__", "=~", ".+")], -(2**63), 2**63 - 1).values.tolist()


@pytest.mark.parametrize("path", ["/write", "/api/v2/write?org=o&bucket=b"])
def test_lines_that_are_posted_are_stored(client: httpx.Client, store: NaiveStore, path: str) -> None:
    answer = client.post(path, content=b"m,a=b f=1.5 1\nm,a=b f=2.5 2")
    assert answer.status_code == 204
    assert values(store) == [1.5, 2.5]


def test_a_packed_body_is_unpacked_even_of_many_members(client: httpx.Client, store: NaiveStore) -> None:
    body = gzip.compress(b"m f=1 1\n") + gzip.compress(b"m f=2 2\n")
    assert client.post("/write", content=body, headers={"Content-Encoding": "gzip"}).status_code == 204
    assert values(store) == [1, 2]


def test_the_precision_of_timestamps_is_a_parameter(client: httpx.Client, store: NaiveStore) -> None:
    assert client.post("/write?precision=s", content=b"m f=1 7").status_code == 204
    assert store.stats().max_time == 7_000_000_000
    answer = client.post("/write?precision=h", content=b"m f=1 7")
    assert answer.status_code == 400
    assert "'h'" in answer.json()["message"]


def test_bad_lines_are_named_and_good_ones_written(client: httpx.Client, store: NaiveStore) -> None:
    answer = client.post("/api/v2/write", content=b'm f=1 1\nm f="text" 2\nm f=3 3\nm')
    assert answer.status_code == 400
    body = answer.json()
    assert body["code"] == "invalid"
    assert "partial write: 2 lines refused, 2 points written: line 2: string field" in body["message"]
    assert [error["line"] for error in body["errors"]] == [2, 4]
    assert (body["line"], body["written"], body["refused"]) == (2, 2, 2)
    assert values(store) == [1, 3]


def test_a_body_beyond_the_limit_is_refused_as_sent_and_as_unpacked(store: NaiveStore) -> None:
    with served(store, options=ServiceOptions(body_bytes=1000)) as client:
        plain = client.post("/write", content=b"m f=1 1\n" * 500)
        bomb = client.post("/write", content=gzip.compress(b"m f=1 1\n" * 500), headers={"Content-Encoding": "gzip"})
    assert (plain.status_code, bomb.status_code) == (413, 413)
    assert "larger than 1000 bytes" in bomb.json()["message"]
    assert values(store) == []


@pytest.mark.parametrize(
    ("body", "encoding", "status"),
    [(b"xx", "gzip", 400), (gzip.compress(b"m f=1")[:-3], "gzip", 400), (b"x", "br", 415)],
)
def test_a_body_that_cannot_be_unpacked_is_refused(
    client: httpx.Client, body: bytes, encoding: str, status: int
) -> None:
    assert client.post("/write", content=body, headers={"Content-Encoding": encoding}).status_code == status


def test_a_token_allows_what_its_scopes_say_and_what_is_refused_is_logged_without_it(
    store: NaiveStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "tokens"
    writer, reader = new_token(file, "writer", ["write"]), new_token(file, "reader", ["read"])
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert writer not in file.read_text()
    with served(store, tokens=Tokens.read(file)) as client, caplog.at_level("WARNING"):
        answers = [
            client.post("/write", content=b"m f=1 1", headers={"Authorization": header}).status_code
            for header in (f"Bearer {writer}", f"Token {writer}", f"Bearer {reader}", "Bearer wrong", "Basic %%", "")
        ]
        basic = client.post("/write", content=b"m f=1 1", auth=("anybody", writer)).status_code
    assert answers == [204, 204, 403, 401, 401, 401]
    assert basic == 204
    refused = [record.getMessage() for record in caplog.records if record.getMessage().startswith("refused")]
    assert [line.partition(": ")[2] for line in refused] == [
        "forbidden: the token 'reader' has no scope 'write'",
        "unauthorized: the token is not known",
        *["unauthorized: send the header Authorization: Bearer <token>"] * 2,
    ]
    assert all(line.startswith("refused POST /write from 127.0.0.1: ") for line in refused)
    assert not any(token in line for token in (writer, reader) for line in refused)


def test_a_tokens_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    new_token(file, "a", ["read"])
    file.chmod(0o640)
    with pytest.raises(SettingsError, match="chmod 600"):
        Tokens.read(file)


@pytest.mark.parametrize("line", ["name read", "name read abc", f"name root {'0' * 64}", ""])
def test_a_tokens_file_that_cannot_be_understood_is_refused(tmp_path: Path, line: str) -> None:
    file = tmp_path / "tokens"
    file.touch(mode=0o600)
    file.write_text(line)
    with pytest.raises(SettingsError):
        Tokens.read(file)


def test_a_name_is_given_to_one_token_only(tmp_path: Path) -> None:
    new_token(tmp_path / "tokens", "a", ["read"])
    with pytest.raises(SettingsError, match="exists"):
        new_token(tmp_path / "tokens", "a", ["write"])


def test_without_tokens_everybody_may_do_everything() -> None:
    assert Tokens().check(None, "write") == "anonymous"
    with pytest.raises(AccessError):
        Tokens((Token("a", frozenset({"read"}), "0" * 64),)).check(None, "read")


def test_more_points_per_second_than_allowed_are_refused_with_the_time_to_wait(store: NaiveStore) -> None:
    with served(store, options=ServiceOptions(points_per_second=10)) as client:
        # Enough that however slow this machine is, the quota has not filled again when the next one comes.
        body = b"\n".join(b"m f=1 %d" % number for number in range(4000))
        assert client.post("/write", content=body).status_code == 204
        answer = client.post("/write", content=b"m f=1 100")
    assert answer.status_code == 429
    assert 1 <= int(answer.headers["retry-after"]) <= 400
    assert "more than 10 points per second" in answer.json()["message"]
    assert len(values(store)) == 4000


def test_a_quota_fills_again_with_time() -> None:
    now = [0.0]
    quota = PointQuota(10, clock=lambda: now[0])
    quota.take("a", 30)
    with pytest.raises(QuotaError) as refused:
        quota.take("a", 1)
    quota.take("b", 1)
    now[0] += refused.value.retry_after
    quota.take("a", 1)


def test_the_service_says_that_it_lives_and_is_ready(client: httpx.Client, store: NaiveStore) -> None:
    assert client.get("/health").json()["status"] == "pass"
    assert client.get("/ping").status_code == 204
    assert client.get("/ready").json() == {"status": "ready"}


def test_figures_count_points_refusals_and_requests(client: httpx.Client) -> None:
    client.post("/write", content=b"m f=1 1\nm f=x 2")
    text = client.get("/metrics").text
    assert 'quintet_timeseries_points_written_total{protocol="line"} 1\n' in text
    assert "quintet_timeseries_lines_refused_total 1\n" in text
    assert 'quintet_timeseries_http_requests_total{path="/write",status="400"} 1\n' in text
    assert 'http_request_seconds_bucket{path="/write",le="+Inf"} 1\n' in text
    assert "quintet_timeseries_store_points_head 1\n" in text


class SlowStore(NaiveStore):
    """An append that takes until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.go = threading.Event(), threading.Event()

    def append(self, batch: Batch) -> int:
        self.begun.set()
        assert self.go.wait(120)
        return super().append(batch)


def test_the_service_answers_while_a_write_waits_for_the_disk() -> None:
    store = SlowStore()
    with served(store) as client:
        statuses: list[int] = []
        writing = threading.Thread(
            target=lambda: statuses.append(client.post("/write", content=b"m f=1 1").status_code)
        )
        writing.start()
        assert store.begun.wait(120)
        assert client.get("/health").status_code == 200
        assert client.get("/ready").status_code == 200
        assert statuses == [], "the write waits still"
        store.go.set()
        writing.join()
    assert statuses == [204]


class BrokenStore(NaiveStore):
    def append(self, batch: Batch) -> int:
        raise RuntimeError("a secret path")


def test_an_unexpected_error_is_a_500_that_gives_nothing_away() -> None:
    with served(BrokenStore()) as client:
        answer = client.post("/write", content=b"m f=1 1")
        assert 'failures_total{error="RuntimeError"} 1' in client.get("/metrics").text
    assert answer.status_code == 500
    assert answer.json() == {"code": "internal error", "message": "internal error: RuntimeError"}


class LeaderlessStore(NaiveStore):
    def append(self, batch: Batch) -> int:
        raise ShardDownError("no replica of shard 3 answers", shards=(3,), remedy="Start one")


def test_a_part_of_the_cluster_that_is_down_is_a_503_that_names_it() -> None:
    with served(LeaderlessStore()) as client:
        answer = client.post("/write", content=b"m f=1 1")
    assert answer.status_code == 503
    assert answer.json()["message"] == "no replica of shard 3 answers. Start one"


def test_points_beyond_the_out_of_order_window_are_refused_and_the_others_written(tmp_path: Path) -> None:
    with Store.open(tmp_path / "store", Options(out_of_order_window=10)) as store, served(store) as client:
        assert client.post("/write", content=b"m f=1 1000").status_code == 204
        answer = client.post("/write", content=b"m f=2 900\nm f=3 995")
        found = client.get("/sql", params={"q": "SELECT count(*) FROM points"}).json()
    assert answer.status_code == 400
    assert "1 of 2 points are older" in answer.json()["message"]
    assert found["data"]["rows"] == [[2]]


def test_what_the_retention_no_longer_holds_is_removed_while_serving(tmp_path: Path) -> None:
    with Store.open(tmp_path / "store", Options(retention=10**9)) as store:
        with served(store, options=ServiceOptions(care_seconds=0.05)) as client:
            assert client.post("/write", content=b"m f=1 1000").status_code == 204
            client.post("/admin/flush")
            # the block is gone a moment before it is counted: wait for the count
            for _ in range(600):
                if "blocks_removed_total 1" in client.get("/metrics").text:
                    break
                time.sleep(0.05)
            assert "blocks_removed_total 1" in client.get("/metrics").text
        assert store.stats().blocks == 0


def test_a_closed_store_is_not_ready(tmp_path: Path) -> None:
    closed = Store.open(tmp_path / "store")
    with served(closed) as client:
        assert client.get("/ready").status_code == 200
        closed.close()
        assert client.get("/ready").status_code == 503
        assert client.get("/health").status_code == 200
        assert client.post("/write", content=b"m f=1 1").status_code == 503


def test_the_limit_of_a_query_counts_points_in_blocks_and_in_memory(tmp_path: Path) -> None:
    options = ServiceOptions(limits=QueryLimits(points=3))
    with Store.open(tmp_path / "store") as store, served(store, options=options) as client:
        client.post("/write", content=b"m f=1 1\nm f=2 2")
        client.post("/admin/flush")
        query = {"query": "count_over_time(m_f[1m])", "time": "1"}
        assert client.get("/api/v1/query", params=query).status_code == 200
        client.post("/write", content=b"m f=3 3\nm f=4 4")
        refused = client.get("/api/v1/query", params=query)
    assert refused.status_code == 422
    assert "touches 4 points" in refused.json()["error"]
