"""Assets: where DAGs of a project meet. One asset is one layer of one project: all its tables, up to date.

The names are those of the schemas in Trino; the time-series database has no tables, its assets are its points as they
were sent, and its blocks in order. The asset of a stream says that its job runs; told each time that it is deployed.
What is published in the object store is an asset for each table: teams take single ones.
"""

from __future__ import annotations

from airflow.sdk import Asset

from quintet.catalogue.published import PUBLISHED, Publication

__all__ = [
    "BLOCKS_TIMESERIES",
    "BRONZE_LAKEHOUSE",
    "GOLD_ECOMMERCE",
    "GOLD_LAKEHOUSE",
    "POINTS_TIMESERIES",
    "PUBLISHED_LAKEHOUSE",
    "SILVER_ECOMMERCE",
    "SILVER_LAKEHOUSE",
    "STREAM_LIVE_FIGURES",
    "STREAM_LIVE_PRODUCTS",
    "STREAM_SHOP_TO_SILVER",
]


def _layer(catalog: str, schema: str) -> Asset:
    # A scheme of our own: an address of the machine would be another asset on another machine.
    return Asset(name=schema, uri=f"quintet://{catalog}/{schema}", group=schema.partition("_")[2])


def _stream(slug: str, job: str) -> Asset:
    return Asset(name=f"stream_{job}", uri=f"quintet://flink/{slug}/{job}", group=slug)


def _published(entry: Publication) -> Asset:
    return Asset(
        name=f"published_lakehouse_{entry.table}", uri=f"quintet://objects/lake/{entry.prefix}", group="lakehouse"
    )


BRONZE_LAKEHOUSE = _layer("delta", "bronze_lakehouse")
SILVER_LAKEHOUSE = _layer("delta", "silver_lakehouse")
GOLD_LAKEHOUSE = _layer("iceberg", "gold_lakehouse")
#: By the name of the gold table.
PUBLISHED_LAKEHOUSE = {entry.table: _published(entry) for entry in PUBLISHED}
POINTS_TIMESERIES = _layer("timeseries", "points_timeseries")
BLOCKS_TIMESERIES = _layer("timeseries", "blocks_timeseries")
SILVER_ECOMMERCE = _layer("delta", "silver_ecommerce")
GOLD_ECOMMERCE = _layer("iceberg", "gold_ecommerce")
STREAM_SHOP_TO_SILVER = _stream("lakehouse", "shop_to_silver")
STREAM_LIVE_FIGURES = _stream("ecommerce", "live_figures")
STREAM_LIVE_PRODUCTS = _stream("ecommerce", "live_products")
