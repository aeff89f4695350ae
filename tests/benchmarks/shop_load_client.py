"""A load on the shop's streams: `shop_load_client.py <verb> …`, in the environment `streaming`; the answer is JSON.

The load is the open shop of `quintet.ecommerce.live`, made and encoded before its first moment, so that making it takes
nothing from the streams while they are measured. `held` tells what the project holds; `make` writes the load into a
folder with its truth, `send` sends it on time, `watch` sends probes beside it and looks at the figures, `compare` ends
it and compares the figures with its truth. `shop_probes.py` says what a probe is.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from confluent_kafka import Producer
from measuring import percentiles
from shop_figures import Look, Watched
from shop_probes import FIGURES, PROBE_MS, kind_of, minute_of, minutes, probes, since_of

from quintet.catalogue.ecommerce import EVENT_TOPICS
from quintet.cdc.database import connect
from quintet.check import Check
from quintet.contracts import read_contracts
from quintet.ecommerce import capture, serving
from quintet.ecommerce.closing import close
from quintet.ecommerce.compared import Row as Line
from quintet.ecommerce.compared import compared, same
from quintet.ecommerce.definitions import KINDS, LATENESS_MS, MINUTE_MS, USER_KINDS
from quintet.ecommerce.dimension import announce, announce_end
from quintet.ecommerce.ending import closes_at
from quintet.ecommerce.generator import write_catalogue, write_truth
from quintet.ecommerce.progress import ends, wait_until_through
from quintet.ecommerce.sending import Pace, ahead, batches_of_piece, rows_of, send
from quintet.ecommerce.sent import sent_folder
from quintet.ecommerce.simulation import Scale, Simulation
from quintet.ecommerce.tables import Texts
from quintet.ecommerce.truth import FILE_NAME, FOLDER, SPEED, Recorder, Truth
from quintet.settings import Lab, load_lab
from quintet.streams.batchproducer import BatchProducer, Form, Row
from quintet.streams.clients import client_settings
from quintet.streams.deadletters import letters
from quintet.streams.topics import admin

__all__ = ["main", "read_rows", "write_rows"]

SEED, USERS = 7, 500_000
#: Batches that are read before their time.
DEPTH = 4
#: Seconds between two looks at the figures.
LOOK = 0.05
#: Seconds for an answer of the broker, for the figures to count what was sent, for the streams to be through.
ANSWER, DRAINED, THROUGH = 30, 900, 900
#: Seconds of the load that a row tells of.
STRETCH = 10
_ROWS = pa.schema([("topic", pa.string()), ("key", pa.binary()), ("value", pa.binary()), ("at", pa.int64())])
_ROWS_FILE, _ARRIVALS_FILE = "rows.arrow", "arrivals.npz"


def held(lab: Lab) -> dict[str, Any]:
    """What the project holds: the input that was sent, records in its topics."""
    known = admin(lab).list_topics(timeout=ANSWER).topics
    there = [topic for topic in EVENT_TOPICS.values() if topic.name in known]
    folder = sent_folder(lab)
    records = sum(high - low for low, high in ends(lab, there).values())
    return {"input": None if folder is None else str(folder), "records": records}


def make(lab: Lab, start: str, seconds: str, rate: str, folder: str) -> dict[str, Any]:
    """Announce the products of a shop; write what will happen in it, ready to be sent, and the truth about it."""
    start_ms, place = int(start), Path(folder)
    simulation = _simulation(start_ms, int(seconds), float(rate))
    write_catalogue(place, simulation.shop)
    capture.deploy(lab)
    versions = announce(lab, place)
    recorder = write_rows(simulation, _producer(lab).forms, place)
    truth = write_truth(place, simulation, recorder, "benchmark")
    return {"versions": versions, "expect": truth.expect, "left_s": round(start_ms / 1000 - time.time(), 1)}


def write_rows(simulation: Simulation, forms: Mapping[str, Form], place: Path) -> Recorder:
    """Write records as they are sent, and when those arrive that can be read; what the truth needs of them."""
    texts, recorder = Texts(simulation.shop), Recorder()
    arrivals: dict[str, list[Any]] = {kind: [] for kind in KINDS}
    with pa.ipc.new_file(place / _ROWS_FILE, _ROWS) as file:
        for piece in simulation.pieces():
            recorder.add(piece)
            for kind, columns in piece.events.items():
                arrivals[kind].append(columns["arrived"])
            for batch in batches_of_piece(texts, piece):
                rows = zip(*rows_of(forms, batch), strict=True)
                arrays = [pa.array(column, field.type) for column, field in zip(rows, _ROWS, strict=True)]
                file.write_batch(pa.RecordBatch.from_arrays(arrays, schema=_ROWS))
    np.savez(place / _ARRIVALS_FILE, **{kind: np.concatenate(parts) / 1000 for kind, parts in arrivals.items()})
    return recorder


def read_rows(place: Path) -> Iterator[list[Row]]:
    """What was written, batch by batch."""
    with pa.memory_map(str(place / _ROWS_FILE)) as file:
        reader = pa.ipc.open_file(file)
        for number in range(reader.num_record_batches):
            columns = reader.get_batch(number).columns
            yield list(zip(*(column.to_pylist() for column in columns), strict=True))


class _LoggedPace(Pace):
    """Notes when each moment was let go; it is the moment itself when nothing was late."""

    def __init__(self, first_ms: int) -> None:
        super().__init__(first_ms, lead_s=first_ms / 1000 - time.time())
        self.went: dict[int, float] = {}

    def wait(self, at_ms: int) -> None:
        super().wait(at_ms)
        self.went[at_ms] = time.time()

    def late_ms(self) -> dict[str, float]:
        return percentiles({at_ms: at_ms / 1000 for at_ms in self.went}, self.went)


def send_load(lab: Lab, start: str, folder: str) -> dict[str, Any]:
    """Send the load, every record at its time; a late one does not move those behind it."""
    producer, stranger = _producer(lab), _stranger(lab)
    pace, used = _LoggedPace(int(start)), time.process_time()
    records = send(producer, stranger, ahead(read_rows(Path(folder)), DEPTH), pace)
    seconds = time.time() - int(start) / 1000
    return {
        "records": records,
        "seconds": round(seconds, 2),
        "per_second": round(records / seconds),
        "late_ms": pace.late_ms(),
        "cpu_seconds": round(time.process_time() - used, 1),
    }


def watch(lab: Lab, start: str, seconds: str, folder: str) -> dict[str, Any]:
    """Send probes and look at the figures until they count all that was sent, or patience is at its end."""
    start_ms, end = int(start), int(start) / 1000 + int(seconds)
    count = int(seconds) * 1000 // PROBE_MS
    with np.load(Path(folder) / _ARRIVALS_FILE) as file:
        arrivals = {kind: file[kind] for kind in file.files}
    total = sum(map(len, arrivals.values()))
    producer = _producer(lab)
    rows = probes(producer.forms, start_ms, count)
    due = {number: (start_ms + number * PROBE_MS) / 1000 for number in range(count)}
    seen: dict[int, float] = {}
    looks: list[Look] = []
    time.sleep(max(0.0, start_ms / 1000 - time.time()))
    with ThreadPoolExecutor(1) as beside, connect(lab, serving.DATABASE, autocommit=True) as shop:
        sending = beside.submit(_send_probes, producer, rows, due)
        while (len(seen) < count or looks[-1].total < total) and time.time() < end + DRAINED:
            begun = time.time()
            missing = {
                minute_of(start_ms, count, number): number
                for number, at in due.items()
                if at <= begun and number not in seen
            }
            look, found = _look(shop, since_of(start_ms), missing)
            looks.append(look)
            seen |= dict.fromkeys(found, look.at)
            time.sleep(max(0.0, LOOK - (time.time() - begun)))
        sending.result()
    if len(seen) < count or looks[-1].total < total:
        raise RuntimeError(
            f"{DRAINED} s after the last record the figures hold {len(seen)} of {count} probes and "
            f"{looks[-1].total:,} of {total:,} records"
        )
    watched = Watched(start_ms / 1000, end, arrivals, looks)
    return {
        "records": total,
        "looks": len(looks),
        "probes_ms": percentiles(due, seen),
        "kinds_ms": {
            kind: percentiles({number: at for number, at in due.items() if kind_of(number) == kind}, seen)
            for kind in USER_KINDS
        },
        "age_ms": watched.ages(),
        "counted_per_second": round(watched.counted_per_second()),
        "behind": watched.arrived(end) - watched.counted(end),
        "all_counted_after": round(watched.all_counted_after() or 0.0, 2),
        "stretches": watched.stretches(due, seen, STRETCH),
    }


def compare(lab: Lab, start: str, seconds: str, folder: str) -> dict[str, Any]:
    """Say that nothing comes any more, wait until the streams are through, compare all figures with the truth."""
    start_ms, place = int(start), Path(folder)
    closes_ms = closes_at(start_ms + int(seconds) * 1000)
    forms, times = _producer(lab).forms, 1
    close(_stranger(lab), forms, closes_ms)

    def end_again() -> None:
        nonlocal times
        times += 1
        announce_end(lab)
        close(_stranger(lab), forms, closes_ms)

    over_ms = closes_ms - LATENESS_MS - MINUTE_MS
    through = wait_until_through(lab, over_ms=over_ms, seconds=THROUGH, tell=lambda _: None, end_again=end_again)
    count = int(seconds) * 1000 // PROBE_MS
    checks = [*_records(lab, start_ms, count, Truth.read(place / FILE_NAME), times), *_figures(lab, start_ms, place)]
    return {"through_s": through["seconds"], "checks": [check.as_json() for check in checks]}


def _simulation(start_ms: int, seconds: int, rate: float) -> Simulation:
    scale = Scale(rate=rate, users=USERS, is_level=True)
    simulation = Simulation(SEED, start_ms, start_ms + seconds * 1000, scale)
    # A sale would raise the rate by a third, and a fixed one is wanted.
    simulation.shop = replace(simulation.shop, sales=())
    return simulation


def _producer(lab: Lab) -> BatchProducer:
    return BatchProducer.of(lab, EVENT_TOPICS.values(), read_contracts())


def _stranger(lab: Lab) -> Any:
    return Producer({**client_settings(lab), "enable.idempotence": True})


def _send_probes(producer: BatchProducer, rows: list[Row], due: dict[int, float]) -> None:
    for row, at in zip(rows, due.values(), strict=True):
        time.sleep(max(0.0, at - time.time()))
        producer.send([row])
    producer.flush()


def _look(shop: Any, since: datetime, missing: dict[datetime, int]) -> tuple[Look, list[int]]:
    """What the figures count, and which of the missing probes (by their minutes) are in them."""
    found = shop.execute("select minute from live_ecommerce.minutes where minute = any(%s)", [list(missing)]).fetchall()
    counted = shop.execute(
        "select kind, sum(records)::bigint from live_ecommerce.handled where arrived_hour >= %s group by kind", [since]
    ).fetchall()
    return Look(time.time(), dict(counted)), [missing[minute] for (minute,) in found]


def _records(lab: Lab, start_ms: int, count: int, truth: Truth, times: int) -> Iterator[Check]:
    """What became of all records; the end is a broken record in each partition, each time that it was sent."""
    since = f"timestamp '{since_of(start_ms)}'"
    figures = "kind, " + ", ".join(f"sum({name})::bigint" for name in ("records", "broken", "late", "taken"))
    expected = []
    for kind, known in truth.records.items():
        marks = times * EVENT_TOPICS[kind].partitions
        expected.append((kind, known["records"] + marks, known["broken"] + marks, known["late"], known["speed_events"]))
    table = "live_ecommerce.handled"
    rows = serving.rows(lab, f"select {figures} from {table} where arrived_hour >= {since} group by kind")
    yield compared("what became of the records of each kind", expected, rows, table)
    first = {place: low for place, (low, _) in ends(lab, EVENT_TOPICS.values()).items()}
    # Another reader may put records of an input aside that was emptied away meanwhile.
    dead = sum(letter.offset >= first[letter.topic, letter.partition] for letter in letters(lab, EVENT_TOPICS.values()))
    yield same("records that are no events", sum(truth.malformed.values()), dead)
    sent = [kind_of(number) for number in range(count)]
    ours = [(kind, sent.count(kind), sent.count(kind)) for kind in USER_KINDS]
    statement = f"select kind, sum(records)::bigint, sum(taken)::bigint from {table}"
    rows = serving.rows(lab, f"{statement} where arrived_hour < {since} group by kind")
    yield compared("probes of each kind", ours, rows, table)
    table = "live_ecommerce.minutes"
    rows = serving.rows(lab, f"select minute, {', '.join(FIGURES)}, active_users from {table} where minute < {since}")
    yield compared("minutes of the probes", list(minutes(start_ms, count)), rows, table)


def _figures(lab: Lab, start_ms: int, place: Path) -> Iterator[Check]:
    """What people are shown, without what the probes may have led to."""
    since = f"timestamp '{since_of(start_ms)}'"

    def ask(table: str, columns: str, when: str) -> list[Line]:
        return serving.rows(lab, f"select {columns} from live_ecommerce.{table} where {when} >= {since}")

    names = [name for name in pq.read_schema(place / FOLDER / "minute_kpis.parquet").names if name != "view"]
    yield compared("minutes", _truth(place, "minute_kpis"), ask("minutes", ", ".join(names), "minute"), "minutes")
    carts = [(*row[:3], row[4]) for row in _truth(place, "sessions") if row[-1]]
    found = ask("abandoned_carts", "user_id, begins_at, ends_at, cart_additions", "begins_at")
    yield compared("abandoned carts", carts, found, "abandoned_carts")
    for told, table, columns, when in (
        ("suspicious_orders", "suspicious_orders", "order_id, reason", "ordered_at"),
        ("trending", "trending", "window_begins_at, place, product_id, points", "window_begins_at"),
        ("shortages", "shortages", "product_id, minute, pieces", "minute"),
    ):
        yield compared(told.replace("_", " "), _truth(place, told), ask(table, columns, when), table)
    products = pq.read_table(place / "catalogue" / "products.parquet", columns=["product_id", "inventory_count"])
    stock = dict(zip(*(column.to_pylist() for column in products.columns), strict=True))
    stock |= dict(ask("stock", "product_id, pieces", "minute"))
    yield compared("stock", _truth(place, "stock"), list(stock.items()), "stock")


def _truth(place: Path, table: str) -> list[Line]:
    """Rows of a table of the truth, of the speed view."""
    found = pq.read_table(place / FOLDER / f"{table}.parquet")
    found = found.filter(pc.equal(found.column("view"), SPEED)).drop_columns(["view"])
    return list(zip(*(column.to_pylist() for column in found.columns), strict=True))


_VERBS = {"held": held, "make": make, "send": send_load, "watch": watch, "compare": compare}


def main(verb: str, *words: str) -> None:
    """Do what the verb says."""
    sys.stdout.write(json.dumps(_VERBS[verb](load_lab(), *words)) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
