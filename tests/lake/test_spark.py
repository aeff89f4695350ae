"""The lab's Spark session and its tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from labs import lab_below
from quintet.catalogue import table
from quintet.errors import SettingsError
from quintet.lake.spark import MANY_ROWS, configuration, read
from quintet.lake.tables import declared_schema, delta_path, delta_tables
from quintet.settings import Lab

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

BALANCE = table("delta.silver_lakehouse.day_balance")


def test_a_lab_without_the_jars_is_refused_with_the_remedy(tmp_path: Path) -> None:
    lab = lab_below(tmp_path / "lab")
    with pytest.raises(SettingsError, match=r"lacks the jars of Delta Lake\. Run: make install"):
        configuration(lab, "test")


@pytest.mark.long
def test_every_created_table_is_read_by_spark_with_its_declared_columns(spark: SparkSession, spark_lab: Lab) -> None:
    for declared in delta_tables():
        found = read(spark, spark_lab, declared)
        assert found.columns == [field.name for field in declared_schema(declared).fields]
        assert found.count() == 0


def test_the_optimising_compiler_is_for_jobs_of_many_rows(spark_lab: Lab) -> None:
    few, many = (configuration(spark_lab, "test", rows=rows) for rows in (MANY_ROWS - 1, MANY_ROWS))
    different = {name: (few[name], many[name]) for name in few if few[name] != many[name]}
    assert list(different) == ["spark.driver.extraJavaOptions"]
    without, with_it = different["spark.driver.extraJavaOptions"]
    assert without.replace("-XX:TieredStopAtLevel=1 ", "") == with_it != without


def test_spark_leaves_no_checksum_files_beside_the_data(spark: SparkSession, spark_lab: Lab) -> None:
    empty = read(spark, spark_lab, BALANCE)
    row = ("a.csv", "00", None, 1, 1, 0, 0, 0, 0)
    width = len(empty.columns) - len(row)
    rows = spark.createDataFrame([(*row, *[None] * width)], empty.schema)
    path = delta_path(spark_lab, BALANCE)
    rows.write.format("delta").mode("append").save(str(path))
    assert read(spark, spark_lab, BALANCE).count() == 1
    assert list(path.rglob("*.parquet"))
    assert not list(path.rglob(".*.crc"))


def test_the_session_counts_time_in_utc(spark: SparkSession) -> None:
    row = spark.sql("select cast(timestamp '2010-12-01 08:26:00' as long)").first()
    assert row is not None
    assert row[0] == 1_291_191_960
