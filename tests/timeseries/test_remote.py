"""Remote write and read: bytes on the wire, damaged bytes, and a Prometheus that writes and reads."""

from __future__ import annotations

import struct
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_store import NaiveStore
from prometheus_server import PROGRAM, push, running
from services import served

from quintet.timeseries.bodies import BodyError
from quintet.timeseries.errors import PointsRefusedError
from quintet.timeseries.model import Batch, Labels, Matcher, labels_of
from quintet.timeseries.remote import (
    KnownSeries,
    ReadQuery,
    _labels,
    compress,
    decompress,
    encode_read_response,
    encode_write,
    read_queries,
    read_write,
)

MS = 1_000_000
EVERYTHING = ([Matcher("__name__", "=~", ".+")], -(2**63), 2**63 - 1)


def batch(points: list[tuple[Labels, int, float]]) -> Batch:
    labels = sorted({one for one, _, _ in points})
    return Batch(
        labels,
        np.array([labels.index(one) for one, _, _ in points], np.uint32),
        np.array([time * MS for _, time, _ in points], np.int64),
        np.array([value for _, _, value in points], np.float64),
    )


def field(number: int, body: bytes) -> bytes:
    assert len(body) < 128
    return bytes([number << 3 | 2, len(body)]) + body


def label(name: str, value: str) -> bytes:
    return field(1, field(1, name.encode()) + field(2, value.encode()))


NAMES = st.text(min_size=1, max_size=6)
LABELS = st.dictionaries(NAMES, NAMES, min_size=1, max_size=3).map(labels_of)
WORDS = st.binary(min_size=8, max_size=8).map(lambda raw: struct.unpack("<d", raw)[0])


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(LABELS, st.integers(-(2**43), 2**43), WORDS), max_size=20))
def test_what_is_encoded_is_what_is_read_to_the_last_bit(points: list[tuple[Labels, int, float]]) -> None:
    sent = batch(points)
    found = read_write(decompress(compress(encode_write(sent)), 10**6), KnownSeries())
    order = np.argsort(sent.series, kind="stable")
    expected = [sent.labels[number] for number in sent.series[order].tolist()]
    assert [found.labels[number] for number in found.series.tolist()] == expected
    assert found.timestamps.tolist() == sent.timestamps[order].tolist()
    assert found.values.tobytes() == sent.values[order].tobytes()


#: Labels as no encoder that follows the specification writes them, and some that it does.
PIECES = st.sampled_from(
    [
        label("a", "1"),
        label("b", "2"),
        label("a", ""),
        label("", "1"),
        label("ü", "1"),
        label("b", "\x7f"),
        field(1, field(2, b"1") + field(1, b"c")),
        field(1, field(1, b"d")),
        field(1, field(1, b"e") + field(2, b"5") + field(3, b"6")),
        field(1, field(1, b"f") + b"\x10\x05"),
        field(1, field(1, b"\xff") + field(2, b"1")),
        b"\x0a\x7f",
        b"\x08\x01",
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=4))
def test_labels_are_the_same_whether_they_are_sliced_or_read_field_by_field(pieces: list[bytes]) -> None:
    key = b"".join(pieces)
    known = KnownSeries()
    spans = np.array([[3, 3 + len(key)]], np.int64)
    try:
        expected = _labels(key)
    except (BodyError, PointsRefusedError) as error:
        with pytest.raises(type(error)):
            known.numbers(b"xyz" + key, spans)
    else:
        assert known.numbers(b"xyz" + key, spans).tolist() == [0]
        assert known.table[0] == expected


def test_a_series_that_is_twice_in_a_request_has_one_number() -> None:
    one = encode_write(batch([(labels_of({"__name__": "m"}), 5, 1.5)]))
    found = read_write(one + one, KnownSeries())
    assert found.series.tolist() == [0, 0]
    assert len(found.labels) == 1


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60), st.integers(0, 200), st.integers(0, 255))
def test_damaged_bytes_are_refused_and_never_a_failure(garbage: bytes, place: int, byte: int) -> None:
    good = bytearray(encode_write(batch([(labels_of({"__name__": "m", "a": "b"}), 5, 1.5)])))
    good[place % len(good)] = byte
    for message in (garbage, bytes(good), bytes(good[: place % len(good)])):
        for read in (lambda body: read_write(body, KnownSeries()), read_queries, lambda body: decompress(body, 1000)):
            try:
                read(message)
            except (BodyError, PointsRefusedError):
                continue


def test_labels_of_a_known_series_are_read_once() -> None:
    known = KnownSeries()
    message = encode_write(batch([(labels_of({"__name__": "m", "a": "b"}), 5, 1.5)]))
    assert read_write(message, known).labels[0] is read_write(message, known).labels[0]
    assert len(known) == 1


def test_labels_are_put_in_order_and_empty_ones_left_out() -> None:
    message = field(1, label("b", "2") + label("a", "1") + label("c", "") + field(2, b"\x09" + bytes(8) + b"\x10\x05"))
    found = read_write(message, KnownSeries())
    assert list(found.labels) == [(("a", "1"), ("b", "2"))]
    assert found.timestamps.tolist() == [5 * MS]


