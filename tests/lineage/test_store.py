"""The collector on a real PostgreSQL: events become versions, the same event is one, late ones change nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from labs import lab_below
from postgres_server import enter
from quintet.errors import ServiceDownError
from quintet.lineage.errors import EventError, LineageError
from quintet.lineage.events import job_event, run_event
from quintet.lineage.model import Flow, Kind, Link
from quintet.lineage.store import Store

pytestmark = pytest.mark.filterwarnings("error")

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
LINK = Link("delta.silver_x.lines", "amount", "iceberg.gold_x.sales", "revenue", Kind.AGGREGATION)
FLOW = Flow("dbt.x.sales", ("delta.silver_x.lines",), ("iceberg.gold_x.sales",), (LINK,), "Sales", "sales-team")
WIDER = replace(FLOW, links=(LINK, replace(LINK, source_column="kind", target_column=None, kind=Kind.INDIRECT)))


def event(flow: Flow = FLOW, *, minutes: int = 0, **more: Any) -> Any:
    return run_event(flow, at=NOON + timedelta(minutes=minutes), **more)


def test_preparing_twice_makes_the_tables_once(store: Store) -> None:
    assert store.prepare() is False


def test_a_database_without_tables_is_told_with_the_remedy(postgres: int) -> None:
    empty = Store(lambda: enter(postgres, "postgres"), Path("/lake"))
    with pytest.raises(LineageError, match="make install"):
        empty.flows()


def test_a_database_that_is_away_is_told(tmp_path: Path) -> None:
    away = Store.of_lab(lab_below(tmp_path, more_doors={"postgres": 1}, secrets={"postgres_lineage": "x"}))
    with pytest.raises(ServiceDownError, match="does not answer"):
        away.flows()


def test_a_flow_comes_back_as_it_was_told(store: Store) -> None:
    store.record([event(WIDER)])
    assert [replace(flow, links=tuple(sorted(flow.links, key=str))) for flow in store.flows()] == [
        replace(WIDER, links=tuple(sorted(WIDER.links, key=str)))
    ]


def test_the_same_event_sent_twice_is_one(store: Store) -> None:
    told = event()
    assert vars(store.record([told, told])) == {"events": 2, "known": 1, "versions": 1}
    assert vars(store.record([told])) == {"events": 1, "known": 1, "versions": 0}
    assert len(store.events("dbt.x.sales")) == 1


def test_another_run_with_the_same_lineage_is_no_version(store: Store) -> None:
    store.record([event()])
    assert store.record([event(minutes=5)]).versions == 0
    assert len(store.versions("iceberg.gold_x.sales")) == 1
    assert store.written()["iceberg.gold_x.sales"][0] == NOON + timedelta(minutes=5)


def test_a_changed_lineage_is_a_version_and_the_old_one_keeps_its_time(store: Store) -> None:
    for minutes, flow in ((0, FLOW), (10, WIDER), (20, FLOW)):
        store.record([event(flow, minutes=minutes)])
    found = store.versions("iceberg.gold_x.sales")
    assert [(version.valid_from.minute, version.valid_to and version.valid_to.minute) for version in found] == [
        (20, None),
        (10, 20),
        (0, 10),
    ]
    # The first lineage came back: it is the same one.
    assert found[0].digest == found[2].digest != found[1].digest
    assert len(store.flows(NOON + timedelta(minutes=15))[0].links) == 2
    assert len(store.flows(NOON + timedelta(minutes=5))[0].links) == 1
    assert store.flows(NOON - timedelta(minutes=1)) == []


def test_an_event_that_comes_late_does_not_replace_what_is_newer(store: Store) -> None:
    store.record([event(WIDER, minutes=10)])
    assert store.record([event(FLOW, minutes=0)]).versions == 0
    assert store.flows()[0].digest() == WIDER.digest()
    assert store.written()["iceberg.gold_x.sales"][0] == NOON + timedelta(minutes=10)


@pytest.mark.parametrize("state", ["START", "RUNNING", "FAIL", "ABORT"])
def test_a_run_that_has_not_ended_well_has_written_nothing(store: Store, state: str) -> None:
    store.record([event(state=state)])
    assert (store.flows(), store.written()) == ([], {})


def test_what_the_code_says_is_lineage_but_no_writing(store: Store) -> None:
    store.record([job_event(FLOW, at=NOON)])
    assert [flow.job for flow in store.flows()] == ["dbt.x.sales"]
    assert store.written() == {}


def test_the_task_that_started_a_job_is_remembered(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"DAG_ID": "x_build_gold", "TASK_ID": "gold.publish_docs", "DAG_RUN_ID": "manual__1"}
    for name, value in given.items():
        monkeypatch.setenv(f"AIRFLOW_CTX_{name}", value)
    store.record([event(), event(minutes=1)])
    assert store.tasks() == {"dbt.x.sales": [("x_build_gold", "gold.publish_docs")]}
    assert store.written()["iceberg.gold_x.sales"][2] == "manual__1"


@pytest.mark.parametrize(
    ("broken", "named"),
    [
        ({}, "job"),
        ({"job": {"namespace": "a"}, "eventTime": "2026-11-21T12:00:00Z"}, "name"),
        ({"job": {"namespace": "a", "name": "b"}}, "eventTime"),
        ({"job": {"namespace": "a", "name": "b"}, "eventTime": "noon"}, "noon"),
        (
            {"job": {"namespace": "a", "name": "b"}, "eventTime": "2026-11-21T12:00:00Z", "run": {"runId": "1"}},
            "eventType",
        ),
        ([], "TypeError"),
        ("text", "TypeError"),
    ],
)
def test_what_is_no_event_is_refused_and_nothing_of_its_delivery_is_kept(store: Store, broken: Any, named: str) -> None:
    with pytest.raises(EventError, match=named):
        store.record([event(), broken])
    assert store.flows() == []


def test_deliveries_at_the_same_time_end_in_one_version(store: Store) -> None:
    events = [event(WIDER if number % 2 else FLOW, minutes=number) for number in range(16)]
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda told: store.record([told]), events))
    assert sum(outcome.known for outcome in done) == 0
    open_versions = [version for version in store.versions("iceberg.gold_x.sales") if version.valid_to is None]
    assert len(open_versions) == 1


def test_events_of_other_engines_are_known_by_the_names_of_the_lake(store: Store) -> None:
    def dataset(namespace: str, name: str, **more: Any) -> dict[str, Any]:
        return {"namespace": namespace, "name": name, **more}

    field = {**dataset("kafka://broker:9092", "x.orders.changes"), "field": "total"}
    lineage = {"fields": {"total": {"inputFields": [field]}}}
    store.record(
        [
            {
                "eventType": "COMPLETE",
                "eventTime": "2026-11-21T12:00:00Z",
                "run": {"runId": "0192"},
                "job": {"namespace": "spark", "name": "copy"},
                "inputs": [dataset("kafka://broker:9092", "x.orders.changes")],
                "outputs": [dataset("file", "/lake/delta/silver_x/orders", facets={"columnLineage": lineage})],
            }
        ]
    )
    (flow,) = store.flows()
    assert (flow.inputs, flow.outputs) == (("kafka.x.orders.changes",), ("delta.silver_x.orders",))
    assert flow.links == (
        Link("kafka.x.orders.changes", "total", "delta.silver_x.orders", "total", Kind.TRANSFORMATION),
    )


def test_old_events_go_but_not_what_is_known_by_them_nor_the_first_of_a_version(store: Store) -> None:
    store.record([event(), event(minutes=5), event(WIDER, minutes=10), event(WIDER, minutes=15)])
    known = store.versions("iceberg.gold_x.sales"), store.flows()
    assert store.forget(NOON + timedelta(minutes=12)) == 1
    assert len(store.events("dbt.x.sales")) == 3
    assert (store.versions("iceberg.gold_x.sales"), store.flows()) == known
    assert store.forget(NOON + timedelta(minutes=12)) == 0
    assert store.record([event(minutes=5)]).versions == 0, "told once more, it is an event of before"
