"""A producer of tables is refused before anything leaves it."""

from __future__ import annotations

import dataclasses

import pytest

pytest.importorskip("numpy", reason="the streaming environment has it")
pytest.importorskip("confluent_kafka", reason="the streaming environment has it")
import pyarrow as pa
from test_registry import streaming_lab

from quintet.catalogue.ecommerce import EVENT_TOPICS
from quintet.contracts import ContractError, read_contracts
from quintet.errors import InputError, ServiceDownError
from quintet.settings import Lab
from quintet.streams.avrobatch import head
from quintet.streams.batchproducer import BatchProducer, Form

TOPIC = EVENT_TOPICS["inventory_update"]
TABLE = pa.table(
    {
        "product_id": pa.array([7, 8], pa.int64()),
        "quantity_delta": pa.array([-1, 300], pa.int32()),
        "warehouse_id": pa.array([0, 1], pa.int32()),
        "timestamp": pa.array([1000, 2000]).cast(pa.timestamp("ms", "UTC")),
    }
)
TIMES = pa.array([5000, 6000]).cast(pa.timestamp("ms", "UTC"))


def test_fields_below_the_contract_are_refused_without_asking_anybody(lab: Lab) -> None:
    short = dataclasses.replace(TOPIC, columns=TOPIC.columns[:-1])
    with pytest.raises(ContractError, match=r"the required column timestamp is missing.*Owner: shop-events"):
        BatchProducer.of(lab, [short], read_contracts())


def test_fields_that_hold_go_to_the_registry(lab: Lab) -> None:
    with pytest.raises(ServiceDownError, match="the schema registry does not answer"):
        BatchProducer.of(streaming_lab(lab, port=1), [TOPIC], read_contracts())


def test_rows_have_heads_bodies_keys_and_their_own_times() -> None:
    form = Form.of(TOPIC, lambda subject, _schema: {TOPIC.subject: 21, TOPIC.key_subject: 22}[subject])
    assert form.rows(TABLE, TIMES) == [
        (TOPIC.name, head(22) + b"\x0e", head(21) + b"\x0e\x01\x00\xd0\x0f", 5000),
        (TOPIC.name, head(22) + b"\x10", head(21) + b"\x10\xd8\x04\x02\xa0\x1f", 6000),
    ]


def test_a_table_that_does_not_fit_is_refused_whole() -> None:
    form = Form.of(TOPIC, lambda _subject, _schema: 1)
    with pytest.raises(InputError, match="are not those of"):
        form.rows(TABLE.drop_columns(["warehouse_id"]), TIMES)
