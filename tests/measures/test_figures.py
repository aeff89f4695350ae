"""What benchmarks make of the output of Ansible, dbt, Airflow and DuckDB."""

from __future__ import annotations

import os
import signal
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bench_converge
import bench_gold
import bench_kafka
import pytest
import running
from bench_airflow import rate
from measuring import percentiles, tidy_end
from running import NotThereError, running_lab

from labs import lab_below
from quintet.health.supervision import Process

PLAY = """
TASK [preflight : Look] ********************************************************
ok: [localhost]

TASK [trino : Write the configuration] *****************************************
changed: [localhost] => (item=config.properties)
ok: [localhost] => (item=log.properties)

RUNNING HANDLER [service : Restart] ********************************************
changed: [localhost]

PLAY RECAP *********************************************************************
localhost                  : ok=121  changed=2   unreachable=0    failed=0    skipped=32   rescued=0    ignored=0
"""


def test_the_recap_of_a_playbook_is_read() -> None:
    assert bench_converge.recap(PLAY) == bench_converge.Recap(ok=121, changed=2, unreachable=0, failed=0, skipped=32)
    assert bench_converge.recap("ERROR! the playbook: site.yml could not be found") is None


def test_tasks_that_changed_something_are_named_once() -> None:
    assert bench_converge.changed_tasks(PLAY) == ["trino : Write the configuration", "service : Restart"]


def node(kind: str, name: str, *needs: str, materialized: str = "table") -> dict[str, Any]:
    return {
        "resource_type": kind,
        "name": name,
        "config": {"materialized": materialized},
        "depends_on": {"nodes": list(needs)},
        "relation_name": f'"iceberg"."benchmark_gold"."{name}"',
        "compiled_code": f"select {name}",
    }


def test_models_for_the_peer_come_after_what_they_need_without_views_and_tests() -> None:
    manifest = {
        "nodes": {
            "model.quintet.a_last": node("model", "a_last", "model.quintet.middle"),
            "model.quintet.middle": node("model", "middle", "model.quintet.stg", materialized="ephemeral"),
            "model.quintet.stg": node("model", "stg", "model.quintet.z_first", "source.quintet.s"),
            "model.quintet.z_first": node("model", "z_first"),
            "test.quintet.t": node("test", "t", "model.quintet.a_last"),
        }
    }
    assert [model["name"] for model in bench_gold.peer_models(manifest)] == ["z_first", "stg", "a_last"]


def test_results_of_dbt_are_counted_by_kind_and_status() -> None:
    results = {
        "elapsed_time": 12.5,
        "results": [
            {"unique_id": "model.quintet.fct_sales", "status": "success", "execution_time": 1.5},
            {"unique_id": "test.quintet.unique_x.abc", "status": "pass", "execution_time": 0.5},
            {"unique_id": "test.quintet.warned.abc", "status": "warn", "execution_time": 0.5},
            {"unique_id": "unit_test.quintet.fct_sales.case", "status": "pass", "execution_time": 0.5},
        ],
    }
    build = bench_gold.read_build(results, 15.0)
    assert (build.of("model"), build.of("test"), build.of("unit_test"), build.passed) == (1, 2, 1, 3)
    assert build.models == {"fct_sales": 1.5}


@pytest.mark.parametrize(
    ("theirs", "ours", "difference"),
    [
        ({"rows": 2, "sums": {"net": "1.50"}}, [2, Decimal("1.5000")], None),
        ({"rows": 2, "sums": {"net": "None"}}, [2, None], None),
        ({"rows": 2, "sums": {"net": "1.50"}}, [3, Decimal("1.5")], "2 rows, Trino made 3"),
        ({"rows": 2, "sums": {"net": "1.50"}}, [2, Decimal("1.51")], "the sum of net is 1.50, in Trino 1.51"),
        ({"rows": 2, "sums": {"net": "None"}}, [2, Decimal("1.51")], "the sum of net is None, in Trino 1.51"),
        ({"error": "Catalog Error"}, [], "DuckDB refuses it: Catalog Error"),
    ],
)
def test_a_table_of_the_peer_counts_only_with_the_same_rows_and_sums(
    theirs: dict[str, Any], ours: list[Any], difference: str | None
) -> None:
    assert bench_gold.differs({"name": "m", **theirs}, lambda _statement: [ours]) == difference


