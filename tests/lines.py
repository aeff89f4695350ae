"""Builder of bronze invoice lines as a Spark data frame."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from quintet.catalogue.lakehouse import INVOICE_LINES_RAW

#: A good line, as received.
GOOD: dict[str, Any] = {
    "invoice_no": "536365",
    "stock_code": "85123A",
    "description": "WHITE LANTERN",
    "quantity": "6",
    "invoice_date": "2010-12-01 08:26:00",
    "unit_price": "2.55",
    "customer_id": "17850.0",
    "country": "United Kingdom",
    "_source_file": "2010-12-01.csv",
    "_file_version": 1,
    "_file_hash": "hash",
    "_file_date": date(2010, 12, 1),
    "_ingested_at": datetime(2026, 1, 1, tzinfo=UTC),
    "_batch_id": "batch",
}
_TYPES = {"integer": "int", "long": "bigint"}


def bronze(spark: SparkSession, changes: Iterable[dict[str, Any]]) -> DataFrame:
    """One line for each entry: a good one with the entry's changes; line numbers count from 2."""
    schema = ", ".join(f"{column.name} {_TYPES.get(column.type, column.type)}" for column in INVOICE_LINES_RAW.columns)
    rows = [{**GOOD, "_line_number": place, **change} for place, change in enumerate(changes, start=2)]
    names = [column.name for column in INVOICE_LINES_RAW.columns]
    return spark.createDataFrame([tuple(row[name] for name in names) for row in rows], schema)
