"""What Spark writes into quarantine: broken rows, and that a newer version of their file came."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from delta.tables import DeltaTable as SparkTable
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from quintet.catalogue.lakehouse import QUARANTINE
from quintet.lake.tables import delta_uri
from quintet.lakehouse.held import KEY, OPEN, SUPERSEDED
from quintet.settings import Lab

__all__ = ["hold", "supersede"]


def hold(spark: SparkSession, lab: Lab, broken: DataFrame, *, run_id: str, at: datetime) -> None:
    """Merge broken rows into the table.

    A row that is there keeps the run that found it first and what a person decided; an open one shows the rules it
    breaks today, since rules change with releases.

    Shapes: `broken` has the columns as received with their provenance, and `_reasons` (names, comma separated); it is
    unique in the key.
    """
    added = {
        "_status": F.lit(OPEN),
        "_run_id": F.lit(run_id),
        "_detected_at": F.lit(at),
        "_decided_by": F.lit(None).cast("string"),
    }
    rows = broken.withColumns(added).select(*(column.name for column in QUARANTINE.columns))
    same_row = " AND ".join(f"held.{name} = found.{name}" for name in KEY)
    (
        SparkTable.forPath(spark, delta_uri(lab, QUARANTINE))
        .alias("held")
        .merge(rows.alias("found"), same_row)
        .whenMatchedUpdate(
            condition=f"held._status = '{OPEN}' AND held._reasons <> found._reasons", set={"_reasons": "found._reasons"}
        )
        .whenNotMatchedInsertAll()
        .execute()
    )


def supersede(spark: SparkSession, lab: Lab, files: Sequence[str]) -> None:
    """Mark all rows of the files, given by hash, as belonging to an older version."""
    SparkTable.forPath(spark, delta_uri(lab, QUARANTINE)).update(
        F.col("_file_hash").isin(list(files)), {"_status": F.lit(SUPERSEDED)}
    )
