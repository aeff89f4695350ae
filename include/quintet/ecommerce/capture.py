"""The capture of the shop's price list: made, and made to forget where it has got to."""

from __future__ import annotations

from typing import Any

from quintet.catalogue.ecommerce import PRICE_LIST
from quintet.cdc import connector
from quintet.cdc.anew import forget
from quintet.ecommerce import pricelist
from quintet.settings import Lab
from quintet.streams.registry import Registry
from quintet.streams.topics import provide

__all__ = ["RULE", "begin_anew", "deploy", "stop_and_empty"]

#: What a new version of the schema must keep: whoever reads by it can read what was written before.
RULE = "BACKWARD"


def deploy(lab: Lab) -> dict[str, Any]:
    """Make what is missing: price list, topics, the schema's rule, the connector, which runs then.

    Raises:
        CaptureError: the connector does not start.
        ServiceDownError: a service does not answer.
        TopicError: a topic is not as declared.

    """
    pricelist.provide(lab)
    provided = provide(lab, PRICE_LIST.topics)
    registry = Registry.of(lab)
    ruled = [topic.subject for topic in PRICE_LIST.topics if topic.key and registry.require(topic.subject, RULE)]
    done = connector.deploy(lab, PRICE_LIST)
    return {"topics_created": list(provided.created), "rules_set": ruled, "connector": done}


def stop_and_empty(lab: Lab) -> None:
    """Stop the capture, have it forget where it was, and empty the price list: `deploy` begins with what is there then.

    What was announced and not yet captured is gone with it, and none of it comes later.

    Raises:
        CaptureError: the connector does not stop.
        ServiceDownError: a service does not answer.

    """
    forget(lab, PRICE_LIST)
    pricelist.empty(lab)


def begin_anew(lab: Lab) -> None:
    """Have every version captured again, whatever the capture knows: nothing of an append-only list can be missed.

    Raises as `stop_and_empty` and `deploy`.
    """
    forget(lab, PRICE_LIST)
    deploy(lab)
