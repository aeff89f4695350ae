"""Customers and products with history, from their change feeds and, where a feed knows nothing, from invoice lines.

The change log of an entity is what its feed says. Of an entity that no feed row names, the lines speak: a customer's
country on the first line; a product's most frequent description on each trade date, of sold lines with a price.

A feed that moved is read whole, for it is small; of the lines only those of touched entities are. The result is
compared with the table and the difference merged, so that a run that changes nothing writes nothing.

Source: own derivation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from quintet.catalogue import Table
from quintet.catalogue.lakehouse import CUSTOMER_CHANGES_RAW, CUSTOMERS, INVOICE_LINES, PRODUCT_CHANGES_RAW, PRODUCTS
from quintet.lake.spark import merge_difference, read
from quintet.lakehouse.normalise import is_goods
from quintet.scd import Attributes, history
from quintet.settings import Lab

__all__ = ["CUSTOMER", "PRODUCT", "Dimension", "Feed", "customer_changes", "product_changes", "refresh"]

#: Order of feed rows of one instant: the later delivery counts.
_SEQUENCE = ("_file_date", "_source_file", "_line_number")
_FEED, _LINES = "feed", "lines"
_TIME = "yyyy-MM-dd HH:mm:ss"


@dataclass(frozen=True)
class Dimension:
    """A dimension: its table and feed, what becomes of a change, and how feed and invoice lines are read."""

    table: Table
    feed: Table
    key: str
    surrogate: str
    attributes: Attributes
    changes: Callable[[DataFrame], DataFrame]
    seen: Callable[[DataFrame], DataFrame]


@dataclass(frozen=True)
class Feed:
    """State of a change feed: version of its table, and whether it moved since the dimensions were written."""

    version: int
    has_moved: bool


def refresh(spark: SparkSession, lab: Lab, feeds: Mapping[str, Feed], touched: DataFrame | None) -> dict[str, int]:
    """Bring both dimensions up to date; counts of versions written and removed and of feed rows that say nothing.

    Args:
        spark: the session.
        lab: the lab; its invoice lines are published already.
        feeds: the change feeds by the names of their tables.
        touched: customer_id, product_id of lines that changed; None: all entities are computed anew.

    """
    # Most of the time goes into planning many small queries, which two threads share.
    with ThreadPoolExecutor(2) as pool:
        done = pool.map(
            lambda dimension: _refresh(spark, lab, dimension, feeds[dimension.feed.name], touched), (CUSTOMER, PRODUCT)
        )
        return {name: count for counts in done for name, count in counts.items()}


def _refresh(
    spark: SparkSession, lab: Lab, dimension: Dimension, feed: Feed, touched: DataFrame | None
) -> dict[str, int]:
    key = dimension.key
    target = read(spark, lab, dimension.table)
    received = dimension.changes(_latest_files(read(spark, lab, dimension.feed, version=feed.version)))
    if feed.version == 0:
        received = received.limit(0)  # made and never written: the optimiser leaves the feed out
    told = received.where("_says_something").drop("_says_something")
    scope = None
    if touched is not None:
        scope = touched.where(F.col(key).isNotNull()).select(key)
        if feed.has_moved:
            # Whatever the feed names or named may have changed.
            scope = scope.union(told.select(key)).union(target.where(F.col("origin") == _FEED).select(key))
        scope = scope.distinct()
    told = _within(told, scope, key).persist()
    known = told.select(key).distinct()
    seen = dimension.seen(_without(_within(read(spark, lab, INVOICE_LINES), scope, key), known, key))
    versions = _versions(told.unionByName(seen, allowMissingColumns=True), dimension)
    written, removed = merge_difference(lab, dimension.table, versions, _within(target, scope, key))
    told.unpersist()
    silent = received.where("NOT _says_something").count() if feed.has_moved else 0
    name = dimension.table.name
    return {f"{name}_written": written, f"{name}_removed": removed, f"{name}_silent_changes": silent}


def customer_changes(feed: DataFrame) -> DataFrame:
    """Typed change log of customers from rows as received; a row without customer, time or operation says nothing."""
    return _changes(
        feed,
        {
            "customer_id": F.nullif(
                F.regexp_extract(_text("customer_id"), r"^(\d{1,18})(\.0+)?$", 1), F.lit("")
            ).try_cast("long"),
            **{name: _text(name) for name in ("name", "email", "city", "country", "segment")},
        },
        "customer_id",
    )


def product_changes(feed: DataFrame) -> DataFrame:
    """Typed change log of products from rows as received; a row without product, time or operation says nothing."""
    return _changes(
        feed,
        {
            "product_id": F.upper(_text("stock_code")),
            "description": F.regexp_replace(_text("description"), r"[\s\u00a0]+", " "),
            "category": _text("category"),
            "list_price_gbp": _text("list_price").try_cast("decimal(18,4)"),
        },
        "product_id",
    )


def _changes(feed: DataFrame, columns: Mapping[str, Column], key: str) -> DataFrame:
    operation = F.lower(_text("operation"))
    changed_at = F.try_to_timestamp(_text("changed_at"), F.lit(_TIME))
    says_something = columns[key].isNotNull() & changed_at.isNotNull() & operation.isin("upsert", "delete")
    return feed.select(
        *(value.alias(name) for name, value in columns.items()),
        (operation == "delete").alias("_deleted"),
        changed_at.alias("_at"),
        F.coalesce(says_something, F.lit(False)).alias("_says_something"),
        F.lit(_FEED).alias("origin"),
        *_SEQUENCE,
    )


def _customers_seen(lines: DataFrame) -> DataFrame:
    """One observation a customer: the first line."""
    first = F.struct("invoiced_at", "invoice_line_id")
    return (
        lines.where(F.col("customer_id").isNotNull())
        .groupBy("customer_id")
        .agg(F.min_by("country", first).alias("country"), F.min("invoiced_at").alias("_at"))
        .select("customer_id", "country", "_at", F.lit(_LINES).alias("origin"), F.lit(False).alias("_deleted"))
    )


def _products_seen(lines: DataFrame) -> DataFrame:
    """One observation a product and trade date.

    The lines that may speak for a product are those of the best kind it has: sold or charged at a price, else any at
    a price, else all, and then without a description, because write-offs are described by their cause.
    """
    has_price = F.col("unit_price_gbp") > 0
    is_sold = has_price & F.col("line_type").isin("sale", "fee") & F.col("description").isNotNull()
    kind = F.when(is_sold, 1).when(has_price & F.col("description").isNotNull(), 2).otherwise(3)
    said = (
        lines.select("product_id", "trade_date", kind.alias("_kind"), "description")
        .select("product_id", "trade_date", "_kind", F.when(F.col("_kind") < 3, F.col("description")).alias("_text"))
        .groupBy("product_id", "_kind", "trade_date", "_text")
        .agg(F.count("*").alias("_times"))
    )
    by_frequency = Window.partitionBy("product_id", "trade_date").orderBy("_kind", F.desc("_times"), "_text")
    best = F.min("_kind").over(Window.partitionBy("product_id"))
    ranked = said.select("*", F.row_number().over(by_frequency).alias("_rank"), best.alias("_best"))
    return ranked.where((F.col("_rank") == 1) & (F.col("_kind") == F.col("_best"))).select(
        "product_id",
        F.col("_text").alias("description"),
        F.col("trade_date").cast("timestamp").alias("_at"),
        F.lit(_LINES).alias("origin"),
        F.lit(False).alias("_deleted"),
    )


def _versions(log: DataFrame, dimension: Dimension) -> DataFrame:
    found = history(
        log,
        key=dimension.key,
        effective_at="_at",
        sequence=_SEQUENCE,
        attributes=dimension.attributes,
        deleted="_deleted",
        surrogate=dimension.surrogate,
    )
    if dimension is PRODUCT:
        found = found.withColumn("is_product", is_goods(F.col("product_id")))
    return found.select(*(column.name for column in dimension.table.columns))


def _latest_files(raw: DataFrame) -> DataFrame:
    """Rows of the version that counts of each file."""
    newest = raw.groupBy("_source_file").agg(F.max("_file_version").alias("_file_version"))
    return raw.join(F.broadcast(newest), on=["_source_file", "_file_version"], how="left_semi")


def _within(rows: DataFrame, scope: DataFrame | None, key: str) -> DataFrame:
    return rows if scope is None else rows.join(F.broadcast(scope), on=key, how="left_semi")


def _without(rows: DataFrame, known: DataFrame, key: str) -> DataFrame:
    return rows.join(F.broadcast(known), on=key, how="left_anti")


def _text(name: str) -> Column:
    return F.nullif(F.btrim(F.col(name)), F.lit(""))


CUSTOMER = Dimension(
    CUSTOMERS,
    CUSTOMER_CHANGES_RAW,
    "customer_id",
    "customer_sk",
    Attributes(("name", "email", "origin"), ("city", "country", "segment"), {"previous_segment": "segment"}),
    customer_changes,
    _customers_seen,
)
PRODUCT = Dimension(
    PRODUCTS,
    PRODUCT_CHANGES_RAW,
    "product_id",
    "product_sk",
    Attributes(("category", "origin"), ("description", "list_price_gbp"), {"previous_description": "description"}),
    product_changes,
    _products_seen,
)
