"""A shop that is open now: `python -m quintet.ecommerce.live`, for the environment `streaming`.

Makes the topics and the capture of the price list, announces the products, then sends what happens in a shop from now
on, `--rate` records a second on average for `--seconds`, each at its time; catalogue and truth lie in `--out` at the
end. With `--input` it sends an input folder instead, at `--speed` times the time that it holds; 0: as fast as Kafka
takes it. With `--measure` nothing is sent: the records are made and encoded, and how fast is told. Standard output ends
with `RESULT {json}`.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from quintet.call import RESULT
from quintet.catalogue.ecommerce import ECOMMERCE_TOPICS, EVENT_TOPICS
from quintet.ecommerce import capture
from quintet.ecommerce.dimension import announce
from quintet.ecommerce.generator import write_catalogue, write_truth
from quintet.ecommerce.sending import Pace, ahead, batches_of_files, batches_of_piece, rows_of, send
from quintet.ecommerce.simulation import Scale, Simulation
from quintet.ecommerce.tables import Texts
from quintet.ecommerce.truth import Recorder
from quintet.errors import QuintetError
from quintet.settings import Lab, load_lab
from quintet.streams.batchproducer import BatchProducer, Form, Row

__all__ = ["main"]

#: Batches that are made before their time; a batch is about two seconds at ten thousand records a second.
DEPTH = 12
#: Time to make the first of them, and to announce the products until they are captured: at least, for each thousand
#: records a second, for each thousand products.
_LEAD_S, _LEAD_EACH_S, _LEAD_PRODUCTS_S = 10.0, 3.0, 0.5


def main(words: list[str]) -> int:
    """Run the program; its exit code."""
    options = _options(words)
    try:
        if options.measure:
            told = _measure(options)
        else:
            told = _replay(load_lab(), options) if options.input else _open(load_lab(), options)
    except QuintetError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    sys.stdout.write(f"{RESULT}{json.dumps(told)}\n")
    return 0


def _options(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m quintet.ecommerce.live", description="Events of a shop to Kafka.")
    parser.add_argument("--rate", type=float, default=1000.0, help="records a second on average")
    parser.add_argument("--seconds", type=int, default=60, help="how long the shop is open")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--products", type=int, default=Scale.products)
    parser.add_argument("--users", type=int, default=Scale.users)
    parser.add_argument("--out", type=Path, help="folder for catalogue and truth")
    parser.add_argument("--input", type=Path, help="send this input folder")
    parser.add_argument("--speed", type=float, default=0.0, help="with --input: times as fast; 0: no limit")
    parser.add_argument("--measure", action="store_true", help="make and encode, send nothing")
    options = parser.parse_args(words)
    if not options.input and not options.measure and options.out is None:
        parser.error("name a folder for the truth with --out")
    return options


def _simulation(options: argparse.Namespace, start_ms: int) -> Simulation:
    scale = Scale(rate=options.rate, products=options.products, users=options.users, is_level=True)
    return Simulation(options.seed, start_ms, start_ms + options.seconds * 1000, scale)


def _made(simulation: Simulation, recorder: Recorder, forms: Mapping[str, Form]) -> Iterator[list[Row]]:
    texts = Texts(simulation.shop)
    for piece in simulation.pieces():
        recorder.add(piece)
        for batch in batches_of_piece(texts, piece):
            yield rows_of(forms, batch)


def _open(lab: Lab, options: argparse.Namespace) -> dict[str, Any]:
    producer, stranger = _producers(lab)
    capture.deploy(lab)
    lead_s = _LEAD_S + (_LEAD_EACH_S * options.rate + _LEAD_PRODUCTS_S * options.products) / 1000
    began = time.monotonic() + lead_s
    simulation = _simulation(options, int((time.time() + lead_s) * 1000))
    write_catalogue(options.out, simulation.shop)
    announce(lab, options.out)
    recorder = Recorder()
    pace = Pace(simulation.start_ms, lead_s=simulation.start_ms / 1000 - time.time())
    sent = send(producer, stranger, ahead(_made(simulation, recorder, producer.forms), DEPTH), pace)
    seconds = time.monotonic() - began
    truth = write_truth(options.out, simulation, recorder, f"live, {options.seconds} s, seed {options.seed}")
    return {**_told(sent, seconds), "behind_s": round(pace.behind_s, 3), "expect": truth.expect}


def _replay(lab: Lab, options: argparse.Namespace) -> dict[str, Any]:
    producer, stranger = _producers(lab)
    made = ahead((rows_of(producer.forms, batch) for batch in batches_of_files(options.input)), DEPTH)
    first = next(made)
    pace = Pace(first[0][3], speed=options.speed)
    began = time.monotonic()
    sent = send(producer, stranger, _chained(first, made), pace)
    return {**_told(sent, time.monotonic() - began), "behind_s": round(pace.behind_s, 3)}


def _measure(options: argparse.Namespace) -> dict[str, Any]:
    numbers = iter(range(1, 100))
    forms = {topic.name: Form.of(topic, lambda _subject, _schema: next(numbers)) for topic in EVENT_TOPICS.values()}
    began, used = time.monotonic(), time.process_time()
    simulation = _simulation(options, 1_735_689_600_000)
    records = size = 0
    for rows in _made(simulation, Recorder(), forms):
        records += len(rows)
        size += sum(len(value or b"") for _, _, value, _ in rows)
    told = _told(records, time.monotonic() - began)
    return {**told, "cpu_seconds": round(time.process_time() - used, 2), "bytes_a_record": round(size / records, 1)}


def _producers(lab: Lab) -> tuple[BatchProducer, Any]:
    from confluent_kafka import Producer

    from quintet.contracts import read_contracts
    from quintet.streams.clients import client_settings
    from quintet.streams.topics import provide

    provide(lab, ECOMMERCE_TOPICS)
    producer = BatchProducer.of(lab, EVENT_TOPICS.values(), read_contracts())
    return producer, Producer({**client_settings(lab), "enable.idempotence": True})


def _chained(first: list[Row], rest: Iterator[list[Row]]) -> Iterator[list[Row]]:
    yield first
    yield from rest


def _told(records: int, seconds: float) -> dict[str, Any]:
    return {"records": records, "seconds": round(seconds, 2), "records_a_second": round(records / seconds)}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
