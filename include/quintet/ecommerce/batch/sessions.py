"""Sessions of users from distinct events: a pause of more than the gap ends one."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from quintet.catalogue.ecommercebatch import USER_SESSIONS
from quintet.ecommerce.batch.figures import in_views
from quintet.ecommerce.definitions import SESSION_GAP_MS

__all__ = ["user_sessions"]


def user_sessions(events: DataFrame) -> DataFrame:
    """Sessions by view, of events that are complete for each user in them.

    Shapes: in: `EVENTS`; out: `USER_SESSIONS`.
    """
    by_time = Window.partitionBy("view", "user_id").orderBy("happened_at", "event_id")
    pause = F.unix_millis("happened_at") - F.unix_millis(F.lag("happened_at").over(by_time))
    begins = F.coalesce(pause > SESSION_GAP_MS, F.lit(True)).cast("int")
    numbered = in_views(events).select("*", begins.alias("_begins"))
    numbered = numbered.select("*", F.sum("_begins").over(by_time).alias("_number"))
    added, bought = (F.max(F.when(_is(kind), F.col("happened_at"))) for kind in ("add_to_cart", "purchase"))
    found = numbered.groupBy("view", "user_id", "_number").agg(
        F.min("happened_at").alias("begins_at"),
        F.max("happened_at").alias("ends_at"),
        F.count_if(_is("page_view")).alias("page_views"),
        F.count_if(_is("add_to_cart")).alias("cart_additions"),
        F.count_if(_is("purchase")).alias("orders"),
        F.count_if(_is("search")).alias("searches"),
        (added.isNotNull() & F.coalesce(added > bought, F.lit(True))).alias("is_abandoned"),
    )
    return found.select(*(column.name for column in USER_SESSIONS.columns))


def _is(kind: str) -> Column:
    return F.col("kind") == kind
