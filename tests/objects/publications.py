"""Builders for publications: a table, its contract, its rows, and what its readers see."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
from stores import Store

from quintet.catalogue.published import Publication, Split
from quintet.contracts import Contract, Promise
from quintet.lakehouse.publish import Keeping, publish_rows
from quintet.lakehouse.publishmanifest import MANIFEST
from quintet.objects import Bucket

__all__ = ["DAYS", "KEEPING", "by_month", "contract", "days", "keys_of", "manifest", "publish", "seen"]

KEEPING = Keeping(timedelta(days=14), timedelta(days=2))
DAYS = (
    Promise("trade_date", "date", "", is_required=True, is_key=True),
    Promise("net_gbp", "decimal(20,4)", ""),
    Promise("orders", "long", ""),
)


def by_month() -> Publication:
    """A publication of a table of its own."""
    return Publication(f"sales_{uuid.uuid4().hex[:8]}", "trade_date", Split.MONTH)


def contract(promises: Sequence[Promise] = DAYS, *, version: str = "1.0.0") -> Contract:
    return Contract(
        file=Path("made.odcs.yaml"),
        id="lakehouse.made",
        version=version,
        status="active",
        owner="retail-data",
        domain="sales",
        purpose="made",
        kind="table",
        physical_name="iceberg.gold_lakehouse.made",
        promises=tuple(promises),
    )


def days(first: str, count: int, *, orders: int = 1) -> list[list[Any]]:
    """Rows of days that follow one another, in order."""
    begin = date.fromisoformat(first)
    return [[begin + timedelta(days=day), Decimal("1.2500") + day, orders] for day in range(count)]


def publish(bucket: Bucket, entry: Publication, rows: list[list[Any]], **given: Any) -> dict[str, Any]:
    """Publish these rows."""
    return publish_rows(bucket, entry, given.pop("contract", contract()), lambda: rows, **{"keeping": KEEPING, **given})


def manifest(store: Store, entry: Publication) -> dict[str, Any]:
    """The manifest as its readers get it."""
    found = store.bucket("lake_reader").read(entry.prefix + MANIFEST)
    assert found is not None
    content: dict[str, Any] = json.loads(found.data)
    return content


def seen(store: Store, entry: Publication, known: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """Rows as a reader sees them who takes the files of the manifest, or of one that he has read before."""
    named = (known or manifest(store, entry))["parts"]
    if not named:
        return []
    files = store.server.files("lake_reader", store.secret("lake_reader"))
    base = f"lake/{entry.prefix.rstrip('/')}"
    found: pa.Table = ds.dataset(
        [f"lake/{part['key']}" for part in named],
        filesystem=files,
        format="parquet",
        partitioning="hive",
        partition_base_dir=base,
    ).to_table()
    rows: list[dict[str, Any]] = found.to_pylist()
    return rows


def keys_of(store: Store, entry: Publication) -> set[str]:
    """Keys of all objects that are there, but for the manifest, below the folder of the table."""
    versions = store.bucket("admin").versions(entry.prefix)
    there = {version.key for version in versions if version.is_latest and not version.is_marker}
    return {key.removeprefix(entry.prefix) for key in there} - {MANIFEST}