def test_the_copied_project_builds_everything_in_the_schema_of_the_benchmark(tmp_path: Path) -> None:
    project = bench_gold.copy_project(tmp_path)
    macro = (project / "macros" / "generate_schema_name.sql").read_text(encoding="utf-8")
    assert "benchmark_gold" in macro
    assert "custom_schema_name or" not in macro
    assert (project / "models" / "marts" / "lakehouse" / "fct_sales.sql").exists()


def test_tasks_in_a_second_count_from_the_first_start_to_the_last_end() -> None:
    tasks = [
        {"start_date": "2026-11-21T08:00:00Z", "end_date": "2026-11-21T08:00:01Z"},
        {"start_date": "2026-11-21T08:00:01Z", "end_date": "2026-11-21T08:00:04Z"},
        {"start_date": "2026-11-21T08:00:01Z", "end_date": "2026-11-21T08:00:03Z"},
    ]
    assert rate(tasks) == {"tasks": 3, "seconds": 4.0, "per_second": 0.75, "median_task": 2.0}


def test_without_a_lab_it_is_said_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QUINTET_LAB", raising=False)
    monkeypatch.setenv("QUINTET_HOME", str(tmp_path / "none"))
    with pytest.raises(NotThereError, match="make install"):
        running_lab()


def test_a_stopped_lab_is_told_from_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    services = [{"name": name, "order": 1, "memory_mb": 1} for name in ("postgres", "trino", "airflow-scheduler")]
    lab = lab_below(tmp_path, services=services, secrets={"airflow_admin": "any"})
    states = {"postgres": Process("postgres", "RUNNING", 1, 1, ""), "trino": Process("trino", "STOPPED", 0, 0, "")}
    monkeypatch.setenv("QUINTET_LAB", str(lab.file))
    monkeypatch.setattr(running, "service_manager", lambda _lab: SimpleNamespace(processes=lambda: states))
    with pytest.raises(NotThereError, match=r"does not run \(airflow-scheduler, trino\)\. Run: make start"):
        running_lab()


def test_a_polite_kill_unwinds_like_an_interruption() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), tidy_end():
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) == before


PRODUCED = """40962 records sent, 8190.8 records/sec (1.56 MB/sec), 2041.2 ms avg latency, 3304.0 ms max latency.
1000000 records sent, 262000.1 records/sec (49.97 MB/sec), 300.11 ms avg latency, 500.00 ms max latency, 73 ms 50th.
"""
CONSUMED = """WARN: something, that is told first
start.time, end.time, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec, rebalance.time.ms, fetch.time.ms, \
fetch.MB.sec, fetch.nMsg.sec
2026-11-21 18:00:00:000, 2026-11-21 18:00:05:000, 190.7, 38.1, 1000000, 200000.0, 350, 4650, 41.0, 215053.8
"""


def test_the_last_line_of_the_vendors_producer_tells_its_rate() -> None:
    assert bench_kafka.written_by_tool(PRODUCED) == 262000.1


def test_the_vendors_consumer_is_taken_by_the_time_in_which_it_fetched() -> None:
    assert bench_kafka.read_by_tool(CONSUMED) == 215053.8


def test_percentiles_are_values_that_were_measured_and_leave_out_what_has_not_ended() -> None:
    begun = dict.fromkeys(range(1, 102), 100.0)
    ended = {number: 100.0 + number / 1000 for number in range(1, 101)}
    assert percentiles(begun, ended) == {"samples": 100, "p50": 50.0, "p95": 95.0, "p99": 99.0, "max": 100.0}
