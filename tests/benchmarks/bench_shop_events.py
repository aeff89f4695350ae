# environment: streaming
# versions: numpy pyarrow fastavro
"""Events of the shop made and encoded, without a broker: how many a second, where the time goes, on one thread.

A shop of 100,000 products is open for a minute at 10,000 records a second; sessions of the six minutes before are
walked too, and count for the time but not for the records. Stages: sessions, defects and truth; the same as Arrow
tables; the same as keys and values in Confluent's form. Beside them fastavro writes the same rows one by one, from
dictionaries that are there already. The bar: 10,000 records a second.
"""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable
from typing import Any

import fastavro
from measuring import headline, progress, raw

from quintet.catalogue.ecommerce import EVENT_TOPICS
from quintet.ecommerce.sending import batches_of_piece, rows_of
from quintet.ecommerce.simulation import Scale, Simulation
from quintet.ecommerce.tables import ARRIVED, Texts
from quintet.ecommerce.truth import Recorder
from quintet.streams.avrobatch import bodies
from quintet.streams.batchproducer import Form
from quintet.streams.schemas import value_schema

BAR = 10_000
ROUNDS = 3
START_MS = 1_735_689_600_000
SCALE = Scale(rate=10_000, is_level=True)
SECONDS = 60
FORMS = {topic.name: Form.of(topic, lambda _subject, _schema: 7) for topic in EVENT_TOPICS.values()}


def simulation() -> Simulation:
    return Simulation(7, START_MS, START_MS + SECONDS * 1000, SCALE)


def made() -> int:
    recorder = Recorder()
    count = 0
    for piece in simulation().pieces():
        recorder.add(piece)
        count += piece.records
    return count


def tables() -> int:
    shop = simulation()
    texts = Texts(shop.shop)
    return sum(
        sum(table.num_rows for table in batch.events.values()) + batch.malformed.num_rows
        for piece in shop.pieces()
        for batch in batches_of_piece(texts, piece)
    )


def encoded() -> int:
    shop = simulation()
    texts, recorder = Texts(shop.shop), Recorder()
    count = 0
    for piece in shop.pieces():
        recorder.add(piece)
        count += sum(len(rows_of(FORMS, batch)) for batch in batches_of_piece(texts, piece))
    return count


def measured(stage: str, work: Callable[[], int]) -> dict[str, Any]:
    best: dict[str, Any] = {}
    for number in range(ROUNDS):
        began, used = time.perf_counter(), time.process_time()
        count = work()
        seconds, cpu = time.perf_counter() - began, time.process_time() - used
        progress(f"{stage}, round {number + 1}: {count / seconds:,.0f} a second")
        if not best or seconds < best["seconds"]:
            best = {"stage": stage, "records": count, "seconds": round(seconds, 2), "cpu_seconds": round(cpu, 2)}
    return {**best, "records_a_second": round(best["records"] / best["seconds"])}


def writers() -> list[dict[str, Any]]:
    """Values of page views by columns and by fastavro."""
    shop = simulation()
    texts = Texts(shop.shop)
    views = texts.table("page_view", next(shop.pieces()).events["page_view"]).drop_columns([ARRIVED]).slice(0, 200_000)
    schema = value_schema(EVENT_TOPICS["page_view"])
    parsed, rows = fastavro.parse_schema(schema), views.to_pylist()

    def by_columns() -> int:
        return len(bodies(views, schema).to_pylist())

    def by_rows() -> int:
        for row in rows:
            fastavro.schemaless_writer(io.BytesIO(), parsed, row)
        return len(rows)

    return [measured("page views by columns", by_columns), measured("page views by fastavro", by_rows)]


def main() -> int:
    stages = [
        measured("sessions, defects, truth", made),
        measured("the same as tables", tables),
        measured("the same as keys and values", encoded),
    ]
    found = [*stages, *writers()]
    rate = stages[-1]["records_a_second"]
    headline(f"{rate:,} records of the shop a second, made and encoded on one thread (bar: {BAR:,})")
    sys.stdout.write("| stage | records | seconds | CPU seconds | records a second |\n|---|---|---|---|---|\n")
    for row in found:
        cells = (
            row["stage"],
            f"{row['records']:,}",
            row["seconds"],
            row["cpu_seconds"],
            f"{row['records_a_second']:,}",
        )
        sys.stdout.write(f"| {' | '.join(map(str, cells))} |\n")
    sys.stdout.write("\n")
    raw(found)
    return 0 if rate >= BAR else 1


if __name__ == "__main__":
    sys.exit(main())
