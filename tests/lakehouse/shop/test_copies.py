"""The change log into copies: once, in order, with what the source left out, and the same when it begins anew."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from http.server import ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
import yaml

pytest.importorskip("pyspark", reason="the spark environment has it")
import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake

from quintet.catalogue.shop import PRODUCTS, SHOP_CHANGES, delta_copy
from quintet.cdc.changelog import BATCH
from quintet.cdc.merge import merge, merged_up_to, pending, waiting
from quintet.lake.tables import arrow_schema, delta_path
from quintet.lakehouse.shop.copies import copies, merge_all
from quintet.settings import Lab, read_lab
from serving import JsonHandler, serving

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

COPY = delta_copy(PRODUCTS)
ROW = {
    "title": "Mug",
    "description": "long",
    "category": "kitchen",
    "list_price": "1.50",
    "weight_kg": None,
    "updated_at": "2026-01-02T03:04:05Z",
}
FIELDS: list[dict[str, Any]] = [
    {"name": "product_code", "type": "string"},
    *({"name": name, "type": ["null", "string"]} for name in ROW),
]


class Schemas(JsonHandler):
    """A registry with two schemas: the second has a column more."""

    def do_GET(self) -> None:
        more = [{"name": "colour", "type": ["null", "string"]}] if self.path.endswith("/2") else []
        schema = {"type": "record", "name": "Value", "fields": [*FIELDS, *more]}
        self.say(200, {"schema": json.dumps(schema)})


@pytest.fixture
def lab(spark_lab: Lab) -> Iterator[Lab]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Schemas)
    with serving(server):
        content = yaml.safe_load(spark_lab.file.read_text(encoding="utf-8"))
        content["endpoints"]["registry"] = {"host": "127.0.0.1", "port": server.server_port, "scheme": "http"}
        spark_lab.file.write_text(yaml.safe_dump(content), encoding="utf-8")
        yield read_lab(spark_lab.file)


Told = tuple[str, str, dict[str, Any] | None]  # operation, product code, changed columns


def land(lab: Lab, changes: Sequence[Told], *, schema_id: int = 1, unchanged: str | None = None) -> int:
    """A landing, as `quintet.cdc.landing` commits it; its number."""
    table = DeltaTable(delta_path(lab, SHOP_CHANGES))
    batch = (table.transaction_version(BATCH) or 0) + 1
    first = table.count()
    rows = [
        {
            "table_name": "products",
            "operation": operation,
            "key": json.dumps({"product_code": code}),
            "row": None if row is None else json.dumps({"product_code": code, **ROW, **row}),
            "unchanged": unchanged,
            "lsn": 100 + first + place,
            "transaction_id": 1,
            "changed_at": 1_000_000 * (first + place),
            "captured_at": 1_000_000 * (first + place),
            "schema_id": schema_id,
            "topic_partition": 0,
            "topic_offset": first + place,
            "batch": batch,
        }
        for place, (operation, code, row) in enumerate(changes)
    ]
    schema = arrow_schema(SHOP_CHANGES)
    columns = [
        pa.array([row[field.name] for row in rows], pa.int64()).cast(field.type)
        if pa.types.is_timestamp(field.type)
        else pa.array([row[field.name] for row in rows], field.type)
        for field in schema
    ]
    noted = CommitProperties(app_transactions=[Transaction(BATCH, batch)])
    write_deltalake(table, pa.Table.from_arrays(columns, schema=schema), mode="append", commit_properties=noted)
    return batch


def state(lab: Lab, *names: str) -> dict[str, Any]:
    rows = pa.RecordBatchReader.from_stream(
        DeltaTable(delta_path(lab, COPY)).scan(columns=["product_code", *names])
    ).read_all()
    found = {row.pop("product_code"): row for row in rows.to_pylist()}
    return {code: next(iter(row.values())) if len(names) == 1 else tuple(row.values()) for code, row in found.items()}


def test_changes_are_merged_once_and_the_last_of_a_row_counts(lab: Lab, spark: SparkSession) -> None:
    first = land(lab, [("r", "a", {}), ("c", "b", {}), ("c", "c", {}), ("u", "a", {"title": "Cup"}), ("d", "c", None)])
    done = merge(spark, lab, PRODUCTS, SHOP_CHANGES, COPY, up_to=first)
    assert (done.changes, done.inserted, done.updated, done.deleted) == (5, 2, 0, 0)
    assert state(lab, "title") == {"a": "Cup", "b": "Mug"}
    assert merged_up_to(lab, SHOP_CHANGES, COPY) == first
    assert merge(spark, lab, PRODUCTS, SHOP_CHANGES, COPY, up_to=first).changes == 0
    # A key that changes: the old row goes, a new one comes; one that comes again after it went is there.
    second = land(lab, [("d", "a", None), ("c", "z", {"title": "Cup"}), ("d", "b", None), ("c", "b", {"title": "Pot"})])
    done = merge(spark, lab, PRODUCTS, SHOP_CHANGES, COPY, up_to=second)
    assert (done.inserted, done.updated, done.deleted) == (1, 1, 1)
    assert state(lab, "title") == {"b": "Pot", "z": "Cup"}


def test_a_long_value_that_the_source_left_out_is_kept(lab: Lab, spark: SparkSession) -> None:
    land(lab, [("c", "a", {"description": "first"}), ("c", "b", {"description": "other"})])
    up_to = land(lab, [("u", "b", {"description": "second"})])
    merge(spark, lab, PRODUCTS, SHOP_CHANGES, COPY, up_to=up_to)
    left_out = {"list_price": "2.00", "description": None}
    land(lab, [("u", "a", left_out)], unchanged="description")
    land(lab, [("u", "b", {"description": "third"})])
    up_to = land(lab, [("u", "b", left_out)], unchanged="description")
    merge(spark, lab, PRODUCTS, SHOP_CHANGES, COPY, up_to=up_to)
    assert {code: (text, str(price)) for code, (text, price) in state(lab, "description", "list_price").items()} == {
        "a": ("first", "2.00"),
        "b": ("third", "2.00"),
    }


def test_a_column_that_the_source_gains_is_added_and_holds_null_for_rows_of_before(
    lab: Lab, spark: SparkSession
) -> None:
    up_to = land(lab, [("c", "a", {}), ("c", "b", {})])
    merge(spark, lab, PRODUCTS, SHOP_CHANGES, COPY, up_to=up_to)
    up_to = land(lab, [("u", "b", {"colour": "red"})], schema_id=2)
    assert merge(spark, lab, PRODUCTS, SHOP_CHANGES, COPY, up_to=up_to).gained == ("colour",)
    assert state(lab, "colour") == {"a": None, "b": "red"}


@pytest.mark.long
def test_copies_made_anew_from_the_whole_log_are_equal_and_nothing_pending_starts_no_spark(
    lab: Lab, spark: SparkSession
) -> None:
    for number in range(3):
        land(lab, [("c", f"p{number}", {}), ("u", "p0", {"title": f"T{number}"})])
        merge_all(lab, lambda _changes: spark)
    before = state(lab, "title", "list_price", "_lsn")
    assert before["p0"][0] == "T2"
    assert pending(lab, SHOP_CHANGES, copies()) == 0

    def refuse(_changes: int) -> SparkSession:
        raise AssertionError("there is nothing to merge")

    assert merge_all(lab, refuse)["tables"] == []
    assert waiting(lab, SHOP_CHANGES, copies()) == 0
    merge_all(lab, lambda _changes: spark, full_refresh=True)
    assert state(lab, "title", "list_price", "_lsn") == before
