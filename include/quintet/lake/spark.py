"""The lab's Spark session over its Delta tables, configured in one place.

`configuration` needs no Spark, so that a submit operator can pass the same settings to `spark-submit`; a session that
a job builds inside that process then finds the JVM started with the jars and the memory it wants.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quintet.catalogue import Table
from quintet.errors import SettingsError
from quintet.lake.tables import delta_path, delta_uri
from quintet.lineage import emit, sparkflow
from quintet.settings import Lab

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

__all__ = ["EVENT_LOGS", "MANY_ROWS", "configuration", "merge_difference", "overwrite", "read", "session"]

#: Jobs of a minute on few cores: the optimising compiler takes as much processor time as the work (38 of 93 seconds on
#: 541,909 lines) and the concurrent collector's threads more than they save (measured 105 s with neither, 71 s with
#: both).
#: The room for compiled code, which is small without the optimising compiler, is set as it is with it.
_JVM_OPTIONS = ("-XX:TieredStopAtLevel=1", "-XX:ReservedCodeCacheSize=240m", "-XX:+UseParallelGC")
#: Rows that a job takes in, from which on the optimising compiler is worth its time: 1.8 million changes were joined to
#: ten million rows and these written in 52 s of processor time without it, in 23 s with it.
MANY_ROWS = 1_000_000

#: Below the lab's folder of logs; the history server reads it.
EVENT_LOGS = "spark-events"


def configuration(lab: Lab, app_name: str, *, rows: int = 0) -> dict[str, str]:
    """Spark properties of a batch job of this lab, which takes in so many rows, as far as that is known.

    Raises:
        SettingsError: the lab has no Spark, or its jars are not there.

    """
    wanted = lab.options.get("spark")
    if not wanted:
        raise SettingsError(f"the lab file {lab.file} has no Spark", remedy="Run: make install")
    events = lab.path("logs") / EVENT_LOGS
    events.mkdir(parents=True, exist_ok=True)
    address = str(wanted.get("driver_address", "127.0.0.1"))
    return {
        "spark.app.name": app_name,
        "spark.master": str(wanted["master"]),
        "spark.driver.memory": str(wanted["driver_memory"]),
        "spark.driver.bindAddress": address,
        "spark.driver.host": address,
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.jars": ",".join(_jars(lab)),
        "spark.eventLog.enabled": "true",
        "spark.eventLog.dir": events.resolve().as_uri(),
        # One file a run: the jobs are short, and a folder of rolled parts says nothing more.
        "spark.eventLog.rolling.enabled": "false",
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.sql.session.timeZone": "UTC",
        "spark.driver.extraJavaOptions": " ".join(("-Duser.timezone=UTC", *_jvm_options(rows))),
        "spark.sql.warehouse.dir": (lab.path("run") / "spark-warehouse").resolve().as_uri(),
        "spark.sql.shuffle.partitions": str(wanted["shuffle_partitions"]),
        "spark.sql.parquet.compression.codec": "zstd",
        # A run compiles more expressions than the default of 100 keeps, and would compile most of them again and again.
        "spark.sql.codegen.cache.maxEntries": "2000",
        # A broadcast of a few rows takes a whole page of the driver's heap, and there are dozens of them; the default
        # is 64 MB.
        "spark.buffer.pageSize": "2m",
        # Plans of past queries, kept for a page that does not run.
        "spark.sql.ui.retainedExecutions": "10",
        # Tables of a few megabytes are read by all cores; the default takes 4 MB for the cost of opening a file.
        "spark.sql.files.openCostInBytes": "1048576",
        # The default of 50 makes 50 tasks of every look at a table's log.
        "spark.databricks.delta.snapshotPartitions": "2",
        # Spark's checksum files (.crc) beside files that delta-rs writes anew, such as _last_checkpoint, would no
        # longer fit them.
        "spark.hadoop.fs.file.impl": "org.apache.hadoop.fs.RawLocalFileSystem",
        "spark.hadoop.fs.AbstractFileSystem.file.impl": "org.apache.hadoop.fs.local.RawLocalFs",
        **(_on_cluster(lab, wanted, rows) if str(wanted["master"]).startswith("spark://") else {}),
    }


def _jvm_options(rows: int) -> tuple[str, ...]:
    return _JVM_OPTIONS[1:] if rows >= MANY_ROWS else _JVM_OPTIONS


def _on_cluster(lab: Lab, wanted: Mapping[str, Any], rows: int) -> dict[str, str]:
    """Properties of executors on other nodes, which have environment and jars at the same places as the driver."""
    return {
        "spark.jars": ",".join(f"local:{path}" for path in _jars(lab)),
        "spark.pyspark.python": str(lab.environment("spark").python),
        "spark.executor.memory": str(wanted["executor_memory"]),
        "spark.executor.extraJavaOptions": " ".join(("-Duser.timezone=UTC", *_jvm_options(rows))),
    }


def session(lab: Lab, app_name: str, *, rows: int = 0) -> SparkSession:
    """Session of a batch job that takes in so many rows; the one that runs in this process already, if there is one.

    Raises:
        SettingsError: the lab has no Spark, or its jars are not there.

    """
    from pyspark.sql import SparkSession  # not at the top: Airflow reads `configuration` without Spark

    builder = SparkSession.builder
    for name, value in configuration(lab, app_name, rows=rows).items():
        builder = builder.config(name, value)
    java_home = lab.options["spark"].get("java_home")
    if java_home:
        os.environ["JAVA_HOME"] = str(java_home)
    return builder.getOrCreate()


def read(spark: SparkSession, lab: Lab, table: Table, *, version: int | None = None) -> DataFrame:
    """Rows of a Delta table of the catalogue, as of a version when one is given."""
    reader = spark.read.format("delta")
    if version is not None:
        reader = reader.option("versionAsOf", version)
    return reader.load(delta_uri(lab, table))


def overwrite(lab: Lab, table: Table, rows: DataFrame, *, where: str | None = None) -> None:
    """Replace the rows of a table, or those that a predicate names, in one commit.

    All new rows must fulfil the predicate; Delta refuses the commit otherwise.
    """
    writer = rows.select(*(column.name for column in table.columns)).write.format("delta").mode("overwrite")
    if where is not None:
        writer = writer.option("replaceWhere", where)
    writer.save(delta_uri(lab, table))
    _tell(lab, table, rows)


def merge_difference(lab: Lab, table: Table, wanted: DataFrame, current: DataFrame) -> tuple[int, int]:
    """Bring the rows `current` of a table to the state `wanted`; rows written, rows removed.

    Only the difference is merged, in one commit; nothing is written when there is none. `current` is a part of the
    table that holds every row whose key `wanted` may have.
    """
    import deltalake
    from delta.tables import DeltaTable
    from pyspark.sql import functions as F

    path = delta_path(lab, table)
    if deltalake.DeltaTable(path).count() == 0:
        overwrite(lab, table, wanted)
        return deltalake.DeltaTable(path).count(), 0
    key, names = list(table.key), [column.name for column in table.columns]
    new = wanted.select(*key, F.struct(*names).alias("_new"))
    old = current.select(*key, F.struct(*names).alias("_old"))
    unequal = new.join(old, on=key, how="full_outer").where(~F.col("_new").eqNullSafe(F.col("_old")))
    row = F.coalesce(F.col("_new"), F.col("_old"))
    difference = unequal.select(*(row[name].alias(name) for name in names), F.isnull("_new").alias("_is_gone"))
    difference = difference.persist()
    counts = {found["_is_gone"]: found["count"] for found in difference.groupBy("_is_gone").count().collect()}
    if counts:
        same = " AND ".join(f"target.{name} = source.{name}" for name in key)
        values = {name: f"source.{name}" for name in names}
        merge = DeltaTable.forPath(wanted.sparkSession, delta_uri(lab, table)).alias("target")
        steps = merge.merge(difference.alias("source"), same).whenMatchedDelete("source._is_gone")
        steps = steps.whenMatchedUpdate(set=values)
        steps.whenNotMatchedInsert(condition="NOT source._is_gone", values=values).execute()
        _tell(lab, table, wanted)
    difference.unpersist()
    return counts.get(False, 0), counts.get(True, 0)


def _tell(lab: Lab, table: Table, rows: DataFrame) -> None:
    """Tell the lineage of rows that a table was just written with."""
    wanted = rows.select(*(column.name for column in table.columns))
    flow = sparkflow.flow(wanted, f"spark.{table.project}.{table.name}", table.full_name, lab.path("lake"))
    emit.tell(lab, [replace(flow, owner=table.owner, description=table.description)])


def _jars(lab: Lab) -> list[str]:
    folder = Path(lab.options["spark"]["jars"])
    found = sorted(str(path) for path in folder.glob("*.jar"))
    if not any("delta-spark" in name for name in found):
        raise SettingsError(f"the folder {folder} lacks the jars of Delta Lake", remedy="Run: make install")
    return found
