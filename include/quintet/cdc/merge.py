"""The change log into copies of the source's tables: Spark merges what is new, each landing once.

The place up to which a copy is merged is an application transaction of the copy itself, in the very commit of the
merge. A merge that is killed leaves the copy as it was; one that is repeated finds its transaction and does nothing.

Of several changes of a row the last one in its partition counts: a row's key is in one partition, in order. A long
value that the source left out keeps what the copy has, or what an earlier change of the same merge brought.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quintet.catalogue import SourceTable, Table
from quintet.cdc.changelog import BATCH
from quintet.contracts.avro import Field, fields_of
from quintet.lake.spark import read
from quintet.lake.tables import delta_path, delta_uri
from quintet.settings import Lab
from quintet.streams.registry import Registry

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

__all__ = ["Merged", "advance", "latest", "merge", "merged_up_to", "pending", "rows_of", "waiting"]

#: Columns of a copy that are not the source's.
OWN = ("_changed_at", "_lsn")
_APP_ID, _APP_VERSION = "spark.databricks.delta.write.txnAppId", "spark.databricks.delta.write.txnVersion"
#: Changes up to which their keys fit in memory many times over, some 30 bytes each.
BROADCAST_CHANGES = 3_000_000
#: A merge looks for the files to write anew, then writes them. The last changes are computed once for both, ...
_LARGE = {
    "spark.databricks.delta.merge.materializeSource": "all",
    # ... joined to the rows by hash where a part of them fits, instead of sorting all rows of the copy, ...
    "spark.sql.adaptive.maxShuffledHashJoinLocalMapThreshold": "128m",
}
#: ... and when they are not too many, the files are found without sending every key of the copy around.
_SMALL = _LARGE | {"spark.sql.autoBroadcastJoinThreshold": "64m"}


@dataclass(frozen=True)
class Merged:
    """What a merge did to one copy; `gained` are columns that the source has more than before."""

    table: str
    changes: int
    inserted: int
    updated: int
    deleted: int
    gained: tuple[str, ...]


def merged_up_to(lab: Lab, log: Table, copy: Table) -> int:
    """Number of the landing up to which a copy is merged; 0 for none."""
    from deltalake import DeltaTable

    return DeltaTable(delta_path(lab, copy)).transaction_version(log.full_name) or 0


def pending(lab: Lab, log: Table, copies: Iterable[Table]) -> int:
    """Number of the newest landing when a copy is behind it, else 0: then no Spark needs to start."""
    from deltalake import DeltaTable

    newest = DeltaTable(delta_path(lab, log)).transaction_version(BATCH) or 0
    return newest if any(merged_up_to(lab, log, copy) < newest for copy in copies) else 0


def waiting(lab: Lab, log: Table, copies: Iterable[Table]) -> int:
    """Changes that wait for the copy that is farthest behind, at most: files of the log count whole, for all tables."""
    import pyarrow as pa
    import pyarrow.compute as pc
    from deltalake import DeltaTable

    last = min((merged_up_to(lab, log, copy) for copy in copies), default=0)
    files = pa.table(DeltaTable(delta_path(lab, log)).get_add_actions(flatten=True))
    if not files.num_rows:
        return 0
    return pc.sum(files.filter(pc.greater(files["max.batch"], last))["num_records"]).as_py() or 0


def advance(lab: Lab, log: Table, copy: Table, *, up_to: int) -> None:
    """Note that a copy is merged up to a landing in which nothing was for it."""
    from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake

    table = DeltaTable(delta_path(lab, copy))
    if (table.transaction_version(log.full_name) or 0) < up_to:
        nothing = _arrow_schema(table).empty_table()
        noted = CommitProperties(app_transactions=[Transaction(log.full_name, up_to)])
        write_deltalake(table, nothing, mode="append", commit_properties=noted)


def merge(spark: SparkSession, lab: Lab, source: SourceTable, log: Table, copy: Table, *, up_to: int) -> Merged:
    """Merge the changes of one table from where its copy is, up to a landing; one commit."""
    from pyspark.sql import functions as F

    last = merged_up_to(lab, log, copy)
    window = (F.col("batch") > last) & (F.col("batch") <= up_to) & (F.col("table_name") == source.name)
    # Read twice, the first time a few small columns of it: less work than to keep the texts in memory.
    changes = read(spark, lab, log).where(window)
    facts = changes.agg(
        F.count("*").alias("changes"),
        F.collect_set("schema_id").alias("schemas"),
        F.count("unchanged").alias("unchanged"),
    ).first()
    assert facts is not None  # noqa: S101  # an aggregate without groups has one row
    if not facts["changes"]:
        advance(lab, log, copy, up_to=up_to)
        return Merged(source.name, 0, 0, 0, 0, ())
    gained = _gain(lab, copy, facts["schemas"])
    columns = _columns(lab, copy)
    rows = latest(changes, source.key, columns, keeps=source.toasted if facts["unchanged"] else ())
    is_small = facts["changes"] <= BROADCAST_CHANGES
    counts = _merge_into(spark, lab, log, copy, rows, up_to=up_to, settings=_SMALL if is_small else _LARGE)
    return Merged(source.name, facts["changes"], *counts, gained)


def rows_of(changes: DataFrame, columns: Sequence[Field]) -> DataFrame:
    """Changes with the source's columns, typed: from the row, and those of the key also of a deletion.

    Shapes: in: the change log. Out: the columns, then operation, unchanged, changed_at, lsn, topic_offset.
    """
    from pyspark.sql import functions as F
    from pyspark.sql.types import StringType, StructField, StructType

    texts = StructType([StructField(column.name, StringType()) for column in columns])
    parsed = changes.select("*", F.from_json("row", texts).alias("_row"))
    return parsed.select(
        *(
            # The key is looked into only where the row has nothing: parsing texts is most of the work.
            F.coalesce(F.col("_row")[column.name], F.get_json_object("key", f"$['{column.name}']"))
            .cast(_spark_type(column.type))
            .alias(column.name)
            for column in columns
        ),
        "operation",
        "unchanged",
        "changed_at",
        "lsn",
        "topic_offset",
    )


def latest(changes: DataFrame, key: Sequence[str], columns: Sequence[Field], *, keeps: Sequence[str] = ()) -> DataFrame:
    """The last change of each row, with what the copy needs.

    `keeps` are columns that some changes leave out: their value is then that of the newest change which has it, and
    `_keep_<name>` says that none of these has.

    Shapes: out: the columns, `_operation`, `_changed_at`, `_lsn`, and `_keep_<name>` (boolean) of each of `keeps`.
    """
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    names = [column.name for column in columns]
    rows = rows_of(changes, columns)
    order = Window.partitionBy(*key).orderBy("topic_offset")
    if keeps:
        so_far = order.rowsBetween(Window.unboundedPreceding, Window.currentRow)
        left_out = F.split(F.coalesce(F.col("unchanged"), F.lit("")), ",")
        for name in keeps:
            told = F.when(~F.array_contains(left_out, name), F.struct(F.col(name).alias("value")))
            rows = rows.withColumn(f"_told_{name}", F.last(told, ignorenulls=True).over(so_far))
    carried = F.struct(*names, "operation", "changed_at", "lsn", *(f"_told_{name}" for name in keeps))
    last = rows.groupBy(*key).agg(F.max_by(carried, "topic_offset").alias("_last"))

    def value(name: str) -> Column:
        return F.col(f"_last._told_{name}.value") if name in keeps else F.col(f"_last.{name}")

    return last.select(
        *(value(name).alias(name) for name in names),
        F.col("_last.operation").alias("_operation"),
        F.col("_last.changed_at").alias("_changed_at"),
        F.col("_last.lsn").alias("_lsn"),
        *(F.col(f"_last._told_{name}").isNull().alias(f"_keep_{name}") for name in keeps),
    )


def _merge_into(
    spark: SparkSession,
    lab: Lab,
    log: Table,
    copy: Table,
    rows: DataFrame,
    *,
    up_to: int,
    settings: Mapping[str, str],
) -> tuple[int, int, int]:
    from delta.tables import DeltaTable

    names = [name for name in rows.columns if not name.startswith("_")] + list(OWN)
    kept = {name.removeprefix("_keep_") for name in rows.columns if name.startswith("_keep_")}
    values = {name: f"source.`{name}`" for name in names}
    updates = values | {
        name: f"CASE WHEN source.`_keep_{name}` THEN target.`{name}` ELSE source.`{name}` END" for name in kept
    }
    same = " AND ".join(f"target.`{name}` = source.`{name}`" for name in copy.key)
    target = DeltaTable.forPath(spark, delta_uri(lab, copy))
    steps = target.alias("target").merge(rows.alias("source"), same).whenMatchedDelete("source._operation = 'd'")
    steps = steps.whenMatchedUpdate(set=updates)
    steps = steps.whenNotMatchedInsert(condition="source._operation <> 'd'", values=values)
    with _set(spark, {_APP_ID: log.full_name, _APP_VERSION: str(up_to), **settings}):
        steps.execute()
    told = target.history(1).select("operationMetrics").first()
    metrics: dict[str, Any] = told["operationMetrics"] if told else {}
    return tuple(int(metrics.get(f"numTargetRows{what}", 0)) for what in ("Inserted", "Updated", "Deleted"))  # type: ignore[return-value]


@contextmanager
def _set(spark: SparkSession, settings: Mapping[str, str]) -> Iterator[None]:
    """Settings of the session for the time of the block."""
    before = {name: spark.conf.get(name, None) for name in settings}
    for name, value in settings.items():
        spark.conf.set(name, value)
    try:
        yield
    finally:
        for name, given in before.items():
            if given is None:
                spark.conf.unset(name)
            else:
                spark.conf.set(name, given)


def _arrow_schema(table: Any) -> Any:
    """Schema of a Delta table in Arrow."""
    import pyarrow as pa

    return pa.schema(table.schema().to_arrow())


def _gain(lab: Lab, copy: Table, schemas: Iterable[int]) -> tuple[str, ...]:
    """Add the columns that the source has gained to an open copy; their names."""
    from deltalake import DeltaTable
    from deltalake import Field as DeltaField
    from deltalake.schema import PrimitiveType

    registry, table = Registry.of(lab), DeltaTable(delta_path(lab, copy))
    have = {field.name for field in table.schema().fields}
    new = {
        field.name: field
        for number in sorted(schemas)
        for field in fields_of(registry.by_id(number))
        if field.name not in have
    }
    if new and copy.is_open:
        table.alter.add_columns(
            [DeltaField(name, PrimitiveType(field.type), nullable=True) for name, field in new.items()]
        )
        return tuple(new)
    return ()


def _columns(lab: Lab, copy: Table) -> list[Field]:
    """The source's columns of a copy, as the copy has them now."""
    from deltalake import DeltaTable

    return [
        Field(field.name, str(field.type.type), is_nullable=field.nullable)
        for field in DeltaTable(delta_path(lab, copy)).schema().fields
        if field.name not in OWN
    ]


def _spark_type(name: str) -> str:
    return {"long": "bigint", "integer": "int"}.get(name, name)
