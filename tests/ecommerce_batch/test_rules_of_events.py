"""Edges of sessions, figures and the gate, each in a few events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("pyspark", reason="the spark environment has it")

from eventlog import EventLog, Record

from quintet.catalogue.ecommercebatch import DAILY_FIGURES, EVENTS, MINUTE_FIGURES, USER_SESSIONS
from quintet.ecommerce.batch.gate import passed_batch, run_gate
from quintet.ecommerce.batch.publish import publish
from quintet.ecommerce.batch.rows import as_row
from quintet.ecommerce.batch.rules import SUITE
from quintet.ecommerce.batch.state import withdraw
from quintet.ecommerce.definitions import INVALID
from quintet.errors import GateError, InputError
from spark_session import spark_jars

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)
PROMPT, LATE = timedelta(seconds=1), timedelta(minutes=3)


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def view(minutes: float, *, user: int = 1, page: str = "/", after: timedelta = PROMPT) -> Record:
    moment = at(minutes)
    return {
        "user_id": user,
        "page": page,
        "timestamp": moment,
        "session_id": f"s{user}",
        "referrer": None,
        "arrived_at": moment + after,
    }


def addition(minutes: float, *, user: int = 1) -> Record:
    moment = at(minutes)
    return {
        "user_id": user,
        "product_id": 7,
        "quantity": 2,
        "timestamp": moment,
        "session_id": f"s{user}",
        "arrived_at": moment + PROMPT,
    }


def purchase(minutes: float, order: int, *, user: int = 1) -> Record:
    moment = at(minutes)
    lines = [
        {"product_id": 7, "quantity": 2, "unit_price": Decimal("1.50")},
        {"product_id": 8, "quantity": 1, "unit_price": Decimal("7.00")},
    ]
    return {
        "user_id": user,
        "order_id": order,
        "products": lines,
        "total_amount": Decimal("10.00"),
        "timestamp": moment,
        "arrived_at": moment + PROMPT,
    }


@pytest.fixture
def log(tmp_path: Path, spark: SparkSession) -> EventLog:
    return EventLog(tmp_path / "lab", spark_jars())


def run(log: EventLog, spark: SparkSession, run_id: str = "run") -> dict[str, Any]:
    run_gate(log.lab, lambda rows=0: spark, run_id=run_id)
    up_to = passed_batch(log.lab, run_id)
    return publish(log.lab, lambda rows=0: spark, run_id=run_id, up_to=up_to)


@pytest.mark.long
def test_sessions_figures_and_what_is_left_when_records_are_taken_back(log: EventLog, spark: SparkSession) -> None:
    # A late repetition of the first view of all lands before it: the first to arrive counts. User 1: a pause of exactly
    # the gap joins; user 2: the event between two is late; user 3: added to the cart when it was paid.
    log.land(
        {
            "page_view": [
                view(0, after=timedelta(hours=1)),
                view(0),
                view(30),
                view(60.1),
                view(0, user=2),
                view(20, user=2, after=LATE),
                view(45, user=2),
                view(10, page="/product/9", user=3),
            ],
            "add_to_cart": [addition(1), addition(5, user=3)],
            "purchase": [purchase(5, 1, user=3)],
        }
    )
    run(log, spark)
    found = log.rows(USER_SESSIONS)
    lengths = {
        name: [(row["user_id"], row["page_views"], row["is_abandoned"]) for row in found if row["view"] == name]
        for name in ("batch", "speed")
    }
    assert lengths == {
        "batch": [(1, 2, True), (1, 1, False), (2, 3, False), (3, 1, False)],
        "speed": [(1, 2, True), (1, 1, False), (2, 1, False), (2, 1, False), (3, 1, False)],
    }
    minute = next(row for row in log.rows(MINUTE_FIGURES) if row["minute"] == at(5) and row["view"] == "batch")
    assert (minute["orders"], minute["pieces"], minute["revenue"]) == (1, 3, Decimal("10.00"))
    assert (minute["cart_additions"], minute["active_users"], minute["searches"]) == (1, 1, 0)
    days = {(row["dimension"], row["member"]): row for row in log.rows(DAILY_FIGURES)}
    assert {member for dimension, member in days if dimension == "product"} == {"7", "8", "9"}
    seven = days["product", "7"]
    assert (seven["cart_additions"], seven["orders"], seven["pieces"], seven["revenue"]) == (2, 1, 2, Decimal("3.00"))
    assert (seven["users"], days["product", "9"]["page_views"]) == (2, 1)
    # The shop's lists are empty here: nothing is lost for that.
    assert days["country", "unknown"]["revenue"] == days["category", "unknown"]["revenue"] == Decimal("10.00")

    # All views are taken back and one is sent again: whoever did nothing else has no session any more.
    withdraw(kind="page_view", arrived_date="2025-03-01", by="a person", reason="", lab_file=str(log.lab.file))
    log.land({"page_view": [view(30)]})
    run(log, spark, "again")
    views = [row["happened_at"] for row in log.rows(EVENTS) if row["kind"] == "page_view"]
    assert views == [at(30)]
    left = {(row["user_id"], row["page_views"]) for row in log.rows(USER_SESSIONS) if row["view"] == "batch"}
    assert left == {(1, 1), (3, 0)}
    with pytest.raises(InputError, match="no kind"):
        withdraw(kind="visit", arrived_date="2025-03-01", by="", reason="", lab_file=str(log.lab.file))


def test_two_purchases_of_one_number_are_refused_and_few_broken_records_are_not(
    log: EventLog, spark: SparkSession
) -> None:
    def judge(run_id: str) -> dict[str, Any]:
        return run_gate(log.lab, lambda rows=0: spark, run_id=run_id)

    log.land({"page_view": [view(number, page="none") for number in range(20)]})
    assert judge("few")["broken"] == {"page_not_a_path": 20}
    log.land({"page_view": [view(30, page="none")]})
    with pytest.raises(GateError, match="21 of 21"):
        judge("many")
    withdraw(kind="page_view", arrived_date="2025-03-01", by="a person", reason="", lab_file=str(log.lab.file))
    log.land({"purchase": [purchase(0, 1), purchase(3, 1)]})
    with pytest.raises(GateError, match="orders 1"):
        judge("twice")


def test_every_rule_of_the_definitions_is_in_the_gate() -> None:
    names = {rule.name for rule in SUITE.rows}
    assert {name for rules in INVALID.values() for name in rules} <= names
    assert all(rule.why for rule in SUITE.rows)


def test_a_row_of_the_log_keeps_every_digit() -> None:
    record = purchase(0, 5)
    arrived = int(record.pop("arrived_at").timestamp() * 1000)
    kind, text, happened, arrived_us, *place = as_row(
        "purchase", record, arrived_ms=arrived, schema_id=3, partition=1, offset=9
    )
    assert (kind, place) == ("purchase", [3, 1, 9])
    assert '"unit_price":"1.50"' in text
    assert '"total_amount":"10.00"' in text
    assert (arrived_us - happened) == 1_000_000
