"""The copies of the shop's tables in Delta, and the history of its customers, from the change log."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from quintet.catalogue import Table
from quintet.catalogue.shop import CUSTOMERS, SHOP, SHOP_CHANGES, customer_history, delta_copy
from quintet.cdc.merge import advance, merge, merged_up_to, pending, rows_of, waiting
from quintet.contracts.avro import Field
from quintet.lake.spark import merge_difference, read
from quintet.lake.tables import create_empty, delta_path
from quintet.settings import Lab

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

__all__ = ["copies", "history_of_customers", "merge_all"]

#: Columns of a customer that are told in two times.
_STATE = tuple(
    column.name for column in CUSTOMERS.columns if column.name not in {"customer_id", "effective_at", "updated_at"}
)


def copies() -> tuple[Table, ...]:
    """The copies in Delta, in the order of the source's tables."""
    return tuple(delta_copy(table) for table in SHOP.tables)


def merge_all(lab: Lab, start: Callable[[int], SparkSession], *, full_refresh: bool = False) -> dict[str, Any]:
    """Merge every landing that is not merged; with `full_refresh` the copies are made anew from the whole change log.

    `start` gives the Spark session, and is told how many changes wait.

    Shapes: {"tables": [{table, changes, inserted, updated, deleted, gained}], "history": {...}, "seconds": {...}}.
    """
    history = customer_history()
    if full_refresh:
        for made_anew in (*copies(), history):
            _empty(lab, made_anew)
    newest = pending(lab, SHOP_CHANGES, (*copies(), history))
    if not newest:
        return {"tables": [], "history": {}, "seconds": {}}
    seconds, begun = {}, time.monotonic()
    spark = start(waiting(lab, SHOP_CHANGES, (*copies(), history)))
    seconds["start"] = time.monotonic() - begun
    done = []
    for table, copy in zip(SHOP.tables, copies(), strict=True):
        begun = time.monotonic()
        done.append(asdict(merge(spark, lab, table, SHOP_CHANGES, copy, up_to=newest)))
        seconds[table.name] = time.monotonic() - begun
    begun = time.monotonic()
    written, removed = _merge_history(spark, lab, history)
    # After the merge, not with it: what is merged twice is the same.
    advance(lab, SHOP_CHANGES, history, up_to=newest)
    seconds["history"] = time.monotonic() - begun
    return {
        "tables": done,
        "history": {"written": written, "removed": removed},
        "up_to": newest,
        "seconds": {name: round(value, 2) for name, value in seconds.items()},
    }


def history_of_customers(changes: DataFrame) -> DataFrame:
    """History in two times of the customers in a change log that is complete for each of them.

    A deletion holds from the instant it was committed on: the database tells no other.

    Shapes: in: the change log; out: the columns of `customer_history`.
    """
    from pyspark.sql import functions as F

    from quintet.scd import history_in_two_times

    columns = [Field(column.name, column.type, is_nullable=column.nullable) for column in CUSTOMERS.columns]
    rows = rows_of(changes.where(F.col("table_name") == CUSTOMERS.name), columns)
    is_deleted = F.col("operation") == "d"
    told = rows.select(
        "*",
        is_deleted.alias("_gone"),
        F.when(is_deleted, F.col("changed_at")).otherwise(F.col("effective_at")).alias("_holds_from"),
    )
    found = history_in_two_times(
        told,
        key="customer_id",
        valid_at="_holds_from",
        known_at="changed_at",
        sequence="topic_offset",
        attributes=_STATE,
        deleted="_gone",
    )
    return found.select(*(column.name for column in customer_history().columns))


def _merge_history(spark: SparkSession, lab: Lab, history: Table) -> tuple[int, int]:
    """Compute the history of the customers anew of whom something has landed since; rows written and removed."""
    from pyspark.sql import functions as F

    after = merged_up_to(lab, SHOP_CHANGES, history)
    log = read(spark, lab, SHOP_CHANGES).where(F.col("table_name") == CUSTOMERS.name)
    touched = log.where(F.col("batch") > after).select("key").distinct().persist()
    try:
        if touched.isEmpty():
            return 0, 0
        wanted = history_of_customers(log.join(touched, on="key", how="left_semi"))
        number = F.get_json_object("key", "$.customer_id").cast("bigint").alias("customer_id")
        current = read(spark, lab, history).join(touched.select(number), on="customer_id", how="left_semi")
        return merge_difference(lab, history, wanted, current)
    finally:
        touched.unpersist()


def _empty(lab: Lab, table: Table) -> None:
    """Make the table anew, without rows and without a place up to which it is merged."""
    import shutil

    shutil.rmtree(delta_path(lab, table), ignore_errors=True)
    create_empty(lab, table)
