"""Batch and speed layer agree: what was not late is equal in both, and where it is not the speed layer is repaired.

Both layers answer the same question by other engines from the same records: the batch layer keeps its figures by all
events, and once more by those that were not late. The latter must be the speed layer's, row by row, as soon as they are
settled: no prompt event of that time can come any more. A row that is missing in the speed layer, too much there or
other than it should be is put right, and everything is compared again. What late events change is in the batch
layer's figures, which readers get for all that is settled.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from quintet import alerts
from quintet.catalogue.ecommerce import KPI_COLUMNS, SESSIONS, SLUG
from quintet.catalogue.ecommercebatch import MINUTE_FIGURES, USER_SESSIONS
from quintet.ecommerce.batch.speed import LiveMinutes, LiveSessions
from quintet.ecommerce.batch.state import published
from quintet.ecommerce.definitions import SESSION_GAP_MS
from quintet.errors import LabError
from quintet.lake.tables import delta_path
from quintet.settings import Lab, lab_of

__all__ = ["Outcome", "Speed", "differences", "reconcile", "run"]

#: Source of the alert about a speed layer that had to be repaired.
RECONCILE = "reconcile"
#: Rows named in an alert.
_SHOWN = 5

#: Rows by their key.
Rows = dict[Hashable, tuple[Any, ...]]


class Speed(Protocol):
    """One table of the speed layer."""

    def read(self, until: datetime) -> Rows:
        """Its rows of before a moment, by their key."""

    def put(self, rows: Mapping[Hashable, tuple[Any, ...]]) -> None:
        """Write rows, in the place of those of the same key."""

    def drop(self, keys: Sequence[Hashable]) -> None:
        """Remove rows."""


@dataclass(frozen=True)
class Outcome:
    """How many rows were compared, and the keys of those that were missing, too much, or others."""

    compared: int = 0
    missing: tuple[Hashable, ...] = ()
    extra: tuple[Hashable, ...] = ()
    unequal: tuple[Hashable, ...] = field(default=())

    @property
    def wrong(self) -> tuple[Hashable, ...]:
        """Keys of all rows that differ."""
        return (*self.missing, *self.extra, *self.unequal)

    def as_json(self) -> dict[str, int]:
        """Counts."""
        return {
            "compared": self.compared,
            "missing": len(self.missing),
            "extra": len(self.extra),
            "unequal": len(self.unequal),
        }


def differences(batch: Mapping[Hashable, Any], speed: Mapping[Hashable, Any]) -> Outcome:
    """Compare the rows of both layers."""
    return Outcome(
        compared=len(batch),
        missing=tuple(key for key in batch if key not in speed),
        extra=tuple(key for key in speed if key not in batch),
        unequal=tuple(key for key, row in batch.items() if key in speed and speed[key] != row),
    )


def reconcile(name: str, batch: Mapping[Hashable, tuple[Any, ...]], speed: Speed, until: datetime) -> Outcome:
    """Compare, repair where it differs, and compare again; what differed at first.

    Raises:
        LabError: it still differs.

    """
    found = differences(batch, speed.read(until))
    if not found.wrong:
        return found
    speed.drop([*found.extra, *found.unequal])
    speed.put({key: batch[key] for key in (*found.missing, *found.unequal)})
    left = differences(batch, speed.read(until))
    if left.wrong:
        raise LabError(
            f"{len(left.wrong)} {name} of the speed layer differ from the batch layer's after their repair: "
            f"{_shown(left.wrong)}",
            remedy="Does its job write them at the same time? Look: quintet doctor. Then run again",
        )
    return found


def run(*, run_id: str = "", lab_file: str | None = None) -> dict[str, Any]:
    """Reconcile minutes and sessions; an alert tells what had to be repaired.

    Returns {"settled_until", "minutes": counts, "sessions": counts, "changed_by_late_events": minutes}.

    Raises:
        LabError: nothing is published yet, or a table still differs after its repair.
        ServiceDownError: PostgreSQL or Trino does not answer.

    """
    lab = lab_of(lab_file)
    last = published(lab)
    if not last.number:
        raise LabError("the batch layer has published nothing", remedy="Run ecommerce_build_batch first")
    # A session is over for the speed layer when the gap behind it has passed as well.
    closed = last.settled_until - timedelta(milliseconds=SESSION_GAP_MS)
    minutes = _minutes(lab, last.settled_until, "speed")
    outcomes = {
        "minutes": reconcile("minutes", minutes, LiveMinutes(lab), last.settled_until),
        "sessions": reconcile("sessions", _sessions(lab, closed), LiveSessions(lab), closed),
    }
    if any(outcome.wrong for outcome in outcomes.values()):
        _tell(lab, run_id, outcomes)
    corrected = differences(_minutes(lab, last.settled_until, "batch"), minutes)
    return {
        "settled_until": last.settled_until.isoformat(),
        **{name: outcome.as_json() for name, outcome in outcomes.items()},
        "changed_by_late_events": len(corrected.wrong),
    }


def _minutes(lab: Lab, until: datetime, view: str) -> Rows:
    names = ["minute", *(column.name for column in KPI_COLUMNS)]
    rows = _of_view(lab, MINUTE_FIGURES, view, names)
    return {minute: tuple(figures) for minute, *figures in rows if minute < until}


def _sessions(lab: Lab, until: datetime) -> Rows:
    names = [column.name for column in SESSIONS.columns]
    rows = _of_view(lab, USER_SESSIONS, "speed", names)
    ends = names.index("ends_at")
    return {(row[0], row[1]): tuple(row[2:]) for row in rows if row[ends] < until}


def _of_view(lab: Lab, table: Any, view: str, names: Sequence[str]) -> Iterator[Sequence[Any]]:
    import pyarrow as pa
    from deltalake import DeltaTable

    scan = DeltaTable(delta_path(lab, table)).scan(columns=list(names), predicate=f"view = '{view}'")
    columns = pa.table(scan).select(list(names)).to_pydict()
    yield from zip(*(columns[name] for name in names), strict=True)


def _tell(lab: Lab, run_id: str, outcomes: Mapping[str, Outcome]) -> None:
    wrong = {name: outcome for name, outcome in outcomes.items() if outcome.wrong}
    told = "; ".join(
        f"{name}: {len(outcome.missing)} missing, {len(outcome.extra)} too much, {len(outcome.unequal)} other "
        f"({_shown(outcome.wrong)})"
        for name, outcome in wrong.items()
    )
    alerts.warn(
        lab,
        source=RECONCILE,
        project=SLUG,
        run_id=run_id,
        title="the live figures differed from the batch layer's and were repaired",
        detail=told,
        remedy="Was the stream down for long, or deployed anew in between? Its log tells: quintet logs flink",
    )


def _shown(keys: Sequence[Hashable]) -> str:
    texts = [" ".join(map(str, key)) if isinstance(key, tuple) else str(key) for key in keys[:_SHOWN]]
    return ", ".join(texts) + (f" and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else "")
