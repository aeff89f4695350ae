"""The versions of every entity, computed from its whole change log.

Nothing depends on the order in which changes arrived: a change that comes late takes its place by the time it took
effect. Running it over all changes of an entity therefore always gives the same versions, so that an incremental run
may recompute the touched entities only.

Source: own derivation; types as in Kimball and Ross, The Data Warehouse Toolkit, 3rd edition, chapter 5.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pyspark.sql import Column, DataFrame, Window, WindowSpec
from pyspark.sql import functions as F

__all__ = ["Attributes", "history"]


@dataclass(frozen=True)
class Attributes:
    """What becomes of a change in each attribute.

    Type 1 is overwritten in all versions; a change in type 2 starts a version; `type3` maps the name of a column to
    the attribute whose value before its latest change it holds, in all versions.
    """

    type1: tuple[str, ...] = ()
    type2: tuple[str, ...] = ()
    type3: Mapping[str, str] = field(default_factory=dict)


def history(
    changes: DataFrame,
    *,
    key: str,
    effective_at: str,
    sequence: tuple[str, ...],
    attributes: Attributes,
    deleted: str,
    surrogate: str,
) -> DataFrame:
    """Versions of each entity, from its first change on.

    A change carries the whole state of its entity. Of several changes of an entity at one instant the one with the
    highest `sequence` counts. A run of changes that leave type 2 attributes and deletion as they are is one version.
    A deletion keeps the last state and starts a version that says so; a change after it starts another one.

    Args:
        changes: the change log of the entities, complete for each of them; key and time are not null.
        key: column that identifies an entity.
        effective_at: column with the time a change took effect.
        sequence: columns that order changes of one instant; nulls first.
        attributes: the attributes by type.
        deleted: boolean column, true for a deletion, whose attributes are not looked at.
        surrogate: name of the surrogate key.

    Shapes: out: surrogate (string, SHA-256 hex of `key|valid_from`), key, type 1, type 2 and type 3 attributes,
    valid_from, valid_to (timestamp, exclusive; null: without end), is_current, is_deleted (boolean).
    Units: valid_from is written into the surrogate as `yyyy-MM-dd HH:mm:ss[.ffffff]` of the session's time zone.
    """
    timeline = Window.partitionBy(key).orderBy("_at")
    states = _states(changes, key, effective_at, sequence, attributes, deleted, timeline)
    versions = states.select("*", _starts_version(attributes, timeline).alias("_starts")).where("_starts")
    valid_to = F.lead("_at").over(timeline)
    return versions.select(
        F.sha2(F.concat_ws("|", F.col(key).cast("string"), F.col("_at").cast("string")), 256).alias(surrogate),
        key,
        *(F.col(f"_latest.{name}").alias(name) for name in attributes.type1),
        *(F.col(f"_state.{name}").alias(name) for name in attributes.type2),
        *attributes.type3,
        F.col("_at").alias("valid_from"),
        valid_to.alias("valid_to"),
        valid_to.isNull().alias("is_current"),
        F.col("_deleted").alias("is_deleted"),
    )


def _states(
    changes: DataFrame,
    key: str,
    effective_at: str,
    sequence: tuple[str, ...],
    attributes: Attributes,
    deleted: str,
    timeline: WindowSpec,
) -> DataFrame:
    """One row an entity and instant: its state from then on, its latest state, and the type 3 values."""
    carried = [*dict.fromkeys((*attributes.type1, *attributes.type2, *attributes.type3.values()))]
    change = F.struct(*carried, F.col(deleted).alias("_deleted"))
    # The change itself is the last resort of the order, so that the result is the same in every run.
    order = F.struct(*(F.col(name) for name in sequence), change)
    instants = changes.groupBy(key, F.col(effective_at).alias("_at")).agg(F.max_by(change, order).alias("_change"))
    own = F.struct(*(F.col(f"_change.{name}").alias(name) for name in carried))
    told = F.when(~F.col("_change._deleted"), own)
    so_far = timeline.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    states = instants.select(
        key,
        "_at",
        F.col("_change._deleted").alias("_deleted"),
        F.coalesce(F.last(told, ignorenulls=True).over(so_far), own).alias("_state"),
    )
    entity = timeline.rowsBetween(Window.unboundedPreceding, Window.unboundedFollowing)
    befores = states.select(
        "*",
        F.last("_state").over(entity).alias("_latest"),
        *(_replaced(attribute, timeline).alias(f"_{name}") for name, attribute in attributes.type3.items()),
    )
    previous = {name: F.last(f"_{name}", ignorenulls=True).over(entity)["value"] for name in attributes.type3}
    return befores.select(
        key, "_at", "_deleted", "_state", "_latest", *(value.alias(name) for name, value in previous.items())
    )


def _replaced(attribute: str, timeline: WindowSpec) -> Column:
    """The value that a change of the attribute replaced, in a struct because it may be null; null: no change."""
    value, before = F.col(f"_state.{attribute}"), F.lag(f"_state.{attribute}").over(timeline)
    is_first = F.lag("_at").over(timeline).isNull()
    return F.when(~is_first & ~value.eqNullSafe(before), F.struct(before.alias("value")))


def _starts_version(attributes: Attributes, timeline: WindowSpec) -> Column:
    """Whether type 2 attributes or deletion differ from the state before."""
    observed = F.struct("_deleted", *(F.col(f"_state.{name}").alias(name) for name in attributes.type2))
    return ~observed.eqNullSafe(F.lag(observed).over(timeline))
