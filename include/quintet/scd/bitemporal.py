"""History in two times, computed from a change log: when a state held, and when it was known.

A change says: from its valid time on the entity is like this, until the next valid time that is known. A change that is
told late, or that corrects what was told before, moves only what is known from then on: what a question of an earlier
time was answered with can be answered again.

Source: own derivation; terms as in Snodgrass, Developing Time-Oriented Database Applications in SQL, chapter 10.
"""

from __future__ import annotations

from datetime import datetime

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from quintet.errors import QuintetError

__all__ = ["as_of_both", "history_in_two_times"]


def history_in_two_times(
    changes: DataFrame,
    *,
    key: str,
    valid_at: str,
    known_at: str,
    sequence: str,
    attributes: tuple[str, ...],
    deleted: str,
) -> DataFrame:
    """Rectangles of valid and known time of each entity; for any instant in both times there is at most one.

    Args:
        changes: the change log of the entities, complete for each of them; each carries the whole state.
        key: column that identifies an entity.
        valid_at: column with the time from which on the state holds.
        known_at: column with the time since when it was known; of changes of one instant the last by `sequence` counts.
        sequence: column that orders the changes of an entity as they became known.
        attributes: columns of the state.
        deleted: boolean column, true for a deletion.

    Shapes: out: key, attributes, is_deleted (boolean), valid_from, valid_to, known_from, known_to (timestamp; the ends
    exclusive, null: without end).
    """
    events = _numbered(changes, key, valid_at, known_at, sequence, attributes, deleted)
    other = events.select(
        F.col(key).alias("_other_key"), *(F.col(name).alias(f"_other{name}") for name in ("_valid", "_known", "_n"))
    )
    is_later = F.col("_other_n") > F.col("_n")
    # What bounds an event: those of a later valid time, and the event that replaces it, which has the same valid time.
    bounds = (F.col("_other_valid") > F.col("_valid")) | (
        (F.col("_other_valid") == F.col("_valid")) & (F.col("_other_n") >= F.col("_n"))
    )
    pairs = events.join(other, on=(F.col(key) == F.col("_other_key")) & bounds, how="inner")
    steps = pairs.groupBy(key, "_n", "_valid", "_state", F.greatest("_n", "_other_n").alias("_m")).agg(
        F.max(F.when(is_later, F.col("_other_known")).otherwise(F.col("_known"))).alias("_from"),
        F.min(F.when(F.col("_other_valid") > F.col("_valid"), F.col("_other_valid"))).alias("_end"),
        F.max(is_later & (F.col("_other_valid") == F.col("_valid"))).alias("_replaced"),
    )
    ordered = Window.partitionBy(key, "_n").orderBy("_m")
    so_far = ordered.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    bounded = steps.select(
        "*",
        F.min("_end").over(so_far).alias("_to"),
        F.coalesce(F.max("_replaced").over(ordered.rowsBetween(Window.unboundedPreceding, -1)), F.lit(False)).alias(
            "_gone"
        ),
    ).where(~F.col("_gone"))
    is_first = F.lag("_m").over(ordered).isNull()
    moved = bounded.select(
        "*", (is_first | F.col("_replaced") | ~F.col("_to").eqNullSafe(F.lag("_to").over(ordered))).alias("_moved")
    ).where("_moved")
    closed = moved.select("*", F.lead("_from").over(ordered).alias("_until")).where(~F.col("_replaced"))
    # Steps of one instant were never seen apart.
    seen = closed.where(F.col("_until").isNull() | (F.col("_from") < F.col("_until")))
    return seen.select(
        key,
        *(F.col(f"_state.{name}").alias(name) for name in attributes),
        F.col("_state._deleted").alias("is_deleted"),
        F.col("_valid").alias("valid_from"),
        F.col("_to").alias("valid_to"),
        F.col("_from").alias("known_from"),
        F.col("_until").alias("known_to"),
    )


def as_of_both(history: DataFrame, *, valid: datetime, known: datetime) -> DataFrame:
    """States that held at one instant, as they were known at another; deleted entities left out.

    Raises:
        QuintetError: an instant has no time zone.

    """
    for given in (valid, known):
        if given.tzinfo is None:
            raise QuintetError(f"the time {given} has no time zone", remedy="Give one, for example UTC")
    found = history.where(~F.col("is_deleted"))
    for name, instant in (("valid", valid), ("known", known)):
        at = F.lit(instant.isoformat()).cast("timestamp")
        begins, ends = F.col(f"{name}_from"), F.col(f"{name}_to")
        found = found.where((begins <= at) & (ends.isNull() | (at < ends)))
    return found


def _numbered(
    changes: DataFrame,
    key: str,
    valid_at: str,
    known_at: str,
    sequence: str,
    attributes: tuple[str, ...],
    deleted: str,
) -> DataFrame:
    """Changes of an entity, numbered as they became known; one that tells what is known already is left out."""
    state = F.struct(*attributes, F.col(deleted).alias("_deleted"))
    events = changes.select(
        key,
        F.col(valid_at).alias("_valid"),
        F.col(known_at).alias("_known"),
        F.col(sequence).alias("_s"),
        state.alias("_state"),
    )
    same_instant = Window.partitionBy(key, "_valid").orderBy("_s")
    news = events.select("*", F.lag("_state").over(same_instant).alias("_before")).where(
        F.col("_before").isNull() | ~F.col("_state").eqNullSafe(F.col("_before"))
    )
    numbered = F.row_number().over(Window.partitionBy(key).orderBy("_s"))
    return news.select(key, "_valid", "_known", "_state", numbered.alias("_n"))
