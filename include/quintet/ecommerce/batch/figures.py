"""Figures of minutes and days from distinct events."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from quintet.catalogue.ecommerce import KPI_COLUMNS
from quintet.catalogue.ecommercebatch import DAILY_FIGURES, MINUTE_FIGURES
from quintet.ecommerce.definitions import USER_KINDS

__all__ = ["BATCH_VIEW", "SPEED_VIEW", "UNKNOWN", "daily_figures", "in_views", "minute_figures"]

#: All distinct valid events, and those of them that were not late; the names of the generator's truth.
BATCH_VIEW, SPEED_VIEW = "batch", "speed"
#: A product or user that is in no list of the shop.
UNKNOWN = "unknown"
_MONEY = "decimal(14,2)"


def in_views(events: DataFrame) -> DataFrame:
    """What users caused, once for each view that it belongs to, which is in the column `view`."""
    views = F.when(F.col("is_late"), F.array(F.lit(BATCH_VIEW))).otherwise(
        F.array(F.lit(BATCH_VIEW), F.lit(SPEED_VIEW))
    )
    return events.where(F.col("kind").isin(*USER_KINDS)).select("*", F.explode(views).alias("view"))


def minute_figures(events: DataFrame) -> DataFrame:
    """Figures of each minute in which a user did something, by view.

    Shapes: in: `EVENTS`; out: `MINUTE_FIGURES`.
    """
    found_nothing = _is("search") & (F.col("results_count") == 0)
    figures: dict[str, Column] = {
        "page_views": F.count_if(_is("page_view")),
        "cart_additions": F.count_if(_is("add_to_cart")),
        "orders": F.count_if(_is("purchase")),
        "pieces": F.coalesce(F.sum("pieces"), F.lit(0)),
        "revenue": F.coalesce(F.sum("total_amount"), F.lit(0)),
        "searches": F.count_if(_is("search")),
        "searches_without_result": F.count_if(found_nothing),
        "searches_with_click": F.count_if(_is("search") & (F.col("clicks") > 0)),
        "active_users": F.count_distinct("user_id"),
    }
    kinds = {column.name: column.type.replace("long", "bigint") for column in KPI_COLUMNS}
    found = (
        in_views(events)
        .groupBy("view", F.date_trunc("minute", "happened_at").alias("minute"))
        .agg(*(figure.cast(kinds[name]).alias(name) for name, figure in figures.items()))
        .withColumn("event_date", F.to_date("minute"))
    )
    return found.select(*(column.name for column in MINUTE_FIGURES.columns))


def daily_figures(events: DataFrame, lines: DataFrame, products: DataFrame, customers: DataFrame) -> DataFrame:
    """Figures of each day by product, category and country.

    Shapes: in: `EVENTS`, `ORDER_LINES`, `PRODUCTS`, `CUSTOMERS`; out: `DAILY_FIGURES`.
    """
    of_products = _told(events.where(F.col("product_id").isNotNull() & ~_is("inventory_update"))).unionByName(
        lines.select(
            "event_date",
            "product_id",
            "user_id",
            F.lit(None).cast("bigint").alias("page_view"),
            F.lit(None).cast("bigint").alias("cart_addition"),
            "order_id",
            F.col("quantity").cast("bigint").alias("pieces"),
            (F.col("quantity") * F.col("unit_price")).cast(_MONEY).alias("revenue"),
        )
    )
    categories = F.broadcast(products.select("product_id", F.col("category").alias("member")))
    countries = F.broadcast(customers.select("user_id", F.col("country").alias("member")))
    parts = {
        "product": of_products.withColumn("member", F.col("product_id").cast("string")),
        "category": of_products.join(categories, on="product_id", how="left"),
        "country": _told(events.where(_is("page_view") | _is("add_to_cart") | _is("purchase"))).join(
            countries, on="user_id", how="left"
        ),
    }
    frames = [_summed(frame, dimension) for dimension, frame in parts.items()]
    return frames[0].unionByName(frames[1]).unionByName(frames[2])


def _told(events: DataFrame) -> DataFrame:
    return events.select(
        "event_date",
        "product_id",
        "user_id",
        F.when(_is("page_view"), F.lit(1).cast("bigint")).alias("page_view"),
        F.when(_is("add_to_cart"), F.lit(1).cast("bigint")).alias("cart_addition"),
        "order_id",
        "pieces",
        F.col("total_amount").alias("revenue"),
    )


def _summed(frame: DataFrame, dimension: str) -> DataFrame:
    found = frame.groupBy("event_date", F.coalesce("member", F.lit(UNKNOWN)).alias("member")).agg(
        F.count("page_view").alias("page_views"),
        F.count("cart_addition").alias("cart_additions"),
        F.count_distinct("order_id").alias("orders"),
        F.coalesce(F.sum("pieces"), F.lit(0)).cast("bigint").alias("pieces"),
        F.coalesce(F.sum("revenue"), F.lit(0)).cast(_MONEY).alias("revenue"),
        F.count_distinct("user_id").alias("users"),
    )
    found = found.withColumn("dimension", F.lit(dimension))
    return found.select(*(column.name for column in DAILY_FIGURES.columns))


def _is(kind: str) -> Column:
    return F.col("kind") == kind
