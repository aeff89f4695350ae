"""Steps of a run, each a function for a task in the environment `streaming`: prepare, capture, check, send, wait, tell.

A stream has one time: an input is sent once. What was sent is in the record `sent` of the project, so that a second run
over the same input sends nothing and finds the same, and one over another input is told to empty the project first.
"""

from __future__ import annotations

import hashlib
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from quintet import alerts
from quintet.catalogue.ecommerce import ECOMMERCE_TOPICS, EVENT_TOPICS, PRICE_LIST, SLUG
from quintet.cdc import connector, health
from quintet.cdc.connect import Connect
from quintet.cdc.errors import CaptureError
from quintet.contracts import ContractError, read_contracts
from quintet.ecommerce import capture, serving
from quintet.ecommerce.closing import close
from quintet.ecommerce.definitions import LATENESS_MS, MINUTE_MS
from quintet.ecommerce.dimension import announce, announce_end
from quintet.ecommerce.ending import closes_at
from quintet.ecommerce.progress import Progress, wait_until_through
from quintet.ecommerce.sending import Pace, ahead, batches_of_files, rows_of, send
from quintet.ecommerce.sent import EMPTIED, RECORD, SENDING, SENT, ends_sent
from quintet.ecommerce.tables import EVENTS
from quintet.errors import InputError
from quintet.runs import record
from quintet.settings import Lab, load_lab
from quintet.streams.batchproducer import BatchProducer, Row
from quintet.streams.clients import client_settings
from quintet.streams.deadletters import letters
from quintet.streams.registry import Registry
from quintet.streams.topics import provide

__all__ = [
    "check_capture",
    "check_input",
    "deploy_capture",
    "prepare",
    "send_input",
    "tell_refused",
    "wait_for_streams",
]

#: What a new version of a schema must keep: whoever reads by it can read what was written before.
RULE = "BACKWARD"
#: Batches that are made before their time.
DEPTH = 4
#: Sources of the alerts about records that no figure counts.
DEAD_LETTERS, BROKEN = "dead-letters", "broken-records"
#: Source of the alert that is open while the capture of the price list is not as it should be.
CAPTURE = "capture"
#: Share of an hour's records that may break a rule; more is no accident of single senders.
BROKEN_SHARE = 0.05
_EMPTY_FIRST = "Empty the project and send it anew: quintet run ecommerce --fresh --input …"


def prepare() -> dict[str, Any]:
    """Make what is missing: topics, rules of their schemas, tables that are served.

    Raises:
        ServiceDownError: a service does not answer.
        TopicError: a topic is not as declared.

    """
    lab = load_lab()
    provided = provide(lab, ECOMMERCE_TOPICS)
    tables = serving.provide(lab)
    registry = Registry.of(lab)
    ruled = [topic.subject for topic in EVENT_TOPICS.values() if registry.require(topic.subject, RULE)]
    return {"topics_created": list(provided.created), "rules_set": ruled, "tables": tables}


def deploy_capture() -> dict[str, Any]:
    """Make what captures the price list where it is missing, and have it run; raises as `capture.deploy`."""
    return capture.deploy(load_lab())


def check_capture(*, run_id: str = "") -> dict[str, Any]:
    """Tell when the capture of the price list is not well, for as long as it is not; state of connector and slot.

    Raises:
        ServiceDownError: PostgreSQL or Kafka Connect does not answer.

    """
    lab = load_lab()
    title = "the capture of the shop's price list is not as it should be"
    if Connect.of(lab).state(connector.name_of(PRICE_LIST)) is None:
        # No run has deployed it yet; one that needs it does.
        return {"connector": "absent"}
    try:
        facts = health.check(lab, PRICE_LIST, run_id=run_id)
    except (CaptureError, ContractError) as error:
        _tell(lab, CAPTURE, title, error.message, error.remedy, run_id)
        return {"wrong": error.message}
    _tell(lab, CAPTURE, title, "", "", run_id)
    return facts


def check_input(*, input_dir: str) -> dict[str, Any]:
    """Whether an input is to be sent ({"send"}), and whether streams begin without state ({"fresh"}).

    Raises:
        InputError: there is no input in the folder, or the topics hold another one, or part of one.

    """
    folder = Path(input_dir)
    mark = _mark(folder)
    last = record.read(load_lab(), SLUG, RECORD) or {}
    if last.get("state") == SENT and last["mark"] == mark:
        return {"send": False, "fresh": False, "mark": mark}
    if last.get("state") == SENDING:
        raise InputError(f"sending {last['input']} was interrupted: part of it is in the topics", remedy=_EMPTY_FIRST)
    if last.get("state") == SENT:
        raise InputError(f"the topics hold another input, {last['input']}", remedy=_EMPTY_FIRST)
    return {"send": True, "fresh": last.get("state") == EMPTIED, "mark": mark}


