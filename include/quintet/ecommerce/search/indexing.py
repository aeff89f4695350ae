"""The index of the lab: built from a catalogue beside the one in use, removed when the project is emptied."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from quintet.ecommerce.search.building import Index, build, in_use, remove, stock_of
from quintet.ecommerce.search.documents import Catalogue
from quintet.ecommerce.search.doors import search_door
from quintet.ecommerce.search.nodes import Nodes
from quintet.ecommerce.sent import sent_folder
from quintet.errors import InputError
from quintet.settings import Lab, load_lab

__all__ = ["build_index", "remove_index", "run"]

#: Folder of the catalogue in an input.
FOLDER = "catalogue"


def run(*, input_dir: str = "", full_refresh: str | bool = False) -> dict[str, Any]:
    """`build_index` for a task, over the catalogue of an input: of that which was sent last when none is given.

    The stock of such a catalogue is that before the first record of the topic. Raises as `build_index`.
    """
    lab = load_lab()
    folder = Path(input_dir) if input_dir else sent_folder(lab)
    if folder is None:
        raise InputError("no input was sent whose products could be indexed", remedy="Send one: quintet run ecommerce")
    is_fresh, is_fed = str(full_refresh) == "True", "streaming" in lab.profiles
    return build_index(lab, folder / FOLDER, fresh=is_fresh, is_fed=is_fed, replay=True)


def build_index(
    lab: Lab, catalogue: Path, *, fresh: bool = False, is_fed: bool = True, replay: bool = False
) -> dict[str, Any]:
    """Build a generation of the indices and move the aliases to it; counts and names.

    Args:
        lab: where OpenSearch and Kafka are.
        catalogue: folder of the catalogue's tables.
        fresh: take the stock of the catalogue; else that of the generation in use is taken over, where there is one.
        is_fed: whether a feed follows the topic of stock changes.
        replay: the catalogue's stock is that before the first record of the topic; else that of now.

    Raises:
        QuintetError: the catalogue, OpenSearch or Kafka.

    """
    begun = time.monotonic()
    with Nodes(search_door(lab, "writer")) as nodes:
        before = None if fresh else in_use(nodes)
        # Before the stock is read: what comes in between is applied once more, and counts once.
        offsets = _offsets(lab, before, replay=replay) if is_fed else {}
        built = build(
            nodes,
            Catalogue(catalogue),
            stock=stock_of(nodes, before.name) if before else None,
            offsets=offsets,
            epoch=before.epoch if before else None,
        )
    return {**asdict(built), "seconds": round(time.monotonic() - begun, 1)}


def remove_index(lab: Lab) -> dict[str, Any]:
    """Remove all generations of the indices; their names. Raises QuintetError: OpenSearch."""
    with Nodes(search_door(lab, "writer")) as nodes:
        return {"removed": remove(nodes)}


def _offsets(lab: Lab, before: Index | None, *, replay: bool) -> dict[int, int]:
    from confluent_kafka import Consumer

    from quintet.ecommerce.search.feed import consumer_settings, missing_from
    from quintet.streams.clients import client_settings

    consumer = Consumer(consumer_settings(client_settings(lab)))
    try:
        return missing_from(consumer, before, replay=replay)
    finally:
        consumer.close()
