"""Whether a capture is well: its connector runs, and its slot holds back no more of the log than it should."""

from __future__ import annotations

from typing import Any

from quintet import alerts
from quintet.catalogue import ChangeSource
from quintet.cdc import connector, slots
from quintet.cdc.errors import CaptureError
from quintet.contracts import ContractError
from quintet.settings import Lab

__all__ = ["HELD", "check"]

#: Source of the alert that is open while a slot holds back too much.
HELD = "slot"


def check(lab: Lab, source: ChangeSource, *, run_id: str = "") -> dict[str, Any]:
    """State of connector and slot; one alert is open while the slot is a worry.

    Raises:
        CaptureError: there is no connector, it has failed, or its slot is lost.
        ContractError: the registry refuses the schema of a table.
        ServiceDownError: PostgreSQL or Connect does not answer.

    """
    state, slot = connector.state_of(lab, source), slots.slot_of(lab, source)
    if slot is not None:
        _tell_held(lab, source, slot, run_id)
    if slot is not None and slot.is_lost:
        raise CaptureError(
            f"the slot {slot.name} is lost", remedy=f"Begin anew: quintet capture recover {source.project}"
        )
    if state.has_failed:
        for table in source.tables:
            # The registry's refusal names the subject.
            if table.topic.subject in state.trace:
                raise ContractError(
                    table.topic.name,
                    table.topic.owner,
                    [f"the schema of the table {table.name} is refused by the registry: {state.trace}"],
                    remedy=f"{table.topic.owner} takes the change back, then: quintet capture recover {source.project}",
                )
        raise CaptureError(
            f"the connector {connector.name_of(source)} has failed: {state.trace}",
            remedy=connector.remedy_for(state.trace, source),
        )
    return {"connector": state.connector, "tasks": list(state.tasks), **(slot.as_json() if slot else {"slot": None})}


def _tell_held(lab: Lab, source: ChangeSource, slot: slots.Slot, run_id: str) -> None:
    if not slot.is_worrying:
        alerts.clear(lab, project=source.project, sources=[HELD], run_id=run_id)
        return
    told = (entry.alert for entry in alerts.read(lab) if entry.is_open)
    if slot.is_lost or any((alert.source, alert.project) == (HELD, source.project) for alert in told):
        return
    alerts.warn(
        lab,
        source=HELD,
        project=source.project,
        run_id=run_id,
        title=f"the capture holds back the log of the database {source.database}",
        detail=f"slot {slot.name}: {slot.held >> 20} MB of {(slot.allowed or 0) >> 20} MB that it may",
        remedy=f"Start what reads it (quintet capture show {source.project}): beyond the limit it loses its place",
    )
