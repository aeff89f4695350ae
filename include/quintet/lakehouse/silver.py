"""Silver: bronze lines become typed, keyed, unique, classified invoice lines, and dimensions with history.

A run works on the files that changed (`selection`) and rewrites the trade dates they touch. The tables hold nothing
of the run itself, no time and no run id, and every choice between rows is made by the rows: of equal lines the first
by file date, file name and line is published, whenever it arrived. So any order and division of the files over runs
ends in the tables that a full refresh gives.

Order of writing: lines, dimensions, balance. Each is one commit, the balance is the watermark: a run that is killed
leaves its files unpublished, and the next run computes and writes the same again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from pyspark import StorageLevel
from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from quintet.catalogue.lakehouse import INVOICE_LINES, INVOICE_LINES_RAW, QUARANTINE
from quintet.lake.spark import overwrite, read
from quintet.lakehouse import dimensions
from quintet.lakehouse.balance import (
    FATES,
    UNTYPED,
    check_conservation,
    count_fates,
    feed_versions,
    list_files,
    read_balance,
    write_balance,
)
from quintet.lakehouse.dimensions import Feed
from quintet.lakehouse.matching import PAIR, match_returns
from quintet.lakehouse.normalise import BUSINESS_KEY, RAW_COLUMNS, normalise, with_verdict
from quintet.lakehouse.selection import Days, Scope, Selection, select_files
from quintet.laps import Laps
from quintet.settings import Lab

__all__ = ["build", "decide"]

#: Lines of one data file. A touched trade date rewrites the files it lies in.
ROWS_PER_FILE = 100_000

_REVERSES = "reverses_invoice_line_id"
_PUBLISHED = tuple(column.name for column in INVOICE_LINES.columns)
_PROVENANCE = {
    "source_file": "_source_file",
    "file_version": "_file_version",
    "line_number": "_line_number",
    "file_hash": "_file_hash",
}
#: What a row needs beside its provenance to be published.
_REQUIRED = tuple(
    column.name
    for column in INVOICE_LINES.columns
    if not column.nullable and column.name not in {"invoice_line_id", *_PROVENANCE}
)
#: Columns in which rows of one trade date compress best together.
_SORT = ("trade_date", "invoice_id", "source_file", "line_number")


def build(
    lab: Lab,
    start: Callable[[], SparkSession],
    *,
    bronze_version: int | None = None,
    days: Days | None = None,
    full_refresh: bool = False,
) -> dict[str, Any]:
    """Bring all silver tables up to date with bronze; counts, and seconds by step.

    Args:
        lab: the lab.
        start: gives the Spark session; called only when there is something to do.
        bronze_version: version of the bronze lines that the gate has passed; None: the newest.
        days: recompute the files of these days only; new files outside wait.
        full_refresh: compute everything anew.

    Raises:
        LabError: rows are not conserved, or silver knows files that bronze does not; nothing was published.

    """
    clock = Laps()
    known, feeds_known = read_balance(lab)
    feeds = feed_versions(lab)
    files = list_files(lab, bronze_version)
    selection = select_files(files, known, days or Days(), full_refresh=full_refresh)
    result: dict[str, Any] = {"files": len(selection.changed), "files_published": len(selection.published)}
    clock.lap("select")
    if not selection.changed and feeds == feeds_known:
        return {**result, "seconds": clock.laps}

    spark = start()
    clock.lap("start")
    dates = _trade_dates(read(spark, lab, INVOICE_LINES_RAW, version=bronze_version), selection)
    scope = selection.everything() if selection.is_everything else selection.scope(dates)
    clock.lap("dates")
    balanced = [file for file in selection.published if file.file_hash in scope.balanced]
    decided = _decided(spark, lab, selection, scope, dates, bronze_version).persist(StorageLevel.MEMORY_AND_DISK)
    fates = count_fates(decided, scope.balanced)
    check_conservation(balanced, fates)
    result |= {column: sum(found.rows[fate] for found in fates.values()) for fate, column in FATES.items()}
    clock.lap("decide")
    result |= _publish_lines(spark, lab, decided, scope)
    clock.lap("lines")
    touched = None if scope.dates is None else decided.where(_on(scope.dates)).select(*PAIR).distinct()
    told = {name: Feed(version, feeds_known.get(name) != version) for name, version in feeds.items()}
    result |= dimensions.refresh(spark, lab, told, touched)
    decided.unpersist()
    clock.lap("dimensions")
    write_balance(lab, balanced, fates, feeds, anew=scope.dates is None)
    clock.lap("balance")
    return {**result, "seconds": clock.laps}


def decide(candidates: DataFrame, *, cuts: Sequence[date] = ()) -> DataFrame:
    """Give every row its fate; one row in, one row out, in partitions of trade dates cut before the given ones.

    The candidates hold all accepted rows of each business key in them. Of rows that are equal as received all but
    the first are exact duplicates; of rows with equal business key all others but the first are business duplicates.
    The first is that with the least file date (files without one last), file name and line number.

    Shapes: in: as `normalise.with_verdict` gives it. Out: the columns of silver `invoice_lines` but for
    reverses_invoice_line_id, and `fate` (string, of `balance.FATES` or `balance.UNTYPED`).
    """
    is_accepted = F.col("_verdict") == "accepted"
    is_typed = F.lit(True)
    for name in _REQUIRED:
        is_typed = is_typed & F.col(name).isNotNull()
    # A key of its own for a row that takes no part, so that all of them together do not make one large group.
    apart = F.concat_ws("|", "_file_hash", "_line_number")
    # A digest of the eight columns travels through the shuffle in their place.
    received = F.md5(F.concat_ws("\u001f", *(F.coalesce(F.col(name), F.lit("\u0000")) for name in RAW_COLUMNS)))
    keyed = candidates.select(
        *(name for name in candidates.columns if name not in RAW_COLUMNS),
        F.when(is_accepted & is_typed, _line_id()).otherwise(apart).alias("invoice_line_id"),
        (is_accepted & is_typed).alias("_is_live"),
        received.alias("_received"),
        sum((F.when(F.col("trade_date") >= cut, 1).otherwise(0) for cut in cuts), F.lit(0)).alias("_part"),
    )
    # Equal keys have equal trade dates: one shuffle, by date, serves the windows and the writing. The cuts are known,
    # because to have Spark find them would compute every column twice.
    placed = keyed.repartitionById(len(cuts) + 1, "_part")
    order = (F.col("_file_date").isNull(), F.col("_file_date"), F.col("_source_file"), F.col("_line_number"))
    key = ("_part", "invoice_line_id")
    numbered = placed.withColumn("_number", F.row_number().over(Window.partitionBy(*key, "_received").orderBy(*order)))
    # Needs no sort of its own: the rows come sorted by what the window before was partitioned by.
    is_first = F.struct(*order) == F.min(F.struct(*order)).over(Window.partitionBy(*key))
    fate = (
        F.when(F.col("_verdict") != "accepted", F.col("_verdict"))
        .when(~F.col("_is_live"), UNTYPED)
        .when(F.col("_number") > 1, "exact_duplicate")
        .when(~is_first, "business_duplicate")
        .otherwise("silver")
    )
    named = (F.col(_PROVENANCE.get(name, name)).alias(name) for name in _PUBLISHED if name != _REVERSES)
    return numbered.select(*named, fate.alias("fate"))


def _line_id() -> Column:
    parts = (F.coalesce(F.col(name).cast("string"), F.lit("")) for name in BUSINESS_KEY)
    return F.sha2(F.concat_ws("|", *parts), 256)


def _trade_dates(bronze: DataFrame, selection: Selection) -> dict[date, int]:
    """Rows of the changed files by trade date."""
    if not selection.changed:
        return {}
    rows = normalise(_of_files(bronze, selection, selection.changed)).where(F.col("trade_date").isNotNull())
    return {row["trade_date"]: row["count"] for row in rows.groupBy("trade_date").count().collect()}


def _cuts(dates: Mapping[date, int]) -> list[date]:
    """Dates that cut the rows into parts of about `ROWS_PER_FILE`."""
    cuts: list[date] = []
    rows = 0
    for day in sorted(dates):
        if rows >= ROWS_PER_FILE:
            cuts.append(day)
            rows = 0
        rows += dates[day]
    return cuts


def _decided(
    spark: SparkSession,
    lab: Lab,
    selection: Selection,
    scope: Scope,
    dates: Mapping[date, int],
    bronze_version: int | None,
) -> DataFrame:
    """Every row of the balanced files with its fate, and what else is published on the dates of the window."""
    bronze = read(spark, lab, INVOICE_LINES_RAW, version=bronze_version)
    latest = spark.createDataFrame(list(selection.latest.items()), "_source_file string, _latest_version int")
    quarantine = read(spark, lab, QUARANTINE)
    candidates = with_verdict(normalise(_of_files(bronze, selection, scope.read)), latest, quarantine)
    if scope.dates is not None:
        in_window = F.lit(False)
        for first, last in scope.window:
            in_window = in_window | F.col("trade_date").between(first, last)
        matters = (F.col("_verdict") == "accepted") & in_window
        candidates = candidates.where(matters | F.col("_file_hash").isin(*scope.balanced))
    return decide(candidates, cuts=_cuts(dates))


def _of_files(bronze: DataFrame, selection: Selection, hashes: frozenset[str]) -> DataFrame:
    """Rows of these files; the predicates let Delta and Parquet skip what holds none of them."""
    days = [file.file_date for file in selection.published if file.file_hash in hashes]
    dated = [day for day in days if day is not None]
    if not days:  # only a change feed moved
        return bronze.limit(0)
    rows = bronze.where(F.col("_file_hash").isin(*hashes))
    return rows.where(F.col("_file_date").between(min(dated), max(dated))) if len(dated) == len(days) else rows


def _publish_lines(spark: SparkSession, lab: Lab, decided: DataFrame, scope: Scope) -> dict[str, int]:
    """Write the lines of the touched dates, with the sale that each return reverses, in one commit."""
    kept = decided.where(F.col("fate") == "silver").drop("fate")
    if scope.dates is None:
        matches = match_returns(kept).persist()
        matched = matches.count()
        overwrite(lab, INVOICE_LINES, _arranged(_reversing(kept, matches)))
        matches.unpersist()
        return {"matched_returns": matched}
    if not scope.dates:
        return {"matched_returns": 0}

    # All returns of a touched customer and product choose anew, on whatever date they lie.
    here = kept.where(_on(scope.dates))
    published = read(spark, lab, INVOICE_LINES).where(~_on(scope.dates))
    pairs = F.broadcast(decided.where(_on(scope.dates)).select(*PAIR).distinct())
    part = [*PAIR, "invoice_line_id", "line_type", "quantity", "invoiced_at"]
    elsewhere = published.join(pairs, on=list(PAIR), how="left_semi").select(*part, "trade_date", _REVERSES).persist()
    matches = match_returns(here.select(*part).union(elsewhere.select(*part))).persist()
    matched = matches.count()
    dates = scope.dates | _dates_moved(elsewhere, matches)
    moved = published.where(_on(dates - scope.dates))
    again = _reversing(moved.join(pairs, on=list(PAIR), how="left_semi").drop(_REVERSES), matches)
    as_before = moved.join(pairs, on=list(PAIR), how="left_anti")
    lines = _reversing(here, matches).unionByName(again).unionByName(as_before)
    overwrite(lab, INVOICE_LINES, _arranged(lines), where=_sql_on(dates))
    elsewhere.unpersist()
    matches.unpersist()
    return {"matched_returns": matched}


def _reversing(lines: DataFrame, matches: DataFrame) -> DataFrame:
    return lines.join(matches, on="invoice_line_id", how="left").select(*_PUBLISHED)


def _dates_moved(elsewhere: DataFrame, matches: DataFrame) -> frozenset[date]:
    """Dates on which a published return now reverses another sale, or none."""
    now = matches.withColumnRenamed(_REVERSES, "_now")
    differs = ~F.col(_REVERSES).eqNullSafe(F.col("_now"))
    moved = elsewhere.join(now, on="invoice_line_id", how="left").where(differs).select("trade_date").distinct()
    return frozenset(row["trade_date"] for row in moved.collect())


def _arranged(lines: DataFrame) -> DataFrame:
    """Sort each data file by what makes it compress well; the files are cut by date already."""
    return lines.sortWithinPartitions(*_SORT)


def _on(dates: Iterable[date]) -> Column:
    return F.col("trade_date").isin(*sorted(dates))


def _sql_on(dates: Iterable[date]) -> str:
    return "trade_date IN (" + ", ".join(f"DATE '{day}'" for day in sorted(dates)) + ")"
