"""Catalogue entry of what the project `lakehouse` publishes for other teams: gold as Parquet in the object store.

A table may stand here when a data product promises it (`contracts/products`); which columns are published, and that
they may be, says its contract.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from quintet.catalogue.model import Cleanup, Column, Topic

__all__ = ["GOLD_PUBLISHED", "PUBLISHED", "Publication", "Split", "publication"]

SLUG = "lakehouse"


class Split(StrEnum):
    """What of a column makes its partition."""

    VALUE = "value"  # the column itself, a text; it is in the path and not in the files
    MONTH = "month"  # year and month of a date, as 2011-12; the date stays in the files


@dataclass(frozen=True)
class Publication:
    """A gold table and its partitions: the path has `<partition>=<value>`, made of `column` as `split` says."""

    table: str
    column: str
    split: Split = Split.VALUE

    @property
    def partition(self) -> str:
        """Name of the partition column."""
        return self.column if self.split is Split.VALUE else f"{self.column.removesuffix('_date')}_{self.split}"

    @property
    def source(self) -> str:
        """Name of the table in Trino."""
        return f"iceberg.gold_{SLUG}.{self.table}"

    @property
    def prefix(self) -> str:
        """What the keys of its objects begin with."""
        return f"gold_{SLUG}/{self.table}/"


PUBLISHED = (
    Publication("revenue_daily", "trade_date", Split.MONTH),
    Publication("customer_rfm", "segment"),
    Publication("product_abc", "abc_class"),
)

GOLD_PUBLISHED = Topic(
    project=SLUG,
    name=f"{SLUG}.gold.published",
    owner="retail-data",
    description="Publications of gold in the object store, one record each; the newest of each table stays",
    partitions=1,
    cleanup=Cleanup.COMPACT,
    key=("table",),
    columns=(
        Column("table", "string", "Name of the table, as gold_lakehouse.revenue_daily", nullable=False),
        Column("publication_id", "string", "What makes it one publication: equal ones are the same", nullable=False),
        Column("location", "string", "Where it lies, as s3://bucket/prefix/", nullable=False),
        Column("contract_version", "string", "Version of the contract that its columns keep", nullable=False),
        Column("row_count", "long", "Rows in it", nullable=False),
        Column("object_count", "long", "Objects that hold them", nullable=False),
        Column("published_at", "timestamp", "When it took the place of the one before, UTC", nullable=False),
    ),
    identity=("table",),
)


def publication(table: str) -> Publication:
    """Publication of a table. Raises KeyError."""
    return {entry.table: entry for entry in PUBLISHED}[table]
