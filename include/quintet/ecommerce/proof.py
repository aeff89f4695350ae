"""The proof of the project, in the environment `streaming`: `python -m quintet.ecommerce.proof <input folder>`.

Everything that streams have written is compared with the truth of the input row by row; what was sent is what was
taken, repeated, late, broken or no event. Then the batch layer and gold (`batch/proof.py`). The last line of output is
`RESULT {json}`: a list of checks.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

from quintet.call import tell
from quintet.catalogue.ecommerce import EVENT_TOPICS, LATE_TOPICS
from quintet.catalogue.model import Topic
from quintet.check import Check
from quintet.ecommerce import recount, serving
from quintet.ecommerce.batch import proof as batch
from quintet.ecommerce.compared import Row, compared, same
from quintet.ecommerce.definitions import INVALID, KINDS
from quintet.ecommerce.progress import ends
from quintet.ecommerce.sent import ends_sent
from quintet.ecommerce.truth import FILE_NAME, FOLDER, SPEED, Truth
from quintet.errors import ServiceDownError
from quintet.lake.trino import connect, query
from quintet.settings import Lab, load_lab
from quintet.streams.clients import client_settings
from quintet.streams.deadletters import letters

__all__ = ["checks", "main"]

#: Seconds of silence of a topic.
SILENCE = 30
_SILVER, _LIVE = "iceberg.silver_ecommerce", "live_ecommerce"


def checks(lab: Lab, folder: Path) -> Iterator[Check]:
    """Compare.

    Raises:
        VerifyError: the input has no truth.
        ServiceDownError: a service does not answer.

    """
    truth = Truth.read(folder / FILE_NAME)
    times = ends_sent(lab)
    yield from _records(lab, folder, truth, times)
    yield from _served(lab, folder)
    connection = connect(lab)

    def ask(statement: str) -> list[list[Any]]:
        return query(connection, statement)

    try:
        yield from _lake(ask, folder, truth, times)
        yield from batch.checks(ask, batch.Known.of(folder, truth, ends=times))
    finally:
        connection.close()


def main(words: list[str]) -> int:
    """Entry of the module."""
    (folder,) = words
    return tell(lambda: [check.as_json() for check in checks(load_lab(), Path(folder))])


def _records(lab: Lab, folder: Path, truth: Truth, times: int) -> Iterator[Check]:
    """Where every record went."""
    strange, repeated = recount.malformed(folder), recount.repetitions(folder)
    there: dict[str, int] = {}
    first = {}
    for (name, part), (low, high) in ends(lab, EVENT_TOPICS.values()).items():
        there[name] = there.get(name, 0) + high - low
        first[name, part] = low
    dead: dict[str, int] = {}
    for letter in letters(lab, EVENT_TOPICS.values()):
        # Another reader may put records of an input aside that was emptied away meanwhile.
        if letter.offset >= first[letter.topic, letter.partition]:
            dead[letter.topic] = dead.get(letter.topic, 0) + 1
    statement = (
        "select kind, sum(records), sum(broken), sum(late), sum(taken) from live_ecommerce.handled group by kind"
    )
    handled = {kind: tuple(map(int, counts)) for kind, *counts in serving.rows(lab, statement)}
    for kind in KINDS:
        topic, known = EVENT_TOPICS[kind], truth.records[kind]
        # The end of an input is a broken record in each partition, each time that it was sent.
        marks = times * topic.partitions
        records, broken, late, taken = handled.get(kind, (0, 0, 0, 0))
        name = topic.name
        yield same(f"{kind}: records that are no events", strange.get(name, 0), dead.get(name, 0))
        yield same(f"{kind}: records that break a rule", known["broken"] + marks, broken)
        yield same(f"{kind}: late records", known["late"], late)
        yield same(f"{kind}: late records in their topic", known["late"], _count(lab, LATE_TOPICS[kind]))
        yield same(f"{kind}: events taken", known["speed_events"], taken)
        parts = taken + repeated[kind] + late + broken + dead.get(name, 0)
        yield same(f"{kind}: sent = taken + repeated + late + broken + no events", there[name], parts)
        yield same(f"{kind}: records read", known["records"] + marks, records)


def _served(lab: Lab, folder: Path) -> Iterator[Check]:
    """What people are shown."""

    def ask(table: str, columns: str) -> list[Row]:
        return serving.rows(lab, f"select {columns} from {_LIVE}.{table}")

    minutes = _truth(folder, "minute_kpis")
    yield compared("minutes", minutes, ask("minutes", ", ".join(_names(folder, "minute_kpis"))), f"{_LIVE}.minutes")
    carts = [(*row[:3], row[4]) for row in _truth(folder, "sessions") if row[-1]]
    found = ask("abandoned_carts", "user_id, begins_at, ends_at, cart_additions")
    yield compared("abandoned carts", carts, found, f"{_LIVE}.abandoned_carts")
    for name, told, table, columns in (
        ("suspicious orders", "suspicious_orders", "suspicious_orders", "order_id, reason"),
        ("trending products", "trending", "trending", "window_begins_at, place, product_id, points"),
        ("shortages", "shortages", "shortages", "product_id, minute, pieces"),
    ):
        yield compared(name, _truth(folder, told), ask(table, columns), f"{_LIVE}.{table}")
    products = pq.read_table(folder / "catalogue" / "products.parquet", columns=["product_id", "inventory_count"])
    stock = dict(zip(*(column.to_pylist() for column in products.columns), strict=True))
    stock |= dict(ask("stock", "product_id, pieces"))
    yield compared("stock", _truth(folder, "stock"), list(stock.items()), f"{_LIVE}.stock")


def _lake(ask: Callable[[str], list[list[Any]]], folder: Path, truth: Truth, times: int) -> Iterator[Check]:
    """What lies in Iceberg."""
    names = ", ".join(_names(folder, "sessions"))
    table = f"{_SILVER}.sessions"
    yield compared("sessions", _truth(folder, "sessions"), ask(f"select {names} from {table}"), table)
    events = {
        kind: f"{rows} rows, {distinct} distinct"
        for kind, rows, distinct in ask(
            f"select kind, count(*), count(distinct event_id) from {_SILVER}.live_events group by kind"
        )
    }
    for kind in KINDS:
        count = truth.records[kind]["speed_events"]
        yield same(f"{kind}: events in the lake", f"{count} rows, {count} distinct", events.get(kind, "none"))
    table = f"{_SILVER}.live_events__quarantine"
    statement = f"select kind, reason, count(*) from {table} group by kind, reason"
    yield compared("quarantine", list(_quarantine(truth.broken, times)), ask(statement), table)
    table = f"{_SILVER}.priced_order_lines"
    lines = ask(
        "select order_id, line_number, user_id, product_id, quantity, unit_price, category, brand, list_price, "
        f"ordered_at from {table}"
    )
    yield compared("order lines with the product of their moment", recount.priced_lines(folder), lines, table)


def _quarantine(broken: Mapping[str, Mapping[str, int]], times: int) -> Iterator[Row]:
    """Records by kind and broken rule, with the ends of the input, which were sent so many times."""
    for kind in KINDS:
        first = next(iter(INVALID[kind]))
        counts = dict(broken[kind])
        counts[first] = counts.get(first, 0) + times * EVENT_TOPICS[kind].partitions
        yield from ((kind, reason, count) for reason, count in counts.items())


def _names(folder: Path, table: str) -> list[str]:
    return [name for name in pq.read_schema(folder / FOLDER / f"{table}.parquet").names if name != "view"]


def _truth(folder: Path, table: str) -> list[Row]:
    """Rows of a table of the truth, of the speed view."""
    found = pq.read_table(folder / FOLDER / f"{table}.parquet")
    found = found.filter(pc.equal(found.column("view"), SPEED)).drop_columns(["view"])
    return list(zip(*(column.to_pylist() for column in found.columns), strict=True))


def _count(lab: Lab, topic: Topic) -> int:
    """Committed records of a topic; its offsets hold marks of transactions too."""
    consumer = Consumer(
        {
            **client_settings(lab),
            "group.id": "ecommerce-look",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
        }
    )
    found, open_ends = 0, set(range(topic.partitions))
    consumer.assign([TopicPartition(topic.name, part, OFFSET_BEGINNING) for part in open_ends])
    try:
        while open_ends:
            message = consumer.poll(SILENCE)
            if message is None:
                raise ServiceDownError(f"the topic {topic.name} is silent", remedy="Run: quintet doctor")
            error = message.error()
            if error is None:
                found += 1
            elif error.code() == KafkaError._PARTITION_EOF:
                open_ends.discard(message.partition())
            else:
                raise ServiceDownError(f"the topic {topic.name} cannot be read: {error.str()}")
    finally:
        consumer.close()
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
