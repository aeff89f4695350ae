"""Tell that gold was published: a record in Kafka where the lab has it, and the answer that tells Airflow's asset.

Which publication of a table was told last is noted (`<data>/runs/lakehouse/told/`), after it was told: one that was
published by a run that was killed then is told by the next, and one may be told twice.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from quintet.catalogue import Topic
from quintet.catalogue.published import GOLD_PUBLISHED, SLUG
from quintet.settings import Lab, load_lab

__all__ = ["tell"]


def tell(*, publication: dict[str, Any], topic: Topic = GOLD_PUBLISHED) -> dict[str, Any]:
    """Tell a publication, as `publish` returns it, unless it is the one told last; {"changed", "publication_id"}.

    Raises:
        ServiceDownError: Kafka or the registry does not answer.
        RegistryError: the registry refuses the schema, or is out of order.
        TopicError: the topic does not take the record.

    """
    lab = load_lab()
    table, identity = publication["table"], publication["publication_id"]
    note = lab.path("data") / "runs" / SLUG / "told" / f"{table}.json"
    if _told(note) == identity:
        return {"changed": False, "publication_id": identity}
    if "kafka" in lab.options:
        _send(lab, topic, publication)
    note.parent.mkdir(parents=True, exist_ok=True)
    part = note.with_suffix(".part")
    part.write_text(json.dumps({"publication_id": identity}), encoding="utf-8")
    part.replace(note)
    return {"changed": True, "publication_id": identity}


def _told(note: Path) -> str | None:
    try:
        return str(json.loads(note.read_text(encoding="utf-8"))["publication_id"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def _send(lab: Lab, topic: Topic, publication: dict[str, Any]) -> None:
    # Not at the top: an environment without Kafka's client tells in a lab without Kafka.
    from quintet.contracts import read_contracts
    from quintet.streams.producer import ContractedProducer
    from quintet.streams.schemas import value_schema
    from quintet.streams.topics import provide

    provide(lab, [topic])
    record = {column.name: publication[column.name] for column in topic.columns}
    record["published_at"] = datetime.fromisoformat(publication["published_at"])
    producer = ContractedProducer(lab, topic, read_contracts()[GOLD_PUBLISHED.name], value_schema(topic))
    producer.put(record)
    producer.flush()