@pytest.mark.parametrize(
    ("message", "what"),
    [
        (field(1, field(2, b"\x10\x05")), "name no series"),
        (field(1, label("a", "1") + label("a", "2")), "given twice"),
        (field(1, label("a", "1") + field(4, b"")), "native histograms"),
        (field(1, label("a", "1") + field(2, b"\x10" + b"\xff" * 8 + b"\x7f")), "beyond int64"),
    ],
)
def test_series_that_cannot_be_stored_are_refused_with_the_reason(message: bytes, what: str) -> None:
    with pytest.raises(PointsRefusedError, match=what):
        read_write(message, KnownSeries())


def test_exemplars_and_metadata_are_skipped() -> None:
    sample = field(2, b"\x09" + struct.pack("<d", 2.5) + b"\x10\x05")
    message = field(3, b"\x08\x01") + field(1, label("a", "1") + sample + field(3, b"\x09" + bytes(8)))
    assert read_write(message, KnownSeries()).values.tolist() == [2.5]


def test_a_message_larger_than_the_limit_is_not_unpacked() -> None:
    with pytest.raises(BodyError, match="limit is 100") as refused:
        decompress(compress(bytes(1000)), 100)
    assert refused.value.status == 413


def read_request(*matchers: tuple[int, str, str], start: int, end: int) -> bytes:
    def number(value: int) -> bytes:
        out = bytearray()
        while value >= 128:
            out.append(value & 127 | 128)
            value >>= 7
        return bytes([*out, value])

    parts = [
        field(3, bytes([8, kind]) + field(2, name.encode()) + field(3, value.encode()))
        for kind, name, value in matchers
    ]
    return field(1, b"\x08" + number(start) + b"\x10" + number(end) + b"".join(parts))


def test_a_read_request_holds_matchers_and_a_time_with_both_ends() -> None:
    message = read_request((0, "__name__", "m"), (3, "a", "b|c"), start=5, end=1_700_000_000_000)
    assert read_queries(message) == [
        ReadQuery((Matcher("__name__", "=", "m"), Matcher("a", "!~", "b|c")), 5 * MS, (1_700_000_000_000 + 1) * MS)
    ]


def test_a_read_response_has_one_point_for_each_millisecond() -> None:
    store = NaiveStore()
    store.append(
        Batch([labels_of({"__name__": "m"})], np.zeros(3, np.uint32), np.array([MS, MS + 1, 2 * MS]), np.arange(3.0))
    )
    message = encode_read_response([store.scan(*EVERYTHING)])
    # A result is one field of the response, and has the form of a write request.
    assert read_write(message[2:], KnownSeries()).values.tolist() == [1.0, 2.0]


def test_the_service_takes_remote_writes_and_answers_remote_reads() -> None:
    store = NaiveStore()
    points = batch([(labels_of({"__name__": "m", "a": str(n % 3)}), 1000 + n, n / 2) for n in range(300)])
    with served(store) as client:
        push(client, points)
        answer = client.post(
            "/api/v1/read",
            content=compress(read_request((0, "__name__", "m"), (0, "a", "1"), start=1000, end=1100)),
        )
        assert answer.headers["content-encoding"] == "snappy"
        found = read_write(_first(decompress(answer.content, 10**6)), KnownSeries())
        damaged = client.post("/api/v1/write", content=b"\xff\xff")
        newer = client.post(
            "/api/v1/write", headers={"Content-Type": "application/x-protobuf;proto=io.prometheus.write.v2.Request"}
        )
        assert 'points_written_total{protocol="remote"} 300' in client.get("/metrics").text
    assert store.stats().points_head == 300
    assert list(found.labels) == [(("__name__", "m"), ("a", "1"))]
    assert found.values.tolist() == [n / 2 for n in range(1, 101, 3)]
    assert (damaged.status_code, damaged.json()["status"]) == (400, "error")
    assert newer.status_code == 415


def _first(message: bytes) -> bytes:
    """The body of the only field of a message."""
    size, position, shift = 0, 1, 0
    while True:
        size |= (message[position] & 127) << shift
        shift, position = shift + 7, position + 1
        if message[position - 1] < 128:
            break
    assert len(message) == position + size
    return message[position:]


@pytest.mark.skipif(PROGRAM is None, reason="the program prometheus is not installed")
def test_a_prometheus_writes_its_own_figures_here_and_reads_them_back(tmp_path: Path) -> None:
    store = NaiveStore()
    with served(store) as client:
        address = str(client.base_url).rstrip("/")
        folder = tmp_path / "prometheus"
        folder.mkdir()
        extra = (
            "scrape_configs: [{job_name: self, scrape_interval: 1s, metrics_path: /metrics, "
            f"static_configs: [{{targets: ['{address.removeprefix('http://')}']}}]}}]\n"
            f"remote_write: [{{url: '{address}/api/v1/write', queue_config: {{batch_send_deadline: 1s}}}}]\n"
            f"remote_read: [{{url: '{address}/api/v1/read', read_recent: true}}]\n"
        )
        with running(folder, extra) as prometheus:
            for _ in range(600):
                if store.label_values("__name__").count("up"):
                    break
                time.sleep(0.1)
            now = time.time()
            store.append(batch([(labels_of({"__name__": "only_here", "a": "b"}), round(now * 1000), 42.0)]))
            found = prometheus.get("/api/v1/query", params={"query": "only_here", "time": now + 1}).json()
    assert "up" in store.label_values("__name__")
    assert [row["value"][1] for row in found["data"]["result"]] == ["42"]
