"""The price list on its way to the streams: PostgreSQL, Debezium in a worker of Kafka Connect, registry and topic."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("confluent_kafka", reason="the streaming environment has it")
pytest.importorskip("psycopg", reason="the streaming environment has it")
import fastavro
import psycopg
import pyarrow as pa
from confluent_kafka import Consumer, TopicPartition
from topic_content import messages_of

from paths import ROOT
from quintet import alerts
from quintet.call import RESULT
from quintet.catalogue.ecommerce import PRICE_LIST, PRODUCT_VERSIONS
from quintet.cdc import anew, connector, health, signals, slots
from quintet.cdc import operate as operating
from quintet.cdc.connect import Connect
from quintet.cdc.database import connect
from quintet.cdc.errors import CaptureError
from quintet.contracts import read_contracts
from quintet.contracts.avro import breaches, fields_of
from quintet.ecommerce import capture, dimension, operate, pipeline, pricelist, progress
from quintet.ecommerce.dimension import END, announce, announce_end, versions
from quintet.errors import InputError
from quintet.settings import Lab
from quintet.streams.clients import client_settings
from quintet.streams.registry import HEAD, Registry
from quintet.streams.schemas import key_schema, value_schema

if TYPE_CHECKING:
    from shop_capture import ShopCapture

    from quintet.ecommerce.truth import Truth

Row = tuple[Any, ...]
COLUMNS = [column.name for column in PRODUCT_VERSIONS.columns]
TABLE = "ecommerce.product_versions"


@pytest.fixture
def lab(shop_capture: ShopCapture) -> Lab:
    """The lab with a capture that runs, over an empty price list."""
    capture.stop_and_empty(shop_capture.lab)
    capture.deploy(shop_capture.lab)
    return shop_capture.lab


@pytest.fixture
def folder(small: tuple[Path, Truth]) -> Path:
    return small[0]


class Topic:
    """What comes into the topic from now on."""

    def __init__(self, lab: Lab) -> None:
        self._lab, self._registry = lab, Registry.of(lab)
        door = lab.endpoint("kafka")
        self._servers = f"{door.host}:{door.port}"
        self._before = len(self._messages())

    def _messages(self) -> list[Any]:
        return messages_of(self._servers, PRODUCT_VERSIONS.name, PRODUCT_VERSIONS.partitions)

    def rows(self) -> list[Row]:
        """Rows that readers of committed records get, read as the stream declares them."""
        return list(self._read())

    def last(self) -> Any:
        """The newest message."""
        return self._messages()[-1]

    def _read(self) -> Iterator[Row]:
        for message in self._messages()[self._before :]:
            value = self._decoded(message.value(), value_schema(PRODUCT_VERSIONS))
            assert self._decoded(message.key(), key_schema(PRODUCT_VERSIONS)) == {"product_id": value["product_id"]}
            yield tuple(_plain(value[name]) for name in COLUMNS)

    def _decoded(self, content: bytes, reader: dict[str, Any]) -> Any:
        written = fastavro.parse_schema(self._registry.by_id(HEAD.unpack_from(content)[1]), named_schemas={})
        wanted = fastavro.parse_schema(reader, named_schemas={})
        return fastavro.schemaless_reader(io.BytesIO(content[HEAD.size :]), written, wanted)


def _plain(value: Any) -> Any:
    return value.replace(tzinfo=None) if isinstance(value, datetime) else value


def listed(lab: Lab) -> list[Row]:
    """Rows of the table by the order of their moments, which is that of one announcement."""
    with connect(lab, PRICE_LIST.database) as shop:
        return list(shop.execute(f"select {', '.join(COLUMNS)} from {TABLE} order by valid_from, product_id"))


def in_order(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (row[1], row[0]))


def captured(lab: Lab) -> None:
    signals.wait_until_captured(lab, PRICE_LIST, seconds=120)


def test_the_topic_has_the_rows_of_the_price_list_flat_and_in_order_and_none_twice(lab: Lab, folder: Path) -> None:
    topic = Topic(lab)
    count = announce(lab, folder)
    rows = listed(lab)
    assert len(rows) == count == versions(folder).num_rows + 1
    assert topic.rows() == rows
    assert rows[-1][:2] == (0, END.replace(tzinfo=None)), "the end of what is known comes last"

    assert announce(lab, folder) == count
    announce_end(lab)
    again = topic.rows()
    assert again[:-1] == rows, "announced again, nothing comes again"
    assert again[-1][0] == 0
    assert again[-1][1] > END.replace(tzinfo=None), "a row of its own says the end again"
    assert again == listed(lab)

    registered = Registry.of(lab).latest(PRODUCT_VERSIONS.subject)
    assert registered is not None
    declared = [(column.name, column.type, column.nullable) for column in PRODUCT_VERSIONS.columns]
    assert [(field.name, field.type, field.is_nullable) for field in fields_of(registered[1])] == declared
    assert breaches(read_contracts(ROOT / "contracts")[PRODUCT_VERSIONS.name], registered[1]) == []
    # What was written by the programs that announced into the topic themselves is still read, and they still could.
    assert Registry.of(lab).register(PRODUCT_VERSIONS.subject, value_schema(PRODUCT_VERSIONS)) > 0


def test_a_stream_that_has_read_the_last_version_has_none_left(lab: Lab, folder: Path) -> None:
    topic, group = Topic(lab), "reads-versions"
    announce(lab, folder)
    assert progress._left(lab, group, (PRODUCT_VERSIONS,)) > len(topic.rows()) > 1000
    # As Flink notes it: behind the last record, not behind the mark of its transaction.
    place = TopicPartition(PRODUCT_VERSIONS.name, 0, topic.last().offset() + 1)
    reader = Consumer({**client_settings(lab), "group.id": group, "enable.auto.commit": False})
    reader.commit(offsets=[place], asynchronous=False)
    reader.close()
    assert progress.ends(lab, [PRODUCT_VERSIONS])[PRODUCT_VERSIONS.name, 0][1] > place.offset, "a mark stands behind it"
    assert progress._left(lab, group, (PRODUCT_VERSIONS,)) == 0
    announce_end(lab)
    assert progress._left(lab, group, (PRODUCT_VERSIONS,)) > 0


def test_a_version_that_was_told_stays_as_it_is(lab: Lab, folder: Path) -> None:
    announce(lab, folder)
    before = listed(lab)
    for change in (f"update {TABLE} set price = 1", f"delete from {TABLE} where product_id = 0"):
        with pytest.raises(psycopg.errors.RaiseException, match="only added to"), connect(lab, "shop") as shop:
            shop.execute(change)
    dearer = versions(folder).to_pylist()
    dearer[5]["price"] += 1
    with pytest.raises(InputError, match=f"another version of product {dearer[5]['product_id']} from .*--fresh"):
        pricelist.add(lab, pa.Table.from_pylist(dearer, schema=versions(folder).schema))
    assert listed(lab) == before, "all of an announcement is added, or none"


def test_an_emptied_price_list_sends_nothing_that_was_announced_before(lab: Lab, folder: Path) -> None:
    name = connector.name_of(PRICE_LIST)
    Connect.of(lab).stop(name)
    connector.wait_for(lambda: not _tasks(lab), "the end of the task", seconds=60)
    pricelist.add(lab, versions(folder))
    topic = Topic(lab)
    capture.stop_and_empty(lab)
    capture.stop_and_empty(lab)
    assert listed(lab) == []
    assert slots.slot_of(lab, PRICE_LIST) is None
    assert capture.deploy(lab)["connector"] == "changed"
    announce_end(lab)
    assert topic.rows() == listed(lab)
    assert len(topic.rows()) == 1


def _tasks(lab: Lab) -> tuple[str, ...]:
    return connector.state_of(lab, PRICE_LIST).tasks


def test_what_is_not_captured_is_told_in_time(lab: Lab, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dimension, "CAPTURED", 3.0)
    Connect.of(lab).stop(connector.name_of(PRICE_LIST))
    with pytest.raises(CaptureError, match=r"not captured after 3 s.*quintet capture show ecommerce"):
        announce(lab, folder)
    assert health.check(lab, PRICE_LIST)["connector"] == "STOPPED"
    monkeypatch.setattr(signals, "AGAIN", 0.5)
    monkeypatch.setattr(dimension, "CAPTURED", 60.0)
    anew.forget(lab, PRICE_LIST)
    Connect.of(lab).remove(connector.name_of(PRICE_LIST))
    with pytest.raises(CaptureError, match=r"there is no connector ecommerce-products.*Run: quintet run ecommerce"):
        announce(lab, folder)


def test_a_capture_that_is_not_well_is_told_once_until_it_is(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "load_lab", lambda: lab)

    def opened() -> int:
        return sum(told.is_open and told.alert.source == pipeline.CAPTURE for told in alerts.read(lab))

    announce_end(lab)
    assert pipeline.check_capture(run_id="first")["connector"] == "RUNNING"
    with monkeypatch.context() as failing:
        error = CaptureError("the slot is lost", remedy="Run: quintet capture recover ecommerce")
        failing.setattr(health, "check", lambda *_of, **_more: (_ for _ in ()).throw(error))
        assert [pipeline.check_capture(run_id="first")["wrong"] for _ in range(2)] == ["the slot is lost"] * 2
        assert opened() == 1
    assert pipeline.check_capture(run_id="second")["slot"] == PRICE_LIST.slot
    assert opened() == 0
    anew.forget(lab, PRICE_LIST)
    Connect.of(lab).remove(connector.name_of(PRICE_LIST))
    # The worker tells its state for a moment more.
    connector.wait_for(
        lambda: pipeline.check_capture() == {"connector": "absent"}, "nothing is told before the first run", seconds=30
    )
    assert opened() == 0


def test_rows_of_one_key_are_not_read_in_pieces(lab: Lab) -> None:
    with pytest.raises(CaptureError, match=r"cannot be read in pieces.*quintet capture recover ecommerce"):
        signals.snapshot_again(lab, PRICE_LIST, ["product_versions"])


@pytest.mark.long
def test_the_capture_is_shown_and_begins_anew_on_request(
    lab: Lab, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(operating, "load_lab", lambda: lab)

    def told(verb: str) -> dict[str, Any]:
        assert operate.main([verb]) == 0
        return dict(json.loads(capsys.readouterr().out.splitlines()[-1].removeprefix(RESULT)))

    announce(lab, folder)
    shown = told("show")
    assert (shown["connector"], shown["state"], shown["slot"]) == ("ecommerce-products", "RUNNING", PRICE_LIST.slot)
    topic = Topic(lab)
    assert told("recover")["gone"] == {}
    assert topic.rows() == listed(lab), "read anew in the order in which they were announced"
    assert told("show")["tasks"] == ["RUNNING"]


@pytest.mark.long
def test_a_worker_that_is_killed_loses_and_doubles_nothing(lab: Lab, shop_capture: ShopCapture, folder: Path) -> None:
    topic, rows = Topic(lab), versions(folder)
    size = rows.num_rows // 4 + 1
    # Killed at once, while the rows are read, and when most of them are written.
    for number, pause in enumerate((0.0, 0.15, 0.4, 1.0)):
        pricelist.add(lab, rows.slice(number * size, size))
        time.sleep(pause)
        shop_capture.connect.kill()
        shop_capture.connect.start()
    captured(lab)
    assert in_order(topic.rows()) == listed(lab), "each of them once"
    assert len(listed(lab)) == rows.num_rows + 4, "each announcement has an end"


@pytest.mark.long
def test_a_slot_that_is_gone_brings_every_version_again_and_no_other(lab: Lab, folder: Path) -> None:
    topic, rows = Topic(lab), versions(folder)
    half = rows.num_rows // 2
    pricelist.add(lab, rows.slice(0, half))
    captured(lab)
    before = listed(lab)
    Connect.of(lab).stop(connector.name_of(PRICE_LIST))
    connector.wait_for(lambda: not _tasks(lab), "the end of the task", seconds=60)
    assert slots.drop(lab, PRICE_LIST)
    pricelist.add(lab, rows.slice(half))
    capture.begin_anew(lab)
    captured(lab)
    assert topic.rows() == [*before, *listed(lab)]
    assert set(before) < set(listed(lab))
