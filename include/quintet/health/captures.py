"""Connectors that capture changes of databases, for `quintet doctor`: each runs, or was never deployed."""

from __future__ import annotations

from quintet.catalogue import PROJECTS
from quintet.cdc import connector
from quintet.cdc.connect import Connect
from quintet.cdc.errors import CaptureError
from quintet.errors import ServiceDownError
from quintet.settings import Lab

__all__ = ["ask_captures"]


def ask_captures(lab: Lab, _timeout: float) -> str:
    """State of the connector of every source of the catalogue.

    Raises:
        CaptureError: one has failed; the message holds the first cause.
        ServiceDownError: Kafka Connect does not answer.

    """
    found = []
    for source in (source for project in PROJECTS for source in project.sources):
        name = connector.name_of(source)
        try:
            state = Connect.of(lab).state(name)
        except ServiceDownError as error:
            raise ServiceDownError(error.message, remedy="Read: quintet logs connect") from error
        if state is not None and state.has_failed:
            raise CaptureError(
                f"the connector {name} has failed: {state.trace}", remedy=connector.remedy_for(state.trace, source)
            )
        found.append(f"{name} {state.connector if state else 'not deployed'}")
    return ", ".join(found)
