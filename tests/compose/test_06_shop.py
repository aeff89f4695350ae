"""The shop on five nodes: a search node and a broker are killed while it is asked and while it takes events.

Available is what was answered well of what was asked at its time; the bar is 999 of 1,000.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.compose.nodes import Nodes

pytestmark = pytest.mark.compose

#: The node of the service; the node whose server is killed, and the seconds after which it is.
SHOP, VICTIM, KILLED_AFTER = "cpu-node2", "worker-node3", 20
#: Requests and events a second, and for how many seconds.
RATE, SECONDS = 20, 90
AVAILABLE = 0.999

#: An index of two thousand products.
BUILD = """
from pathlib import Path
from tempfile import TemporaryDirectory
from quintet.ecommerce.generator import Scale, write_catalogue
from quintet.ecommerce.search.indexing import build_index
from quintet.ecommerce.simulation import Simulation
from quintet.settings import load_lab

shop = Simulation(11, 1_735_689_600_000, 1_735_693_200_000, Scale(products=2000, users=50)).shop
with TemporaryDirectory() as folder:
    write_catalogue(Path(folder), shop)
    print(build_index(load_lab(), Path(folder) / "catalogue", is_fed=False)["products"])
"""

#: Searches at their times, whether or not earlier ones were answered; how many, how many failed, the longest.
ASK = f"""
import asyncio, json, time
import httpx
from quintet.settings import load_lab

lab = load_lab()
url, key = lab.endpoint("shop").url, lab.secret("shop_reader")
words = ("sofa", "lamp", "chair", "table", "red shoes")
took, failed = [], []

async def one(client, due, number):
    try:
        answer = await client.get("/api/v1/search", params={{"q": words[number % len(words)]}})
        if answer.status_code != 200 or answer.json()["total"] < 1:
            failed.append(f"{{number}}: {{answer.status_code}} {{answer.text[:200]}}")
    except httpx.HTTPError as error:
        failed.append(f"{{number}}: {{error!r}}")
    took.append(time.monotonic() - due)

async def main():
    headers = {{"Authorization": f"Bearer {{key}}"}}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=20, trust_env=False) as client:
        begun = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            for number in range({RATE * SECONDS}):
                due = begun + number / {RATE}
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                tasks.create_task(one(client, due, number))

asyncio.run(main())
print(json.dumps({{"asked": len(took), "failed": failed, "longest_s": round(max(took), 2)}}))
"""

#: Events at their times into a topic of the drill, confirmed by two of three brokers; then what is in the topic.
SEND = f"""
import json, time
from confluent_kafka import Consumer, Producer, TopicPartition
from quintet.catalogue import Topic
from quintet.settings import load_lab
from quintet.streams.clients import bulk_reader_settings, client_settings
from quintet.streams.places import bounds
from quintet.streams.topics import provide

lab, name = load_lab(), "platform.drill.sent"
provide(lab, [Topic("platform", name, "platform", "What a drill sends", partitions=3, retention_hours=24)])
producer = Producer({{**client_settings(lab), "acks": "all", "enable.idempotence": True, "linger.ms": 5}})
reader = Consumer({{**bulk_reader_settings(lab), "group.id": "platform-drill"}})

def ends():
    return [TopicPartition(name, part, bounds(reader, TopicPartition(name, part), timeout=60)[1]) for part in range(3)]

first, failed, took = ends(), [], []

def told(number, due):
    def tell(error, _):
        took.append(time.monotonic() - due)
        if error is not None:
            failed.append(f"{{number}}: {{error.str()}}")
    return tell

begun, count = time.monotonic(), {RATE * SECONDS}
for number in range(count):
    due = begun + number / {RATE}
    while (left := due - time.monotonic()) > 0:
        producer.poll(min(left, 0.05))
    producer.produce(name, key=str(number), value=str(number), on_delivery=told(number, due))
waiting = producer.flush(150)
written = sum(last.offset - before.offset for before, last in zip(first, ends()))
reader.assign(first)
found, end = [], time.monotonic() + 60
while len(found) < written and time.monotonic() < end:
    found += [int(record.value()) for record in reader.consume(500, 1) if record.error() is None]
reader.close()
print(json.dumps({{
    "asked": count, "failed": failed, "waiting": waiting, "longest_s": round(max(took), 2),
    "lost": len(set(range(count)) - set(found)), "doubled": len(found) - len(set(found)),
}}))
"""


def program(nodes: Nodes, environment: str, text: str) -> str:
    """Output of a program in an environment of the shop's node, as the lab's user."""
    coded = base64.b64encode(text.encode()).decode()
    run = (
        "env QUINTET_LAB=/srv/quintet/config/lab.yaml setpriv --reuid quintet --regid quintet --init-groups"
        f" /srv/quintet/envs/{environment}/bin/python -"
    )
    return nodes.on(SHOP, f"cd /tmp && echo {coded} | base64 -d | {run}")


def while_killed(nodes: Nodes, service: str, work: Callable[[], str]) -> dict[str, Any]:
    """What a program tells during which a service of the victim is killed, once; it runs again afterwards."""
    before = nodes.units(VICTIM)[service]
    killing = f"sleep {KILLED_AFTER}; systemctl kill --signal=KILL quintet-{service}"
    nodes.on(VICTIM, f"nohup bash -c '{killing}' &>/dev/null &")
    told: dict[str, Any] = json.loads(work().splitlines()[-1])
    assert nodes.units(VICTIM).get(service) not in {None, before}, f"{service} of {VICTIM} was killed and started again"
    print(f"{service} of {VICTIM} killed: {told}")  # noqa: T201 - the figure
    return told


@pytest.fixture(scope="module")
def shop(nodes: Nodes) -> Nodes:
    """The lab with streams and search, which come to it in use where they were not there from the beginning."""
    nodes.need("streaming", "search")
    return nodes


def test_search_is_a_cluster_of_three(shop: Nodes) -> None:
    assert {name: set(shop.units(name)) for name in shop.names} == {name: shop.wanted(name) for name in shop.names}
    text = """
import json
from quintet.ecommerce.search.doors import search_door
from quintet.ecommerce.search.nodes import Nodes
from quintet.settings import load_lab
with Nodes(search_door(load_lab(), "reader")) as nodes:
    print(json.dumps(nodes.ask("GET", "/_cluster/health")))
"""
    health = json.loads(program(shop, "search", text))
    assert (health["status"], health["number_of_nodes"]) == ("green", 3)


def test_searches_are_answered_while_a_node_of_search_is_killed(shop: Nodes) -> None:
    assert program(shop, "search", BUILD).split()[-1] == "2000"
    told = while_killed(shop, "search", lambda: program(shop, "search", ASK))
    assert told["asked"] == RATE * SECONDS
    assert len(told["failed"]) <= (1 - AVAILABLE) * told["asked"], told


def test_events_are_taken_once_while_a_broker_is_killed(shop: Nodes) -> None:
    told = while_killed(shop, "kafka", lambda: program(shop, "streaming", SEND))
    assert told["waiting"] == 0
    assert len(told["failed"]) <= (1 - AVAILABLE) * told["asked"], told
    assert (told["lost"], told["doubled"]) == (len(told["failed"]), 0)


def test_a_second_run_with_search_changes_nothing_and_restarts_nothing(shop: Nodes) -> None:
    shop.play_again()
