"""Two days of a shop go through gate and batch layer, with a poisoned day and the end of the input."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest
from eventlog import EventLog, Record, records_of

from quintet.catalogue.ecommerce import EVENT_TOPICS
from quintet.catalogue.ecommercebatch import (
    DAILY_FIGURES,
    DAY_BALANCE,
    EVENTS,
    MINUTE_FIGURES,
    ORDER_LINES,
    USER_SESSIONS,
)
from quintet.ecommerce.batch.gate import passed_batch, run_gate
from quintet.ecommerce.batch.masterdata import load_lists
from quintet.ecommerce.batch.publish import publish
from quintet.ecommerce.batch.state import withdraw
from quintet.ecommerce.ending import closes_at, fields
from quintet.ecommerce.generator import Scale, generate
from quintet.ecommerce.recount import last_arrival_ms
from quintet.ecommerce.truth import Truth
from quintet.errors import GateError
from spark_session import spark_jars

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PUBLISHED = (EVENTS, ORDER_LINES, MINUTE_FIGURES, USER_SESSIONS, DAILY_FIGURES, DAY_BALANCE)


@dataclass
class Story:
    """What was done to a log, and what was seen on the way."""

    folder: Path
    truth: Truth
    log: EventLog
    spark: SparkSession
    #: Published rows after the first day, and when the second, poisoned, was refused.
    after_first: dict[str, list[Record]]
    after_refusal: dict[str, list[Record]]
    refusal: str
    poisoned: int

    def run(self, run_id: str, *, full_refresh: bool = False) -> dict[str, Any]:
        run_gate(self.log.lab, lambda rows=0: self.spark, run_id=run_id)
        up_to = passed_batch(self.log.lab, run_id)
        return publish(self.log.lab, lambda rows=0: self.spark, run_id=run_id, up_to=up_to, full_refresh=full_refresh)

    def told(self, name: str, view: str | None = None) -> list[Record]:
        rows = pq.read_table(self.folder / "truth" / f"{name}.parquet").to_pylist()
        return [row for row in rows if view is None or row["view"] == view]


def state(log: EventLog) -> dict[str, list[Record]]:
    return {table.name: log.rows(table) for table in PUBLISHED}


def tell(home: Path, spark: SparkSession) -> Story:
    """Day one is published; day two lands with every fourth page view broken, is refused, taken back, sent again."""
    scale = Scale(rate=0.12, products=2000, users=300)
    truth = generate(home / "input", days=2, seed=11, scale=scale)
    log = EventLog(home / "lab", spark_jars())
    found = Story(home / "input", truth, log, spark, {}, {}, "", 0)
    load_lists(log.lab, found.folder)
    first, second = (records_of(day) for day in sorted((found.folder / "by_day").iterdir()))
    log.land({"purchase": first.pop("purchase")})
    log.land(first)
    found.run("first")
    found.after_first = state(log)
    views = second["page_view"]
    spoilt = [{**record, "page": "none"} if place % 4 == 0 else record for place, record in enumerate(views)]
    found.poisoned = len(views)
    log.land({**second, "page_view": spoilt})
    with pytest.raises(GateError) as refused:
        found.run("poisoned")
    found.refusal = str(refused.value)
    found.after_refusal = state(log)
    day = str(views[0]["arrived_at"].date())
    withdraw(kind="page_view", arrived_date=day, by="a person", reason="pages are none", lab_file=str(log.lab.file))
    log.land({"page_view": views})
    log.land(_ends(found.folder))
    found.run("repaired")
    return found


def _ends(folder: Path) -> dict[str, list[Record]]:
    """What ends an input: a broken record in each partition."""
    at_ms = closes_at(last_arrival_ms(folder))
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    return {
        kind: [{**fields(kind, at_ms), "arrived_at": at}] * topic.partitions for kind, topic in EVENT_TOPICS.items()
    }
