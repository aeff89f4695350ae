"""Empty what streams read and write: `python -m quintet.ecommerce.emptying`, in the environment `streaming`.

The streams must be stopped. The capture of the price list is stopped and forgets where it was, and the list is emptied:
what was announced and not captured yet does not come later, and the next versions are captured from the first one on.
Records of the topics are deleted, and so are dead letters; the places of those that come next go on from there, so that
no reader is led astray. Tables of the lake are dropped, those that are served emptied.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from quintet.call import tell
from quintet.catalogue.ecommerce import ECOMMERCE_TABLES, ECOMMERCE_TOPICS, SLUG
from quintet.catalogue.model import Cleanup, Layer, Topic
from quintet.ecommerce import capture, serving
from quintet.ecommerce.progress import ends
from quintet.ecommerce.sent import EMPTIED, RECORD
from quintet.lake.trino import connect, query
from quintet.runs import record
from quintet.settings import Lab, load_lab
from quintet.streams.errors import TopicError
from quintet.streams.topics import ANSWER, admin, provide, settings_of

__all__ = ["empty", "main"]

#: Seconds until a broker is asked again.
PAUSE = 0.2


def empty(lab: Lab) -> dict[str, Any]:
    """Empty everything; {"records": deleted, "tables": dropped}.

    Raises:
        CaptureError: the capture does not stop.
        ServiceDownError: a service does not answer.
        TopicError: the broker refuses.

    """
    provide(lab, ECOMMERCE_TOPICS)
    # Before the topics: what came after they were emptied would be of the input before.
    capture.stop_and_empty(lab)
    serving.empty(lab)
    connection = connect(lab)
    dropped = [table.full_name for table in ECOMMERCE_TABLES if table.layer is Layer.SILVER]
    try:
        for name in dropped:
            query(connection, f"DROP TABLE IF EXISTS {name}")
    finally:
        connection.close()
    deleted = _delete_records(lab, ECOMMERCE_TOPICS)
    record.write(lab, SLUG, RECORD, {"state": EMPTIED})
    return {"records": deleted, "tables": dropped}


def main() -> int:
    """Entry of the module."""
    return tell(lambda: empty(load_lab()))


def _delete_records(lab: Lab, topics: Iterable[Topic]) -> int:
    """Delete every record, as the administrator: the programs' user may not; how many places that were."""
    client = admin(lab, user=str(lab.options["kafka"]["admin"]))
    wanted = list(topics)
    places = {
        **ends(lab, wanted),
        **ends(lab, [_dead_letters(topic) for topic in wanted if topic.has_dead_letters]),
    }
    compacted = [topic for topic in wanted if topic.cleanup is Cleanup.COMPACT]
    try:
        try:
            for topic in compacted:
                # Of a topic that is compacted only, no record may be deleted.
                _configure(client, topic, "compact,delete")
            _delete(client, [TopicPartition(*place, high) for place, (_, high) in places.items() if high])
        finally:
            for topic in compacted:
                _configure(client, topic, settings_of(topic)["cleanup.policy"])
    except KafkaException as error:
        raise TopicError(f"the topics could not be emptied: {error.args[0].str()}") from error
    return sum(high - low for low, high in places.values())


def _delete(client: AdminClient, until: list[TopicPartition]) -> None:
    """Delete what is before each place. A broker says yes to new settings of a topic before it follows them."""
    end = time.monotonic() + ANSWER
    while True:
        try:
            for done in client.delete_records(until).values():
                done.result(ANSWER)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.POLICY_VIOLATION or time.monotonic() > end:
                raise
            time.sleep(PAUSE)
        else:
            return


def _dead_letters(topic: Topic) -> Topic:
    return Topic(topic.project, topic.dead_letters, topic.owner, topic.description)


def _configure(client: AdminClient, topic: Topic, policy: str) -> None:
    entry = ConfigEntry("cleanup.policy", policy, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic.name, incremental_configs=[entry])
    for done in client.incremental_alter_configs([resource]).values():
        done.result(ANSWER)


if __name__ == "__main__":
    sys.exit(main())
