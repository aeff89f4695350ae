"""Publish what the gate has passed: events, figures of minutes and days, sessions.

A run works on the days on which something new happened, in whatever landing it came: it reads all records of those
days again and replaces the days. Sessions cross midnight: they are computed anew for the users of those days, from all
their events. Nothing in the published tables tells when or in how many runs it was computed, so that any division of
the landings over runs, and a full refresh, end in the same rows.

Order of writing: events, lines, minutes, days, sessions, balance, publication. The last says how far it got: a
run that is killed before it leaves its landings to the next one, which writes the same again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
from deltalake import write_deltalake
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from quintet.catalogue.ecommercebatch import (
    CUSTOMERS,
    DAILY_FIGURES,
    DAY_BALANCE,
    EVENT_LOG,
    EVENTS,
    MINUTE_FIGURES,
    ORDER_LINES,
    PRODUCTS,
    PUBLICATIONS,
    USER_SESSIONS,
)
from quintet.ecommerce.batch.events import EVENT_ID, first_of_each, is_late, lines_of, published_columns, with_identity
from quintet.ecommerce.batch.figures import daily_figures, minute_figures
from quintet.ecommerce.batch.records import FATE, judged, typed, withdrawn
from quintet.ecommerce.batch.sessions import user_sessions
from quintet.ecommerce.batch.state import append, published, withdrawals
from quintet.ecommerce.definitions import LATENESS_MS, MINUTE_MS, USER_KINDS
from quintet.errors import LabError
from quintet.lake.spark import merge_difference, overwrite, read
from quintet.lake.tables import arrow_schema, delta_path
from quintet.laps import Laps
from quintet.settings import Lab

__all__ = ["publish"]

#: What a day's records are counted by.
_FATES = ("records", "withdrawn", "broken", "duplicates", "events", "late")


def publish(
    lab: Lab,
    start: Callable[..., SparkSession],
    *,
    run_id: str,
    up_to: int,
    full_refresh: bool = False,
    now: datetime | None = None,
) -> dict[str, Any]:
    """Bring the published tables up to a landing that the gate has passed; counts, and seconds by step.

    `start` gives the Spark session; it is called only when there is something to publish.

    Raises:
        LabError: records are not conserved; the publication is not noted, the next run does it again.

    """
    last, taken_back = published(lab), withdrawals(lab)
    newest_withdrawal = max((entry.number for entry in taken_back), default=0)
    if (up_to, newest_withdrawal) == (last.up_to_batch, last.up_to_withdrawal) and not full_refresh:
        return {"days": [], "published": last.number, "seconds": {}}
    clock = Laps()
    spark = start()
    clock.lap("start")
    log = read(spark, lab, EVENT_LOG).where(F.col("batch") <= up_to)
    new_withdrawals = [entry for entry in taken_back if entry.number > last.up_to_withdrawal]
    is_new = F.lit(full_refresh) | (F.col("batch") > last.up_to_batch) | withdrawn(new_withdrawals)
    told = log.agg(
        F.collect_set(F.when(is_new, F.to_date("happened_at"))).alias("days"),
        F.unix_millis(F.max("arrived_at")).alias("newest"),
    ).first()
    days = sorted(told["days"]) if told else []
    clock.lap("days")
    balance: list[dict[str, Any]] = []
    if days or full_refresh:
        records = with_identity(judged(typed(_happened_on(log, days)), taken_back)).persist()
        try:
            balance = _fates(records)
            clock.lap("judge")
            _publish_days(spark, lab, records, None if full_refresh else days, clock)
        finally:
            records.unpersist()
        _check_conservation(spark, lab, balance, days)
        _write_balance(lab, balance, None if full_refresh else days)
        clock.lap("balance")
    row = {
        "number": last.number + 1,
        "run_id": run_id,
        "published_at": now or datetime.now(UTC),
        "up_to_batch": up_to,
        "up_to_withdrawal": newest_withdrawal,
        "settled_until": _settled_until(told["newest"]) if told and told["newest"] else last.settled_until,
    }
    append(lab, PUBLICATIONS, [row])
    counts = {name: sum(entry[name] for entry in balance) for name in _FATES}
    return {"days": [str(day) for day in days], "published": row["number"], **counts, "seconds": clock.laps}


def _publish_days(spark: SparkSession, lab: Lab, records: DataFrame, days: Sequence[date] | None, clock: Laps) -> None:
    """Replace the days of all tables; None: everything there is."""
    where = None if days is None else _sql_on(days)
    first = first_of_each(records.where(F.col(FATE) == "whole")).persist()
    try:
        overwrite(lab, EVENTS, _by_day(published_columns(first)), where=where)
        overwrite(lab, ORDER_LINES, _by_day(lines_of(first)), where=where)
        clock.lap("events")
    finally:
        first.unpersist()
    events, lines = (_of(read(spark, lab, table), days) for table in (EVENTS, ORDER_LINES))
    events = events.persist()
    try:
        overwrite(lab, MINUTE_FIGURES, _by_day(minute_figures(events)), where=where)
        clock.lap("minutes")
        daily = daily_figures(events, lines, read(spark, lab, PRODUCTS), read(spark, lab, CUSTOMERS))
        overwrite(lab, DAILY_FIGURES, _by_day(daily), where=where)
        clock.lap("daily")
        _publish_sessions(spark, lab, None if days is None else records)
        clock.lap("sessions")
    finally:
        events.unpersist()


def _publish_sessions(spark: SparkSession, lab: Lab, records: DataFrame | None) -> None:
    """Compute the sessions of all users of these records anew, from all their events; None: of everybody."""
    history = read(spark, lab, EVENTS).where(F.col("kind").isin(*USER_KINDS))
    if records is None:
        overwrite(lab, USER_SESSIONS, user_sessions(history))
        return
    # Of the records, not of the events: whoever had sessions only by what was taken back has none any more.
    touched = records.where(F.col("user_id").isNotNull()).select("user_id").distinct().persist()
    try:
        wanted = user_sessions(history.join(touched, on="user_id", how="left_semi"))
        current = read(spark, lab, USER_SESSIONS).join(touched, on="user_id", how="left_semi")
        merge_difference(lab, USER_SESSIONS, wanted, current)
    finally:
        touched.unpersist()


def _fates(records: DataFrame) -> list[dict[str, Any]]:
    """Records of each day and kind by what becomes of them."""
    is_whole = F.col(FATE) == "whole"
    found = records.groupBy(F.to_date("happened_at").alias("event_date"), "kind").agg(
        F.count("*").alias("records"),
        F.count_if(F.col(FATE) == "withdrawn").alias("withdrawn"),
        F.count_if(F.col(FATE) == "broken").alias("broken"),
        (F.count_if(is_whole) - F.count_distinct(F.when(is_whole, F.col(EVENT_ID)))).alias("duplicates"),
        F.count_distinct(F.when(is_whole, F.col(EVENT_ID))).alias("events"),
        F.count_if(is_whole & is_late()).alias("late"),
    )
    return [row.asDict() for row in found.collect()]


def _check_conservation(spark: SparkSession, lab: Lab, balance: Sequence[dict[str, Any]], days: Sequence[date]) -> None:
    """What was counted among the records is what lies in the table, by day and kind."""
    rows = _of(read(spark, lab, EVENTS), days).groupBy("event_date", "kind").count().collect()
    written = {(row["event_date"], row["kind"]): row["count"] for row in rows}
    counted = {(entry["event_date"], entry["kind"]): entry["events"] for entry in balance if entry["events"]}
    if written != counted:
        wrong = sorted(f"{kind} of {day}" for day, kind in written.keys() | counted.keys())
        wrong = [name for name in wrong if name not in _equal(written, counted)]
        raise LabError(
            f"events are not conserved: {', '.join(wrong[:5])} in {EVENTS.full_name} differ from the records",
            remedy="Run again; when it stays so, compute everything anew with full_refresh",
        )


def _equal(one: dict[tuple[date, str], int], other: dict[tuple[date, str], int]) -> set[str]:
    return {f"{kind} of {day}" for (day, kind), count in one.items() if other.get((day, kind)) == count}


def _write_balance(lab: Lab, balance: Sequence[dict[str, Any]], days: Sequence[date] | None) -> None:
    rows = pa.Table.from_pylist(list(balance), schema=arrow_schema(DAY_BALANCE))
    path = delta_path(lab, DAY_BALANCE)
    write_deltalake(path, rows, mode="overwrite", predicate=None if days is None else _sql_on(days))


def _settled_until(newest_ms: int) -> datetime:
    """Minutes before it are complete but for what is late, when records have landed up to the newest arrival."""
    return datetime.fromtimestamp((newest_ms - LATENESS_MS) // MINUTE_MS * MINUTE_MS / 1000, UTC)


def _happened_on(log: DataFrame, days: Sequence[date]) -> DataFrame:
    """Records of these days; the bounds let Delta leave out the files of others."""
    happened = F.col("happened_at")
    if days:
        log = log.where((happened >= F.lit(days[0])) & (happened < F.lit(days[-1] + timedelta(days=1))))
    return log.where(_on(days, F.to_date(happened)))


def _by_day(rows: DataFrame) -> DataFrame:
    return rows.repartition("event_date")


def _of(rows: DataFrame, days: Collection[date] | None) -> DataFrame:
    return rows if days is None else rows.where(_on(days, F.col("event_date")))


def _on(days: Collection[date], column: Column) -> Column:
    return column.isin(*sorted(days)) if days else F.lit(False)


def _sql_on(days: Collection[date]) -> str:
    return "event_date IN (" + ", ".join(f"DATE '{day}'" for day in sorted(days)) + ")"
