"""Questions about a history: the state at a time, the version an event met, the path through a hierarchy."""

from __future__ import annotations

from datetime import datetime

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from quintet.errors import QuintetError

__all__ = ["as_of", "join_as_of", "paths"]

#: Levels that `paths` climbs at most, each of them a join.
MAX_LEVELS = 32


def as_of(history: DataFrame, at: datetime | Column) -> DataFrame:
    """Versions that were valid at an instant, deleted ones left out.

    Args:
        history: as `quintet.scd.history` gives it.
        at: the instant; a datetime must carry its time zone.

    """
    if isinstance(at, datetime):
        if at.tzinfo is None:
            raise QuintetError(f"the time {at} has no time zone", remedy="Give one, for example UTC")
        instant = F.lit(at.isoformat()).cast("timestamp")
    else:
        instant = at
    return history.where(_is_valid(instant) & ~F.col("is_deleted"))


def join_as_of(events: DataFrame, history: DataFrame, *, key: str, at: str, columns: tuple[str, ...]) -> DataFrame:
    """Events with columns of the version of their entity that was valid at the event's time.

    Every event stays one row, because the versions of an entity do not overlap; the columns are null for an event
    before its entity's first version or of an unknown entity. A deleted version counts: the event did meet it.
    """
    versions = history.select(F.col(key).alias("_key"), "valid_from", "valid_to", *columns)
    is_met = (F.col(key) == F.col("_key")) & _is_valid(F.col(at))
    return events.join(versions, on=is_met, how="left").select(*(F.col(name) for name in events.columns), *columns)


def paths(members: DataFrame, *, key: str, parent: str) -> DataFrame:
    """Path from the root to each member of a parent-child hierarchy.

    `members` is one state of it (`as_of` of its history). A parent that is no member ends the path like no parent.

    Shapes: out: key, `path` (array of keys, root first, the member last), `level` (integer, 1 for a root).

    Raises:
        QuintetError: there is a cycle, or more than `MAX_LEVELS` levels.

    """
    edges = members.select(F.col(key).alias("_child"), F.col(parent).alias("_parent"))
    open_paths = members.select(key, F.array(key).alias("path"), F.col(parent).alias("_next"))
    done = open_paths.select(key, "path", F.size("path").alias("level")).limit(0)
    for _ in range(MAX_LEVELS):
        climbed = open_paths.join(edges, on=F.col("_next") == F.col("_child"), how="left").localCheckpoint()
        ended = climbed.where(F.col("_child").isNull()).select(key, "path", F.size("path").alias("level"))
        done = done.union(ended)
        going_on = climbed.where(F.col("_child").isNotNull())
        _refuse(going_on.where(F.array_contains("path", F.col("_child"))), "is in a cycle", key, parent)
        longer = F.concat(F.array("_child"), F.col("path")).alias("path")
        open_paths = going_on.select(key, longer, F.col("_parent").alias("_next"))
        if open_paths.isEmpty():
            break
    _refuse(open_paths, f"has more than {MAX_LEVELS} levels", key, parent)
    return done


def _refuse(members: DataFrame, what: str, key: str, parent: str) -> None:
    named = ", ".join(str(row[key]) for row in members.select(key).orderBy(key).take(5))
    if named:
        raise QuintetError(
            f"the hierarchy of {key} by {parent} {what} at {named}", remedy=f"Correct {parent} of these members"
        )


def _is_valid(instant: Column) -> Column:
    is_open = F.col("valid_to").isNull() | (instant < F.col("valid_to"))
    return (F.col("valid_from") <= instant) & is_open
