"""Landing of the shop's events: five topics into the event log, every record that can be read once.

What cannot be read goes to the dead letters of its topic; a record that breaks a rule lands, the gate says so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from confluent_kafka import Message

from quintet import alerts
from quintet.catalogue.ecommerce import EVENT_TOPICS, SLUG
from quintet.catalogue.ecommercebatch import EVENT_LOG
from quintet.cdc.errors import ChangeError
from quintet.cdc.landing import Landed, Source, judge_by, land_topics, raise_held
from quintet.cdc.records import Decoder
from quintet.contracts import read_contracts
from quintet.ecommerce.batch.rows import Row, as_row
from quintet.settings import Lab, lab_of
from quintet.streams.registry import Registry

__all__ = ["land_events", "raise_held", "row_maker", "run"]

#: Source of the alert about records that cannot be read.
LANDING = "landing"
_COMMAND = "quintet run ecommerce"


def land_events(lab: Lab) -> Landed:
    """Land everything that is in the topics when this begins.

    Raises:
        ServiceDownError: the broker or the registry does not answer; what was committed before stays.
        CaptureError: a topic is missing, or was made anew since the last landing.
        LandingError: others write the log without end.

    """
    decoder = Decoder(Registry.of(lab), judge_by(read_contracts()))
    source = Source(f"{SLUG}-land-events", list(EVENT_TOPICS.values()), row_maker(decoder), _COMMAND)
    return land_topics(lab, source, EVENT_LOG)


def row_maker(decoder: Decoder) -> Callable[[Message], Row]:
    """What makes a row of the log of a record; it raises ChangeError for one that cannot be read."""
    kinds = {topic.name: kind for kind, topic in EVENT_TOPICS.items()}

    def row(message: Message) -> Row:
        topic, value = message.topic(), message.value()
        if value is None:
            raise ChangeError("null-value", "the record has no value, and nothing is deleted here")
        number, fields = decoder.record(topic, value)
        return as_row(
            kinds[topic],
            fields,
            arrived_ms=message.timestamp()[1],
            schema_id=number,
            partition=message.partition(),
            offset=message.offset(),
        )

    return row


def run(*, run_id: str = "", lab_file: str | None = None) -> dict[str, Any]:
    """`land_events` for a task: counts; an alert tells of what could not be read, until all can. Raises as it."""
    lab = lab_of(lab_file)
    landed = land_events(lab)
    if not landed.dead_letters:
        alerts.clear(lab, project=SLUG, sources=[LANDING], run_id=run_id)
    else:
        alerts.warn(
            lab,
            source=LANDING,
            project=SLUG,
            run_id=run_id,
            title=f"{landed.dead_letters.total()} records of the shop's topics cannot be read",
            detail=", ".join(f"{count} x {reason}" for reason, count in sorted(landed.dead_letters.items())),
            remedy=f"Look: quintet deadletters list {SLUG}",
        )
    return landed.as_json()
