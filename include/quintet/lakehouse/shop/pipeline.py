"""Steps of the capture of the shop's database, each a function for a task: prepare, check, land, tell what is held."""

from __future__ import annotations

from collections import Counter
from typing import Any

from quintet import alerts
from quintet.catalogue import topics
from quintet.catalogue.shop import SHOP, SHOP_CHANGES
from quintet.cdc import connector, health
from quintet.cdc.landing import land, raise_held
from quintet.contracts import read_contracts
from quintet.lakehouse.shop import schema
from quintet.settings import Lab, load_lab
from quintet.streams.deadletters import letters
from quintet.streams.registry import Registry
from quintet.streams.topics import provide

__all__ = ["DEAD_LETTERS", "check_capture", "land_changes", "prepare", "raise_held", "tell_dead_letters"]

#: What a new version of a table's schema must keep: whoever reads by it can read what was written before.
RULE = "BACKWARD"
#: Source of the alert that is open while dead letters wait.
DEAD_LETTERS = "dead-letters"
_REMEDY = "Look: quintet deadletters list lakehouse. Correct the cause, then: quintet deadletters replay"


def prepare(lab: Lab) -> dict[str, Any]:
    """Make what is missing: schema, topics, rules of the schemas, the connector. A call that finds all changes nothing.

    Subjects come with the first records of their tables; until the next call the registry's own rule holds for them.

    Raises:
        ServiceDownError: a service does not answer.
        CaptureError: the connector does not start.

    """
    schema.create(lab)
    provided = provide(lab, SHOP.topics)
    registry = Registry.of(lab)
    ruled = [topic.subject for topic in SHOP.topics if topic.key and registry.require(topic.subject, RULE)]
    done = connector.deploy(lab, SHOP)
    return {
        "topics_created": list(provided.created),
        "topics_changed": list(provided.changed),
        "rules_set": ruled,
        "connector": done,
    }


def check_capture(*, run_id: str = "") -> dict[str, Any]:
    """Whether the connector runs and its slot is well; an alert, and an error, where not.

    Raises:
        CaptureError: the connector has failed, or its slot is lost.
        ContractError: the registry refuses the schema of a table.
        ServiceDownError: PostgreSQL or Connect does not answer.

    """
    return health.check(load_lab(), SHOP, run_id=run_id)


def land_changes(*, run_id: str = "") -> dict[str, Any]:
    """Land what is in the topics; records that cannot be read are put aside and told in an alert.

    Raises:
        ServiceDownError: the broker or the registry does not answer.

    """
    lab = load_lab()
    landed = land(lab, SHOP, SHOP_CHANGES, read_contracts())
    if landed.dead_letters:
        what = ", ".join(f"{count} x {reason}" for reason, count in sorted(landed.dead_letters.items()))
        _warn(
            lab,
            "records of the shop's topics cannot be read",
            what,
            _REMEDY,
            run_id,
        )
    return landed.as_json()


def tell_dead_letters(*, run_id: str = "") -> dict[str, Any]:
    """Count the dead letters that wait, whoever put them aside; one alert is open for as long as there are any.

    Returns {"waiting": {"topic: reason": letters}}.

    Raises:
        TopicError: a topic cannot be read.

    """
    lab = load_lab()
    waiting = Counter(f"{letter.topic}: {letter.reason}" for letter in letters(lab, topics(SHOP.project)))
    if not waiting:
        alerts.clear(lab, project=SHOP.project, sources=[DEAD_LETTERS], run_id=run_id)
    elif not any(told.is_open and told.alert.source == DEAD_LETTERS for told in alerts.read(lab)):
        what = ", ".join(f"{count} x {reason}" for reason, count in sorted(waiting.items()))
        _warn(lab, "records of the project's topics wait as dead letters", what, _REMEDY, run_id, source=DEAD_LETTERS)
    return {"waiting": dict(sorted(waiting.items()))}


def _warn(lab: Lab, title: str, detail: str, remedy: str, run_id: str = "", *, source: str = "capture") -> None:
    alerts.warn(
        lab,
        source=source,
        project=SHOP.project,
        run_id=run_id,
        title=title,
        detail=detail,
        remedy=remedy,
    )
