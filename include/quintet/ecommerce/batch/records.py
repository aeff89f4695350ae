"""Records of the event log: typed, with the rules that each breaks, and whether a person took it back."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from quintet.catalogue.ecommerce import EVENT_TOPICS
from quintet.ecommerce.batch.rules import SUITE
from quintet.ecommerce.batch.state import Withdrawal
from quintet.quality.evaluate import is_held, with_reasons

__all__ = ["FATE", "PLACE", "judged", "typed"]

#: What names a record.
PLACE = ("kind", "topic_partition", "topic_offset")
#: Column with what becomes of a record: withdrawn, broken or whole.
FATE = "_fate"
_SQL = {"long": "bigint", "integer": "int"}
#: Columns of the log that say when and where; the event's own time is one of them.
_LOG = (*PLACE, "batch", "happened_at", "arrived_at", "row")


def typed(log: DataFrame) -> DataFrame:
    """Records with the fields of all kinds; those of other kinds are null.

    Shapes: in: `EVENT_LOG`; out: its columns but for schema_id, then a column a field but for `timestamp`.
    """
    fields = F.from_json("row", ", ".join(f"{name} {kind}" for name, kind in _fields().items()))
    return log.select(*_LOG, fields.alias("_fields")).select(*_LOG, "_fields.*")


def judged(records: DataFrame, withdrawals: Iterable[Withdrawal]) -> DataFrame:
    """Typed records with `_reasons` (array<string>) and their fate; what is withdrawn is not broken, too."""
    is_withdrawn = withdrawn(withdrawals)
    fate = F.when(is_withdrawn, "withdrawn").when(is_held(SUITE), "broken").otherwise("whole")
    return with_reasons(records, SUITE.rows).withColumn(FATE, fate)


def withdrawn(withdrawals: Iterable[Withdrawal]) -> Column:
    """Whether a record was taken back by one of these."""
    found = F.lit(False)
    for entry in withdrawals:
        found = found | (
            (F.col("kind") == entry.kind)
            & (F.to_date("arrived_at") == F.lit(entry.arrived_date))
            & (F.col("batch") <= entry.up_to_batch)
        )
    return found


def _fields() -> dict[str, str]:
    found: dict[str, str] = {}
    for topic in EVENT_TOPICS.values():
        for column in topic.columns:
            kind = re.sub(r"\b(long|integer)\b", lambda match: _SQL[match[0]], column.type)
            if found.setdefault(column.name, kind) != kind:
                raise ValueError(f"{topic.name}: {column.name} has another type than in another topic")
    # It stands in the log as `happened_at`.
    del found["timestamp"]
    return found
