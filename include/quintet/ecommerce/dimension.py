"""The products as they were from each moment on: versions made of an input's catalogue, sent ahead of the events.

Prices are planned: every change of an input is known before it holds. The last record says so (product 0, far ahead),
so that a stream that joins by time waits for nothing.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from quintet.catalogue.ecommerce import PRODUCT_VERSIONS
from quintet.errors import InputError
from quintet.settings import Lab
from quintet.streams.avrobatch import arrow_type
from quintet.streams.batchproducer import BatchProducer, Form
from quintet.streams.clients import client_settings
from quintet.streams.registry import Registry
from quintet.streams.schemas import value_schema

__all__ = ["END", "announce", "announce_end", "versions"]

#: From when on the last record holds: no version of an input is newer.
END = datetime(2100, 1, 1, tzinfo=UTC)
_OF_PRODUCT = ("category", "type", "brand", "inventory_count", "reorder_point")


def versions(folder: Path) -> pa.Table:
    """Versions in the order of their time, with the fields of the topic.

    Raises:
        InputError: the input has no catalogue.

    """
    try:
        products = pq.read_table(folder / "catalogue" / "products.parquet", columns=["product_id", *_OF_PRODUCT])
        prices = pq.read_table(folder / "catalogue" / "price_changes.parquet")
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(
            f"the input {folder} has no catalogue ({error})", remedy="Make one: quintet generate ecommerce --out …"
        ) from error
    found = prices.rename_columns({"changed_at": "valid_from"}).join(products, "product_id", join_type="inner")
    found = found.sort_by([("valid_from", "ascending"), ("product_id", "ascending")])
    return found.select(_schema().names).cast(_schema())


def announce(lab: Lab, folder: Path) -> int:
    """Send every version, and that there is none beyond; how many records.

    Raises:
        InputError: the input has no catalogue.
        ServiceDownError: the registry does not answer.
        TopicError: a record was not written.

    """
    return _send(lab, versions(folder), _end())


def announce_end(lab: Lab) -> int:
    """Say again that there is no version beyond, as `announce` does at last; raises as it."""
    return _send(lab, _end())


def _send(lab: Lab, *parts: pa.Table) -> int:
    form = Form.of(PRODUCT_VERSIONS, Registry.of(lab).register)
    producer = BatchProducer(client_settings(lab), {PRODUCT_VERSIONS.name: form})
    for part in parts:
        for batch in part.to_batches(max_chunksize=20_000):
            table = pa.Table.from_batches([batch])
            # The record's own time is that of its announcement: a broker takes none that lies ahead.
            now = pa.repeat(pa.scalar(time.time_ns() // 1_000_000, pa.int64()), table.num_rows)
            producer.send(form.rows(table, now.cast(pa.timestamp("ms"))))
    producer.flush()
    return producer.count


def _schema() -> pa.Schema:
    fields = value_schema(PRODUCT_VERSIONS)["fields"]
    return pa.schema([pa.field(field["name"], arrow_type(field["type"])) for field in fields])


def _end() -> pa.Table:
    row = {
        "product_id": 0,
        "valid_from": END,
        "category": "",
        "type": "",
        "brand": "",
        "price": Decimal("0.00"),
        "inventory_count": 0,
        "reorder_point": 0,
    }
    return pa.Table.from_pylist([row], schema=_schema())
