"""The load of a benchmark: what is sent is what was made, and its probes are events with a minute of their own."""

from __future__ import annotations

import io
import sys
from itertools import count
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("numpy", reason="the streaming environment has it")
pytest.importorskip("confluent_kafka", reason="the streaming environment has it")
import fastavro

from paths import ROOT
from quintet.catalogue.ecommerce import EVENT_TOPICS
from quintet.ecommerce.definitions import MINUTE_MS, USER_KINDS
from quintet.ecommerce.sending import batches_of_piece, rows_of
from quintet.ecommerce.simulation import Scale, Simulation
from quintet.ecommerce.tables import Texts
from quintet.streams.batchproducer import Form
from quintet.streams.schemas import value_schema

sys.path.append(str(ROOT / "tests" / "benchmarks"))
from shop_load_client import read_rows, write_rows
from shop_probes import FIRST_USER, probes

START_MS = 1_795_359_600_123
DAY_MS = 24 * 60 * MINUTE_MS


@pytest.fixture
def forms() -> dict[str, Form]:
    numbers = count(1)
    return {topic.name: Form.of(topic, lambda _subject, _schema: next(numbers)) for topic in EVENT_TOPICS.values()}


def simulation() -> Simulation:
    return Simulation(7, START_MS, START_MS + 20_000, Scale(rate=200, products=1000, users=300, is_level=True))


def test_what_is_sent_is_what_was_made(tmp_path: Path, forms: dict[str, Form]) -> None:
    recorder = write_rows(simulation(), forms, tmp_path)
    made = simulation()
    texts = Texts(made.shop)
    wanted = [
        row for piece in made.pieces() for batch in batches_of_piece(texts, piece) for row in rows_of(forms, batch)
    ]
    sent = [row for rows in read_rows(tmp_path) for row in rows]
    assert sent == wanted
    assert len(sent) > 3000
    assert len(sent) == sum(known["records"] for known in recorder.records.values()) + sum(recorder.malformed.values())


def test_probes_are_whole_events_of_their_own_users_each_in_a_minute_that_nothing_else_is_in(
    forms: dict[str, Form],
) -> None:
    found = probes(forms, START_MS, 1500)
    topics = {topic.name: fastavro.parse_schema(value_schema(topic)) for topic in EVENT_TOPICS.values()}
    assert [row[0] for row in found[:4]] == [EVENT_TOPICS[kind].name for kind in USER_KINDS]
    events = [_event(topics[topic], value) for topic, _, value, _ in found]
    assert {event["user_id"] for event in events} == {FIRST_USER + number for number in range(1500)}
    times = [at for *_, at in found]
    assert [int(event["timestamp"].timestamp() * 1000) for event in events] == times, "none is late or ahead"
    assert len({at // MINUTE_MS for at in times}) == 1500
    assert max(times) < START_MS - DAY_MS
    assert all(event["page"].startswith("/") for event in events[0::4])
    assert all(event["quantity"] == 1 for event in events[1::4])
    assert all(event["total_amount"] > 0 and event["products"] for event in events[2::4])
    assert len({event["order_id"] for event in events[2::4]}) == 375
    assert all(event["results_count"] > 0 for event in events[3::4])


def _event(schema: Any, value: bytes | None) -> dict[str, Any]:
    assert value is not None
    event: Any = fastavro.schemaless_reader(io.BytesIO(value[5:]), schema)
    return dict(event)
