"""Records as they go to Kafka, decoded again: rows of the event log, or one word for why there is none."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("confluent_kafka", reason="the streaming environment has it")

from quintet.catalogue.ecommerce import EVENT_TOPICS
from quintet.cdc.errors import ChangeError
from quintet.cdc.records import Decoder
from quintet.ecommerce.batch.land import row_maker
from quintet.ecommerce.definitions import KINDS
from quintet.ecommerce.sending import batches_of_files, rows_of
from quintet.ecommerce.truth import Truth
from quintet.streams.batchproducer import Form
from quintet.streams.errors import RegistryError
from quintet.streams.registry import Registry


class Schemas(Registry):
    """A registry that gave the producer its numbers, and asks nobody."""

    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:1")

    def register(self, subject: str, schema: Any) -> int:
        self._known[len(self._known) + 1] = schema
        return len(self._known)

    def by_id(self, number: int) -> Any:
        if number not in self._known:
            raise RegistryError("there is none", status=404)
        return self._known[number]


@dataclass
class Sent:
    """A record in a topic, as the client of Kafka gives it."""

    row: tuple[str, bytes | None, bytes | None, int]
    number: int

    def topic(self) -> str:
        return self.row[0]

    def value(self) -> bytes | None:
        return self.row[2]

    def timestamp(self) -> tuple[int, int]:
        return 1, self.row[3]

    def partition(self) -> int:
        return 2

    def offset(self) -> int:
        return self.number


def test_every_record_that_can_be_read_is_a_row_and_every_other_is_refused(small: tuple[Path, Truth]) -> None:
    folder, truth = small
    registry = Schemas()
    forms = {topic.name: Form.of(topic, registry.register) for topic in EVENT_TOPICS.values()}
    row = row_maker(Decoder(registry))
    rows: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    for batch in batches_of_files(folder):
        for number, record in enumerate(rows_of(forms, batch)):
            try:
                kind, text, happened_us, arrived_us, schema_id, partition, offset = row(Sent(record, number))
            except ChangeError as error:
                refused[error.reason] += 1
                continue
            rows[kind] += 1
            assert (partition, offset, arrived_us) == (2, number, record[3] * 1000)
            assert registry.by_id(schema_id)["fields"]
            assert json.loads(text).keys() == {column.name for column in EVENT_TOPICS[kind].columns}
            assert happened_us % 1000 == 0
    assert rows == {kind: truth.records[kind]["records"] for kind in KINDS}
    ways = truth.malformed
    assert refused == {
        "malformed": ways["no_avro"] + ways["cut_off"] + ways["empty"],
        "unknown-schema": ways["unknown_schema"],
    }


def test_a_record_without_a_value_is_refused() -> None:
    with pytest.raises(ChangeError) as error:
        row_maker(Decoder(Schemas()))(Sent(("ecommerce.pages.viewed", b"k", None, 1), 0))
    assert error.value.reason == "null-value"