def send_input(*, input_dir: str, checked: dict[str, Any]) -> dict[str, Any]:
    """Announce versions of the products, send every record, and the end of the input; {"sent", "versions", "marks", …}.

    Raises:
        InputError: there is no input.
        CaptureError: the versions were not captured.
        ServiceDownError: PostgreSQL, Kafka Connect or the registry does not answer.
        TopicError: a record was not written; the input is in the topics in part then.

    """
    if not checked["send"]:
        return dict(record.read(load_lab(), SLUG, RECORD) or {})
    from confluent_kafka import Producer

    lab, folder = load_lab(), Path(input_dir)
    entry: dict[str, Any] = {"input": str(folder), "mark": checked["mark"]}
    record.write(lab, SLUG, RECORD, {**entry, "state": SENDING})
    began = time.monotonic()
    entry["versions"] = announce(lab, folder)
    producer = BatchProducer.of(lab, EVENT_TOPICS.values(), read_contracts())
    stranger = Producer({**client_settings(lab), "enable.idempotence": True})
    seen = _Seen()
    made = ahead((rows_of(producer.forms, batch) for batch in batches_of_files(folder)), DEPTH)
    entry["sent"] = send(producer, stranger, seen.through(made), Pace(0, speed=0))
    closes_ms = closes_at(seen.last_ms)
    entry["marks"] = close(stranger, producer.forms, closes_ms)
    entry |= {"seconds": round(time.monotonic() - began, 1), "closes_ms": closes_ms, "ends": 1, "state": SENT}
    record.write(lab, SLUG, RECORD, entry)
    return entry


def wait_for_streams(*, minutes: float = 60.0) -> dict[str, Any]:
    """Wait until both streams have done all that is in the topics, and published it; how far they were, at the end.

    Raises:
        StreamsBehindError: they have not within that time; the message says how far they are.

    """
    lab = load_lab()
    closes_ms = (record.read(lab, SLUG, RECORD) or {}).get("closes_ms")
    if closes_ms is None:
        raise InputError("no input was sent whole", remedy=_EMPTY_FIRST)
    # Whatever began before the end is over a minute before it, by a clock that is as late as a record may be.
    over_ms = closes_ms - LATENESS_MS - MINUTE_MS
    return wait_until_through(
        lab, over_ms=over_ms, seconds=minutes * 60, tell=_say, end_again=lambda: _end_again(lab, closes_ms)
    )


def tell_refused(*, run_id: str = "") -> dict[str, Any]:
    """Tell of records that could not be read, and of hours in which too many broke a rule, for as long as there are.

    Returns {"waiting": {"topic: reason": letters}, "broken": {"kind hour": share}}.

    Raises:
        TopicError: a topic cannot be read.
        ServiceDownError: PostgreSQL does not answer.

    """
    lab = load_lab()
    waiting = Counter(f"{letter.topic}: {letter.reason}" for letter in letters(lab, EVENT_TOPICS.values()))
    _tell(
        lab,
        DEAD_LETTERS,
        "records of the shop's topics wait as dead letters",
        ", ".join(f"{count} x {reason}" for reason, count in sorted(waiting.items())),
        "Correct their sender; they are in the topics <topic>.dlq with the reason",
        run_id,
    )
    schema = "select kind, arrived_hour, broken, records from live_ecommerce.handled"
    # Of a few records one is no share.
    bad = {
        f"{kind} {hour:%Y-%m-%d %H:00}": round(broken / records, 3)
        for kind, hour, broken, records in serving.rows(lab, f"{schema} where records >= 20 order by 2, 1")
        if broken > BROKEN_SHARE * records
    }
    _tell(
        lab,
        BROKEN,
        "too many records of the shop's topics break a rule",
        ", ".join(f"{name}: {share:.1%}" for name, share in list(bad.items())[:10]),
        "They are in iceberg.silver_ecommerce.live_events__quarantine with the reason; correct their sender, send the "
        "corrected input to an emptied project",
        run_id,
    )
    return {"waiting": dict(sorted(waiting.items())), "broken": bad}


def _end_again(lab: Lab, closes_ms: int) -> None:
    from confluent_kafka import Producer

    _say("a stream was started anew and does not know the time: the end of the input is sent again")
    producer = BatchProducer.of(lab, EVENT_TOPICS.values(), read_contracts())
    announce_end(lab)
    entry = record.read(lab, SLUG, RECORD) or {}
    # Noted first: one that is noted and not there is seen by the proof, and is no record that nobody knows of.
    record.write(lab, SLUG, RECORD, {**entry, "ends": ends_sent(lab) + 1})
    close(Producer({**client_settings(lab), "enable.idempotence": True}), producer.forms, closes_ms)


class _Seen:
    """Notes the newest time that goes through."""

    def __init__(self) -> None:
        self.last_ms = 0

    def through(self, made: Iterator[list[Row]]) -> Iterator[list[Row]]:
        for rows in made:
            self.last_ms = max(self.last_ms, rows[-1][3])
            yield rows


def _mark(folder: Path) -> str:
    """What an input is known by: the names and sizes of its files, and its truth where it has one."""
    files = sorted((folder / EVENTS).rglob("*.parquet"))
    if not files:
        raise InputError(f"the folder {folder} holds no input", remedy="Make one: quintet generate ecommerce --out …")
    told = [f"{file.relative_to(folder)} {file.stat().st_size}" for file in files]
    truth = folder / "truth.json"
    text = truth.read_bytes() if truth.exists() else b""
    return hashlib.sha256("\n".join(told).encode() + text).hexdigest()[:16]


def _tell(lab: Lab, source: str, title: str, detail: str, remedy: str, run_id: str) -> None:
    if not detail:
        alerts.clear(lab, project=SLUG, sources=[source], run_id=run_id)
    elif not any(told.is_open and told.alert.source == source for told in alerts.read(lab)):
        alerts.warn(
            lab,
            source=source,
            project=SLUG,
            run_id=run_id,
            title=title,
            detail=detail,
            remedy=remedy,
        )


def _say(progress: Progress | str) -> None:
    sys.stdout.write(f"{progress}\n")
    sys.stdout.flush()
