"""Distinct events: of the records that say the same, the first to arrive."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from quintet.catalogue.ecommercebatch import EVENTS, ORDER_LINES
from quintet.ecommerce.definitions import IDENTITY, LATENESS_MS

__all__ = ["EVENT_ID", "first_of_each", "is_late", "lines_of", "published_columns", "with_identity"]

EVENT_ID = "event_id"


def is_late() -> Column:
    """Whether a record arrived too late for the live figures."""
    return F.unix_millis("arrived_at") - F.unix_millis("happened_at") > LATENESS_MS


def with_identity(records: DataFrame) -> DataFrame:
    """Typed records with `event_id`: equal for those that are one and the same event."""
    parts = [
        F.when(F.col("kind") == kind, F.concat_ws("\u001f", F.col("kind"), *(_text(name) for name in names)))
        for kind, names in IDENTITY.items()
    ]
    return records.withColumn(EVENT_ID, F.md5(F.coalesce(*parts)))


def first_of_each(records: DataFrame) -> DataFrame:
    """The first to arrive of each event, with the lines of purchases as they came in `products`."""
    order = Window.partitionBy(EVENT_ID).orderBy("arrived_at", "topic_partition", "topic_offset")
    numbered = records.withColumn("_number", F.row_number().over(order))
    return numbered.where(F.col("_number") == 1).withColumns(
        {"event_date": F.to_date("happened_at"), "is_late": is_late()}
    )


def published_columns(first: DataFrame) -> DataFrame:
    """Events as they are published.

    Shapes: in: `first_of_each`; out: `EVENTS`.
    """
    made = first.withColumns(
        {
            "product_id": F.coalesce(
                "product_id", F.expr(r"try_cast(regexp_extract(page, '^/product/([0-9]+)$', 1) AS BIGINT)")
            ),
            "quantity": F.coalesce("quantity", "quantity_delta"),
            "pieces": F.expr("aggregate(products, 0L, (sum, line) -> sum + line.quantity)"),
            "clicks": F.array_size("clicked_products"),
            "first_clicked_product_id": F.get("clicked_products", F.lit(0)),
            "filters": F.array_join("filters_applied", ","),
        }
    )
    return made.select(*(column.name for column in EVENTS.columns))


def lines_of(first: DataFrame) -> DataFrame:
    """Lines of the purchases.

    Shapes: in: `first_of_each`; out: `ORDER_LINES`.
    """
    lines = first.where(F.col("kind") == "purchase").select(
        "order_id",
        "event_date",
        F.col("happened_at").alias("ordered_at"),
        "is_late",
        "user_id",
        F.posexplode("products").alias("_place", "_line"),
    )
    lines = lines.select(
        "*", (F.col("_place") + 1).alias("line_number"), "_line.product_id", "_line.quantity", "_line.unit_price"
    )
    return lines.select(*(column.name for column in ORDER_LINES.columns))


def _text(field: str) -> Column:
    return F.unix_micros("happened_at").cast("string") if field == "timestamp" else F.col(field).cast("string")
