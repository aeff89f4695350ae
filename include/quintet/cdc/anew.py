"""Have a source forget where it has got to: it begins with what is in its tables then."""

from __future__ import annotations

from quintet.catalogue import ChangeSource
from quintet.cdc import connector, slots
from quintet.cdc.connect import Connect
from quintet.settings import Lab

__all__ = ["forget"]

#: Seconds until a connector has stopped.
STOP = 120


def forget(lab: Lab, source: ChangeSource) -> None:
    """Stop the source's connector, forget its place, and drop what is left of its slot; `connector.deploy` starts it.

    Nothing that was not captured yet comes later; it may be repeated, and nothing happens where there is no connector.

    Raises:
        CaptureError: the connector does not stop.
        ServiceDownError: Connect or PostgreSQL does not answer.

    """
    connect, name = Connect.of(lab), connector.name_of(source)
    if connect.config(name) is not None:
        connect.stop(name)
        connector.wait_for(
            lambda: (state := connect.state(name)) is not None and state.connector == "STOPPED" and not state.tasks,
            f"the end of the connector {name}",
            seconds=STOP,
        )
        connect.forget_offsets(name)
    slots.drop(lab, source)
