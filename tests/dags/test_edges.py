"""The edges whose loss corrupts data, and where assets are told."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from airflow_home import MODELS, SNAPSHOT
from quintet.airflow.defaults import NO_LAST_TIME

pytestmark = pytest.mark.airflow

INGEST = ["ingest.check_input", "ingest.list_pending", "ingest.land", "ingest.raise_refused"]
SILVER = ["silver.approve_full_refresh", "silver.find_changes", "silver.gate", "silver.build", "silver.announce"]
#: The model with a test is a group of both.
BUILT = [
    "gold.models.fct_sales.run",
    "gold.models.fct_sales.test",
    "gold.models.revenue_daily_run",
    f"gold.models.{SNAPSHOT}_snapshot",
]
BATCH = ["batch.approve_full_refresh", "batch.land", "batch.load_lists", "batch.gate", "batch.figures"]
GROUPS = {
    "ecommerce_build_batch": [*BATCH, "batch.raise_held"],
    "ecommerce_deploy_live_figures": ["prepare", "deploy", "check_health"],
    "ecommerce_deploy_live_products": ["prepare", "deploy", "check_health"],
    "ecommerce_index_products": ["check_cluster", "build", "check_alias"],
    "ecommerce_run_pipeline": [
        "check_input",
        "prepare",
        "live_figures.deploy",
        "live_figures.check_health",
        "send",
        "wait",
        *BATCH,
        "reconcile",
        "gold.check_trino",
        "gold.announce",
    ],
    "lakehouse_merge_shop_changes": ["approve_full_refresh", "check_capture", "land", "merge", "raise_held"],
    "lakehouse_publish_gold": ["revenue_daily.publish", "revenue_daily.tell"],
    "lakehouse_receive_inputs": ["read", "start", "settle", "refuse"],
    "lakehouse_ingest_bronze": INGEST,
    "lakehouse_build_silver": SILVER,
    "lakehouse_run_pipeline": [*INGEST, *SILVER, "gold.find_changes", "gold.check_trino", *BUILT, "gold.announce"],
    "lakehouse_build_gold": [
        "gold.approve_full_refresh",
        "gold.find_changes",
        "gold.check_trino",
        *BUILT,
        "gold.announce",
    ],
    "lakehouse_deploy_shop_to_silver": ["deploy", "check_health"],
    "platform_backup_postgres": ["backup.take", "backup.check", "backup.drill", "backup.rotate", "backup.upload"],
    "timeseries_load_points": ["load.check_input", "load.send", "load.gate"],
    "timeseries_backup_store": ["backup.snapshot", "backup.drill", "backup.prune"],
    "timeseries_run_pipeline": [
        "load.check_input",
        "load.send",
        "load.gate",
        "retain",
        "compact",
        "move",
        "backup.snapshot",
        "backup.drill",
        "backup.prune",
    ],
}


def is_before(dag: Any, first: str, second: str) -> bool:
    return second in dag.get_task(first).get_flat_relative_ids(upstream=False)


@pytest.mark.parametrize("dag_id", sorted(GROUPS))
def test_the_steps_of_a_dag_follow_one_another(dag_id: str, dags: dict[str, Any]) -> None:
    steps = GROUPS[dag_id]
    wrong = [pair for pair in itertools.pairwise(steps) if not is_before(dags[dag_id], *pair)]
    assert wrong == [], "the order of these steps protects data: see the comments in quintet.airflow"


@pytest.mark.parametrize("dag_id", ["lakehouse_build_silver", "lakehouse_run_pipeline"])
def test_nothing_is_published_before_the_gate(dag_id: str, dags: dict[str, Any]) -> None:
    gate = dags[dag_id].get_task("silver.gate")
    assert gate.trigger_rule == "all_success"
    build = dags[dag_id].get_task("silver.build")
    assert build.upstream_task_ids == {"silver.gate"}
    assert build.trigger_rule == "all_success"


@pytest.mark.parametrize("dag_id", ["lakehouse_build_silver", "lakehouse_run_pipeline", "lakehouse_build_gold"])
def test_a_full_refresh_waits_for_an_approval(dag_id: str, dags: dict[str, Any]) -> None:
    dag = dags[dag_id]
    group = "gold" if dag_id.endswith("gold") else "silver"
    approval = dag.get_task(f"{group}.approve_full_refresh")
    assert type(approval).__name__ == "ApproveFullRefresh"
    assert approval.fail_on_reject, "a skip would let tasks with a lenient rule run"
    assert approval.defaults == ["Reject"], "no answer is no approval"
    writers = [
        task_id for task_id in dag.task_ids if task_id.startswith(("silver.build", "silver.gate", "gold.models"))
    ]
    assert writers
    for task_id in writers:
        assert is_before(dag, approval.task_id, task_id)


@pytest.mark.parametrize("dag_id", ["ecommerce_build_batch", "ecommerce_run_pipeline"])
def test_no_figure_is_published_before_the_gate_and_a_rejected_refresh_lands_nothing(
    dag_id: str, dags: dict[str, Any]
) -> None:
    dag = dags[dag_id]
    assert dag.get_task("batch.figures").upstream_task_ids == {"batch.gate"}
    assert {dag.get_task(f"batch.{name}").trigger_rule for name in ("gate", "figures")} == {"all_success"}
    approval = dag.get_task("batch.approve_full_refresh")
    assert approval.fail_on_reject, "a skip would let landing with its lenient rule run"
    assert approval.defaults == ["Reject"], "no answer is no approval"
    # The one slot keeps two jobs from writing the same tables at a time.
    assert {dag.get_task(f"batch.{name}").pool for name in ("load_lists", "gate", "figures")} == {"spark"}


def test_nothing_is_sent_before_both_streams_and_the_capture_run(dags: dict[str, Any]) -> None:
    dag = dags["ecommerce_run_pipeline"]
    assert is_before(dag, "live_products.deploy", "live_products.check_health")
    assert dag.get_task("deploy_capture").upstream_task_ids == {"prepare"}
    upstream = {"deploy_capture", "live_figures.check_health", "live_products.check_health"}
    assert upstream <= dag.get_task("send").upstream_task_ids


def test_what_is_told_of_the_shop_s_records_keeps_no_figure_back(dags: dict[str, Any]) -> None:
    dag = dags["ecommerce_run_pipeline"]
    assert dag.get_task("tell_refused").upstream_task_ids == {"wait"}
    for name in ("tell_refused", "batch.raise_held"):
        assert dag.get_task(name).downstream_task_ids == set()
    assert dag.get_task("batch.approve_full_refresh").upstream_task_ids == {"wait"}
    assert dag.get_task("reconcile").upstream_task_ids == {"batch.figures"}


def test_the_run_of_the_shop_is_its_single_dags_in_one_graph(dags: dict[str, Any]) -> None:
    single = ("ecommerce_build_batch", "ecommerce_reconcile_figures", "ecommerce_build_gold")
    parts = {task_id for dag_id in single for task_id in dags[dag_id].task_ids}
    assert parts <= set(dags["ecommerce_run_pipeline"].task_ids)


def test_refused_files_are_told_after_the_good_ones_have_landed(dags: dict[str, Any]) -> None:
    for dag_id in ("lakehouse_ingest_bronze", "lakehouse_run_pipeline"):
        told = dags[dag_id].get_task("ingest.raise_refused")
        assert told.upstream_task_ids == {"ingest.land"}
        assert told.trigger_rule == "none_failed", "it runs when nothing was pending, and not when landing failed"


def test_each_single_dag_tells_one_asset_at_its_end_and_the_master_only_gold(dags: dict[str, Any]) -> None:
    told = {
        dag_id: {task.task_id: [asset.name for asset in task.outlets] for task in dag.tasks if task.outlets}
        for dag_id, dag in dags.items()
    }
    assert told == {
        "ecommerce_build_batch": {"batch.figures": ["silver_ecommerce"]},
        "ecommerce_build_gold": {"gold.announce": ["gold_ecommerce"]},
        "ecommerce_care_streams": {},
        "ecommerce_index_products": {},
        "ecommerce_reconcile_figures": {},
        "ecommerce_withdraw_events": {},
        "ecommerce_deploy_live_figures": {"check_health": ["stream_live_figures"]},
        "ecommerce_deploy_live_products": {"check_health": ["stream_live_products"]},
        "ecommerce_run_pipeline": {"gold.announce": ["gold_ecommerce"]},
        "ecommerce_watch_streams": {},
        "lakehouse_ingest_bronze": {"ingest.raise_refused": ["bronze_lakehouse"]},
        "lakehouse_build_silver": {"silver.announce": ["silver_lakehouse"]},
        "lakehouse_build_gold": {"gold.announce": ["gold_lakehouse"]},
        "lakehouse_run_pipeline": {"gold.announce": ["gold_lakehouse"]},
        "lakehouse_care_tables": {},
        "lakehouse_care_streams": {},
        "lakehouse_merge_shop_changes": {},
        "lakehouse_publish_gold": {
            f"{table}.tell": [f"published_lakehouse_{table}"]
            for table in ("revenue_daily", "customer_rfm", "product_abc")
        },
        "lakehouse_receive_inputs": {},
        "lakehouse_watch_streams": {},
        "lakehouse_deploy_shop_to_silver": {"check_health": ["stream_shop_to_silver"]},
        "timeseries_load_points": {"load.gate": ["points_timeseries"]},
        "timeseries_compact_blocks": {"compact": ["blocks_timeseries"]},
        "timeseries_move_tiers": {},
        "timeseries_retain_blocks": {},
        "platform_backup_postgres": {},
        "timeseries_backup_store": {},
        "timeseries_watch_store": {},
        "timeseries_run_pipeline": {},
    }


def test_silver_starts_on_bronze_and_gold_on_silver(dags: dict[str, Any]) -> None:
    from quintet.airflow.assets import BRONZE_LAKEHOUSE, SILVER_LAKEHOUSE

    def starts_on(dag_id: str) -> list[str]:
        return [asset.name for asset in dags[dag_id].timetable.asset_condition.objects]

    assert starts_on("lakehouse_build_silver") == [BRONZE_LAKEHOUSE.name]
    assert starts_on("lakehouse_build_gold") == [SILVER_LAKEHOUSE.name]
    assert dags["lakehouse_run_pipeline"].schedule is None, "a person starts it"


def test_the_master_is_the_three_groups_in_one_graph(dags: dict[str, Any]) -> None:
    single = {
        task.task_id
        for dag_id in ("lakehouse_ingest_bronze", "lakehouse_build_silver", "lakehouse_build_gold")
        for task in dags[dag_id].tasks
    }
    assert single - set(dags["lakehouse_run_pipeline"].task_ids) == {"gold.approve_full_refresh"}, "silver has asked"
    assert set(dags["lakehouse_run_pipeline"].task_ids) <= single


def test_every_model_is_a_task(dags: dict[str, Any]) -> None:
    for dag_id in ("lakehouse_build_gold", "lakehouse_run_pipeline"):
        shown = {task_id for task_id in dags[dag_id].task_ids if task_id.startswith("gold.models.")}
        assert all(any(name in task_id for task_id in shown) for name in MODELS), shown


def test_the_age_of_the_sources_is_told_also_when_nothing_is_built_and_stops_nothing(dags: dict[str, Any]) -> None:
    for dag_id in ("lakehouse_build_gold", "lakehouse_run_pipeline"):
        asks = dags[dag_id].get_task("gold.check_freshness")
        assert asks.downstream_task_ids == set()
        assert asks.trigger_rule == "none_failed", "silver is skipped when it has nothing to do"
        assert not asks.get_flat_relative_ids(upstream=True) & {"gold.find_changes", "gold.approve_full_refresh"}
    assert is_before(dags["lakehouse_run_pipeline"], "silver.announce", "gold.check_freshness")


def test_only_one_run_at_a_time_may_write_silver(dags: dict[str, Any]) -> None:
    import json

    from paths import ROOT

    pools = json.loads((ROOT / "include/quintet/airflow/pools.json").read_text(encoding="utf-8"))
    assert pools["spark"]["slots"] == 1
    for dag_id in ("lakehouse_build_silver", "lakehouse_run_pipeline"):
        for task_id in ("silver.gate", "silver.build"):
            assert dags[dag_id].get_task(task_id).pool == "spark"
    assert dags["lakehouse_care_tables"].get_task("care.tables").pool == "spark"
    assert dags["lakehouse_merge_shop_changes"].get_task("merge").pool == "spark"


def test_switching_a_scheduled_dag_on_starts_no_run_for_the_past(dags: dict[str, Any]) -> None:
    scheduled = [dag for dag in dags.values() if dag.timetable.__class__.__name__.startswith("Cron")]
    assert {dag.dag_id for dag in scheduled} == {
        "ecommerce_build_batch",
        "ecommerce_care_streams",
        "ecommerce_watch_streams",
        "lakehouse_ingest_bronze",
        "lakehouse_merge_shop_changes",
        "lakehouse_care_tables",
        "lakehouse_care_streams",
        "lakehouse_watch_streams",
        "platform_backup_postgres",
        "timeseries_load_points",
        "timeseries_retain_blocks",
        "timeseries_backup_store",
        "timeseries_watch_store",
    }
    for dag in scheduled:
        assert dag.is_paused_upon_creation is True
        assert dag.timetable.run_immediately == NO_LAST_TIME


def test_blocks_are_merged_after_points_came_and_moved_after_they_are_in_order(dags: dict[str, Any]) -> None:
    from quintet.airflow.assets import BLOCKS_TIMESERIES, POINTS_TIMESERIES

    for dag_id, asset in (
        ("timeseries_compact_blocks", POINTS_TIMESERIES),
        ("timeseries_move_tiers", BLOCKS_TIMESERIES),
    ):
        assert [found.name for found in dags[dag_id].timetable.asset_condition.objects] == [asset.name]


def test_only_one_task_at_a_time_changes_the_time_series_store(dags: dict[str, Any]) -> None:
    import json

    from paths import ROOT

    pools = json.loads((ROOT / "include/quintet/airflow/pools.json").read_text(encoding="utf-8"))
    assert pools["timeseries"]["slots"] == 1
    changes = {"load.send", "retain", "compact", "move", "backup.snapshot"}
    found = {
        task.task_id: task.pool
        for dag_id, dag in dags.items()
        if dag_id.startswith("timeseries_")
        for task in dag.tasks
        if task.task_id in changes
    }
    assert found == dict.fromkeys(changes, "timeseries"), "a backup is compared with a store that no other task changes"


def test_every_flink_job_has_the_dag_that_deploys_it(dags: dict[str, Any]) -> None:
    from paths import ROOT
    from quintet.flink.definition import job_folders

    jobs = [(folder.parent.name, folder.name) for folder in job_folders(ROOT)]
    assert jobs
    for slug, job in jobs:
        deploy = dags[f"{slug}_deploy_{job}"].get_task("deploy")
        assert (deploy.slug, deploy.job) == (slug, job)
        assert dags[f"{slug}_deploy_{job}"].schedule is None, "a person, or a deployment of code, starts it"
        assert f"{slug}_watch_streams" in dags, "what is deployed is watched"


def test_the_watch_and_the_care_of_streams_wait_for_no_slot_of_the_batch_jobs(dags: dict[str, Any]) -> None:
    for dag_id in ("lakehouse_watch_streams", "lakehouse_care_streams"):
        assert {task.pool for task in dags[dag_id].tasks} == {"default_pool"}
