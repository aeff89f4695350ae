"""Rules for DAG files. A message says what to do."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest

from paths import ROOT
from quintet.catalogue import PLATFORM_DAGS, PROJECTS

pytestmark = pytest.mark.airflow

DAGS = ROOT / "dags"
FILES = sorted(DAGS.rglob("*.py"))
EXPECTED = {
    "ecommerce_build_batch",
    "ecommerce_build_gold",
    "ecommerce_care_streams",
    "ecommerce_deploy_live_figures",
    "ecommerce_deploy_live_products",
    "ecommerce_index_products",
    "ecommerce_reconcile_figures",
    "ecommerce_run_pipeline",
    "ecommerce_watch_streams",
    "ecommerce_withdraw_events",
    "lakehouse_build_gold",
    "lakehouse_build_silver",
    "lakehouse_care_streams",
    "lakehouse_care_tables",
    "lakehouse_deploy_shop_to_silver",
    "lakehouse_ingest_bronze",
    "lakehouse_merge_shop_changes",
    "lakehouse_publish_gold",
    "lakehouse_receive_inputs",
    "lakehouse_run_pipeline",
    "lakehouse_watch_streams",
    "platform_backup_postgres",
    "timeseries_backup_store",
    "timeseries_compact_blocks",
    "timeseries_load_points",
    "timeseries_move_tiers",
    "timeseries_retain_blocks",
    "timeseries_run_pipeline",
    "timeseries_watch_store",
}
OWNERS = {
    "ecommerce": "shop-events",
    "lakehouse": "retail-data",
    "platform": "platform",
    "timeseries": "measurement-data",
}
HEADINGS = ["Reads", "Writes", "Cadence", "Rerun", "Triage"]
#: What a DAG file may import beside the standard library's small modules: wiring, no work.
IMPORTS = re.compile(r"^(__future__|datetime|airflow\.sdk|airflow\.providers\..+|quintet\.airflow\..+)$")
SECONDS = 2.0
#: Cosmos reads dbt's manifest when these are parsed.
WITH_MODELS = {"ecommerce_build_gold", "ecommerce_run_pipeline", "lakehouse_build_gold", "lakehouse_run_pipeline"}


def by_stem(path: Path) -> str:
    return path.stem


@pytest.fixture(params=FILES, ids=by_stem)
def file(request: pytest.FixtureRequest) -> Path:
    found: Path = request.param
    return found


def test_the_dags_are_those_that_are_expected(dags: dict[str, Any]) -> None:
    assert set(dags) == EXPECTED, "a new DAG is added here, in the catalogue and with its edges in test_edges"


def test_the_catalogue_lists_the_same_dags(dags: dict[str, Any]) -> None:
    known = (*PLATFORM_DAGS, *(dag for project in PROJECTS for dag in project.dags))
    listed = {dag.dag_id: dag.description for dag in known}
    assert {dag_id: dag.description for dag_id, dag in dags.items()} == listed


def test_a_file_holds_the_dag_of_its_name(file: Path, dags: dict[str, Any]) -> None:
    found = [dag_id for dag_id, dag in dags.items() if Path(dag.fileloc) == file]
    assert found == [file.stem], "one DAG per file, and the file is named after it"
    assert file.stem.startswith(f"{file.parent.name}_"), "<slug>_<verb>_<object>, in the folder of its slug"


def test_a_file_says_what_it_reads_and_what_to_do(file: Path, dags: dict[str, Any]) -> None:
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    assert re.findall(r"^## (\w+)$", text, re.MULTILINE) == HEADINGS, f"its docstring has the headings {HEADINGS}"
    sections = re.split(r"^## \w+$", text, flags=re.MULTILINE)
    assert all(section.strip() for section in sections), "every heading has a text"
    assert dags[file.stem].doc_md.strip() == text.strip(), "doc_md=__doc__"


def test_a_file_only_wires(file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    names = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    names += [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    assert [name for name in names if not IMPORTS.match(name)] == [], "logic and its imports belong into quintet"
    defined = [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Lambda))]
    assert defined == [], "functions belong into quintet.airflow or quintet.<slug>"
    assert len(file.read_text(encoding="utf-8").splitlines()) <= 120


def test_a_file_is_parsed_in_no_time(bag: Any, dags: dict[str, Any]) -> None:
    assert dags
    slow = {
        stat.file: stat.duration.total_seconds()
        for stat in bag.dagbag_stats
        if Path(stat.file).stem not in WITH_MODELS and stat.duration.total_seconds() > SECONDS
    }
    assert slow == {}, "parsing must not compute, ask or read"
    assert len(bag.dagbag_stats) == len(EXPECTED)


def test_every_dag_is_tagged_owned_and_runs_one_at_a_time(dags: dict[str, Any]) -> None:
    layers = {"bronze", "silver", "gold", "index", "points", "stream", "care", "backup", "pipeline"}
    for dag_id, dag in dags.items():
        slug = dag_id.partition("_")[0]
        assert slug in dag.tags, f"{dag_id}: tags are slug and layer"
        assert len(set(dag.tags) & layers) == 1, f"{dag_id}: tags are slug and layer"
        assert dag.max_active_runs == 1, dag_id
        assert dag.catchup is False, dag_id
        assert dag.deadline, f"{dag_id}: every run has a deadline"
        assert dag.has_on_success_callback, f"{dag_id}: a good run clears alerts"


def test_every_task_has_owner_retries_by_class_and_an_alert(dags: dict[str, Any]) -> None:
    from airflow.providers.standard.operators.empty import EmptyOperator

    from quintet.airflow.callbacks import alert_failure
    from quintet.airflow.retries import RETRY_BY_CLASS

    for dag_id, dag in dags.items():
        for task in dag.tasks:
            if isinstance(task, EmptyOperator):
                continue  # never runs
            where = f"{dag_id}.{task.task_id}"
            arguments = getattr(task, "partial_kwargs", None)
            given = arguments.get if arguments is not None else lambda name, task=task: getattr(task, name)
            assert given("owner") == OWNERS[dag_id.partition("_")[0]], where
            assert given("retries") == 3, where
            assert given("retry_policy") is RETRY_BY_CLASS, where
            callbacks = given("on_failure_callback")
            assert alert_failure in (callbacks if isinstance(callbacks, (list, tuple)) else [callbacks]), where


def test_every_pool_is_declared(dags: dict[str, Any]) -> None:
    import json

    declared = json.loads((ROOT / "include/quintet/airflow/pools.json").read_text(encoding="utf-8"))
    used = {task.pool for dag in dags.values() for task in dag.tasks} - {"default_pool"}
    assert used == set(declared), (
        "declare pools in quintet/airflow/pools.json; undeclared ones make tasks wait for ever"
    )


def test_every_parameter_has_a_title_and_a_description(dags: dict[str, Any]) -> None:
    for dag_id, dag in dags.items():
        for name in dag.params:
            parameter = dag.params.get_param(name)
            assert parameter.description, f"{dag_id}: {name}"
            assert {"title", "type"} <= set(parameter.schema), f"{dag_id}: {name}"
            parameter.resolve()  # the default holds against its own schema
