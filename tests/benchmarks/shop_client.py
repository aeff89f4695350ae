"""Orders of a benchmark in the shop's database: `shop_client.py <verb> …`, in the environment `streaming`.

All of them have numbers from `FIRST` on, which no shop reaches, so that they can be told from others and taken away.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import closing
from typing import Any

from confluent_kafka import Consumer, TopicPartition
from measuring import percentiles

from quintet.catalogue.shop import ORDERS, SHOP, iceberg_copy
from quintet.cdc.database import connect
from quintet.cdc.records import Decoder
from quintet.lake.trino import connect as connect_trino
from quintet.lake.trino import query
from quintet.settings import Lab, load_lab
from quintet.streams.clients import client_settings
from quintet.streams.registry import Registry

__all__ = ["main"]

FIRST = 10**12
TABLE = iceberg_copy(ORDERS).full_name
#: Seconds for one answer of the broker, and until a stream has caught up.
ANSWER, PATIENCE = 30, 240
#: Seconds between two looks at the table in Iceberg: each of them takes a processor for a moment.
PAUSE = 2.0
_INSERT = (
    "insert into orders (order_id, customer_id, status, total, placed_at) select %s + g, 1 + g %% 200, 'placed', "
    "10.00 + g %% 1000, timestamptz '2026-01-01' + g * interval '1 second' from generate_series(%s::int, %s::int) g"
)


def latency(lab: Lab, rate: str, seconds: str) -> dict[str, Any]:
    """Commit orders one by one at a rate; milliseconds from each commit to the topic, and to the table in Iceberg."""
    count, pause = int(float(rate) * float(seconds)), 1 / float(rate)
    begun = time.time()
    watcher = _Watcher(lab, count)
    committed: dict[int, float] = {}
    with watcher, connect(lab, SHOP.database) as shop:
        for number in range(count):
            due = begun + number * pause
            time.sleep(max(0.0, due - time.time()))
            shop.execute(_INSERT, [FIRST, number, number])
            shop.commit()
            committed[FIRST + number] = time.time()
        watcher.wait()
    if len(watcher.seen) < count:
        raise RuntimeError(f"{len(watcher.seen)} of {count} orders came into the topic within {PATIENCE} s")
    visible = _visible_since(lab, committed, begun)
    return {
        "orders": count,
        "rate": float(rate),
        "topic_ms": percentiles(committed, watcher.seen),
        "iceberg_ms": percentiles(committed, visible),
    }


def bulk(lab: Lab, rows: str, transaction: str) -> dict[str, Any]:
    """Insert orders and update each of them, so many rows in a transaction."""
    total, size = int(rows), int(transaction)
    begun = time.time()
    with connect(lab, SHOP.database) as shop:
        for first in range(0, total, size):
            shop.execute(_INSERT, [FIRST, first, min(first + size, total) - 1])
            shop.commit()
        for first in range(0, total, size):
            shop.execute(
                "update orders set status = 'paid', updated_at = now() where order_id between %s and %s",
                [FIRST + first, FIRST + min(first + size, total) - 1],
            )
            shop.commit()
    return {"changes": 2 * total, "begun": begun, "ended": time.time()}


def clean(lab: Lab) -> dict[str, Any]:
    """Delete all orders of benchmarks; how many there were."""
    deleted, left = 0, 1
    with connect(lab, SHOP.database) as shop:
        while left:
            left = shop.execute(
                "delete from orders where order_id in (select order_id from orders where order_id >= %s limit 1000)",
                [FIRST],
            ).rowcount
            shop.commit()
            deleted += left
    return {"deleted": deleted}


def visible(lab: Lab, count: str, status: str) -> dict[str, Any]:
    """Wait until Iceberg shows so many of the orders in a state; when that was, in seconds since the epoch."""
    statement = f"select count(*) from {TABLE} where order_id >= {FIRST} and (status = ? or ? = '')"
    end = time.monotonic() + PATIENCE
    with closing(connect_trino(lab)) as trino:
        while query(trino, statement, [status, status]) != [[int(count)]]:
            if time.monotonic() > end:
                raise RuntimeError(f"{TABLE} does not show {count} orders {status} after {PATIENCE} s")
            time.sleep(PAUSE)
    return {"at": time.time()}


class _Watcher:
    """Notes when each order is in the topic, from when it is begun on."""

    def __init__(self, lab: Lab, count: int) -> None:
        self.seen: dict[int, float] = {}
        self._count = count
        self._over = threading.Event()
        self._decoder = Decoder(Registry.of(lab))
        self._consumer = Consumer(
            {
                **client_settings(lab),
                "group.id": "benchmark-look",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
            }
        )
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> _Watcher:
        name = ORDERS.topic.name
        parts = self._consumer.list_topics(name, timeout=ANSWER).topics[name].partitions
        ends = [
            TopicPartition(
                name, part, self._consumer.get_watermark_offsets(TopicPartition(name, part), timeout=ANSWER)[1]
            )
            for part in parts
        ]
        self._consumer.assign(ends)
        self._consumer.poll(0)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._consumer.close()

    def wait(self) -> None:
        """Wait until all have been seen, or patience is at its end."""
        self._thread.join(PATIENCE)

    def _watch(self) -> None:
        while not self._over.is_set() and len(self.seen) < self._count:
            message = self._consumer.poll(0.5)
            now = time.time()
            if message is None or message.error() is not None or message.value() is None:
                continue
            row = self._decoder.change(message.topic(), message.key(), message.value()).row
            number = json.loads(row)["order_id"] if row else 0
            if number >= FIRST:
                self.seen.setdefault(number, now)


def _visible_since(lab: Lab, wanted: Mapping[int, float], begun: float) -> dict[int, float]:
    """Instant of the first snapshot of the table that has each order."""
    visible(lab, str(len(wanted)), "")
    found: dict[int, float] = {}
    schema, name = TABLE.split(".")[1:]
    with closing(connect_trino(lab)) as trino:
        snapshots = query(
            trino,
            f'select snapshot_id, to_unixtime(committed_at) from iceberg.{schema}."{name}$snapshots" '
            f"where to_unixtime(committed_at) >= {begun} order by committed_at",
        )
        for number, at in snapshots:
            rows = query(trino, f"select order_id from {TABLE} for version as of {number} where order_id >= {FIRST}")
            for (order,) in rows:
                found.setdefault(order, at)
    return found


_VERBS = {"latency": latency, "bulk": bulk, "clean": clean, "visible": visible}


def main(verb: str, *words: str) -> None:
    """Do what the verb says."""
    sys.stdout.write(json.dumps(_VERBS[verb](load_lab(), *words)) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
