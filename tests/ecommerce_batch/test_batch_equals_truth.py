"""Two days of a shop through gate and batch layer: late, double, broken, poisoned records, and the truth at the end."""

from __future__ import annotations

from collections import Counter, defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("pyspark", reason="the spark environment has it")
from shopstory import Story, state

from quintet import alerts
from quintet.catalogue.ecommerce import EVENT_TOPICS
from quintet.catalogue.ecommercebatch import (
    DAILY_FIGURES,
    DAY_BALANCE,
    GATE_RESULTS,
    MINUTE_FIGURES,
    QUARANTINE,
    USER_SESSIONS,
)
from quintet.ecommerce.batch.gate import passed_batch, run_gate
from quintet.ecommerce.batch.publish import publish
from quintet.ecommerce.batch.state import published
from quintet.ecommerce.definitions import INVALID
from quintet.errors import GateError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

#: Records of each kind that end the input: one a partition, each broken.
ENDS = {kind: topic.partitions for kind, topic in EVENT_TOPICS.items()}


def test_a_poisoned_day_publishes_nothing_and_says_which_records_of_which_kind(story: Story) -> None:
    assert story.after_refusal == story.after_first
    assert "page_view of 2025-01-02" in story.refusal
    assert "page_not_a_path" in story.refusal
    told = [entry.alert for entry in alerts.read(story.log.lab)]
    assert [alert.run_id for alert in told if alert.severity == "critical"] == ["poisoned"]
    decisions = {row["run_id"]: row["passed"] for row in story.log.rows(GATE_RESULTS) if row["rule"] == "decision"}
    assert decisions == {"first": True, "poisoned": False, "repaired": True}


def test_broken_records_lie_in_quarantine_by_the_rule_that_they_break(story: Story) -> None:
    rows = story.log.rows(QUARANTINE)
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        if row["status"] == "open":
            found[row["kind"]][row["reasons"]] += 1
    # The end of an input breaks every rule of its kind.
    ends = {kind: Counter({",".join(INVALID[kind]): number}) for kind, number in ENDS.items()}
    assert found == {kind: Counter(counts) + ends[kind] for kind, counts in story.truth.broken.items()}
    taken_back = [row for row in rows if row["status"] == "withdrawn"]
    assert len(taken_back) >= story.poisoned // 4
    assert {row["kind"] for row in taken_back} == {"page_view"}


def test_records_are_conserved_and_counted_as_the_truth_counts_them(story: Story) -> None:
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for row in story.log.rows(DAY_BALANCE):
        assert row["records"] == row["withdrawn"] + row["broken"] + row["duplicates"] + row["events"]
        found[row["kind"]].update({name: row[name] for name in ("records", "withdrawn", "broken", "duplicates")})
        found[row["kind"]].update({"batch_events": row["events"], "late": row["late"]})
    assert found["page_view"].pop("withdrawn") == story.poisoned
    found["page_view"]["records"] -= story.poisoned
    for kind, number in ENDS.items():
        found[kind].subtract({"records": number, "broken": number})
    names = ("records", "broken", "duplicates", "batch_events", "late")
    assert {kind: [counts[name] for name in names] for kind, counts in found.items()} == {
        kind: [counts[name] for name in names] for kind, counts in story.truth.records.items()
    }


@pytest.mark.parametrize("view", ["batch", "speed"])
def test_figures_of_minutes_equal_the_truth(story: Story, view: str) -> None:
    found = [row for row in story.log.rows(MINUTE_FIGURES) if row["view"] == view]
    assert all(row.pop("event_date") == row["minute"].date() for row in found)
    assert found == sorted(story.told("minute_kpis", view), key=lambda row: row["minute"])


@pytest.mark.parametrize("view", ["batch", "speed"])
def test_sessions_and_carts_left_behind_equal_the_truth(story: Story, view: str) -> None:
    found = [row for row in story.log.rows(USER_SESSIONS) if row["view"] == view]
    assert found == sorted(story.told("sessions", view), key=lambda row: (row["user_id"], row["begins_at"]))
    assert sum(row["is_abandoned"] for row in found) == story.truth.rows[f"{view}_abandoned_carts"] > 0
    # Some go on past midnight: their day is published with the events of both.
    assert any(row["begins_at"].date() < row["ends_at"].date() for row in found)


def test_late_events_make_the_views_differ(story: Story) -> None:
    rows = story.log.rows(MINUTE_FIGURES)
    views = {view: sum(row["page_views"] for row in rows if row["view"] == view) for view in ("batch", "speed")}
    assert views["speed"] < views["batch"]


def test_days_by_product_category_and_country_add_up_to_the_minutes(story: Story) -> None:
    money: dict[tuple[Any, str], Decimal] = defaultdict(Decimal)
    counts: dict[tuple[Any, str], Counter[str]] = defaultdict(Counter)
    for row in story.log.rows(DAILY_FIGURES):
        key = (row["event_date"], row["dimension"])
        money[key] += row["revenue"]
        counts[key].update({name: row[name] for name in ("page_views", "cart_additions", "orders", "pieces")})
        assert row["member"] != "unknown"
    for day in sorted({day for day, _ in money}):
        minutes = [row for row in story.told("minute_kpis", "batch") if row["minute"].date() == day]
        totals = {name: sum(row[name] for row in minutes) for name in ("page_views", "cart_additions", "orders")}
        assert {money[day, name] for name in ("product", "category", "country")} == {
            sum(row["revenue"] for row in minutes)
        }
        assert {counts[day, name]["pieces"] for name in ("product", "category", "country")} == {
            sum(row["pieces"] for row in minutes)
        }
        assert {name: counts[day, "country"][name] for name in totals} == totals
        assert counts[day, "product"]["cart_additions"] == totals["cart_additions"]


@pytest.mark.long
def test_what_is_published_does_not_tell_in_how_many_runs_it_was_computed(story: Story) -> None:
    before = state(story.log)
    number = published(story.log.lab).number
    done = story.run("anew", full_refresh=True)
    assert state(story.log) == before
    assert done["published"] == number + 1
    # The last is that of senders whose clock is ahead: all that is on it is broken.
    assert done["days"] == ["2025-01-01", "2025-01-02", "2025-01-03"]


def test_a_run_without_anything_new_starts_no_spark(story: Story) -> None:
    def refuse(rows: int = 0) -> SparkSession:
        raise AssertionError("there is nothing to do")

    last = published(story.log.lab)
    assert run_gate(story.log.lab, refuse, run_id="idle")["records"] == 0
    done = publish(story.log.lab, refuse, run_id="idle", up_to=passed_batch(story.log.lab, "idle"))
    assert done["published"] == last.number
    assert published(story.log.lab) == last


def test_a_run_without_a_gate_publishes_nothing(story: Story) -> None:
    with pytest.raises(GateError, match="no gate has judged"):
        passed_batch(story.log.lab, "unknown")
    with pytest.raises(GateError, match="refused"):
        passed_batch(story.log.lab, "poisoned")
