"""Gold in the object store: what starts it in labs with and without the store, and where its tasks run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG

import airflow_home
from labs import lab_below
from quintet.airflow import published
from quintet.airflow.assets import GOLD_LAKEHOUSE
from quintet.catalogue.published import PUBLISHED
from quintet.settings import Lab

pytestmark = pytest.mark.airflow

OBJECTS = {"bucket": "lake", "writer": "lake_writer", "reader": "lake_reader", "former_days": 14, "upload_days": 2}


def tasks_in(lab: Lab) -> dict[str, Any]:
    with DAG(dag_id="made") as dag:
        published.publish(lab)
    return {task.task_id: task for task in dag.tasks}


def test_gold_is_published_whenever_it_is_told_where_there_is_an_object_store(tmp_path: Path) -> None:
    assert published.after_gold(airflow_home.LAB) is None
    assert published.after_gold(lab_below(tmp_path, options={"objects": OBJECTS})) == [GOLD_LAKEHOUSE]


@pytest.mark.parametrize(("options", "environment"), [({}, "spark"), ({"kafka": {}}, "streaming")])
def test_kafka_is_told_from_where_its_client_is_and_assets_only_of_what_is_new(
    tmp_path: Path, options: dict[str, Any], environment: str
) -> None:
    tasks = tasks_in(lab_below(tmp_path, options={"objects": OBJECTS, **options}))
    assert set(tasks) == {f"{entry.table}.{step}" for entry in PUBLISHED for step in ("publish", "tell")}
    for entry in PUBLISHED:
        publish, tell = tasks[f"{entry.table}.publish"], tasks[f"{entry.table}.tell"]
        assert (publish.environment, tell.environment) == ("spark", environment)
        assert publish.outlets == [], "a run that changed nothing tells no asset"
        assert tell.skip_unless == "changed"
        assert tell.upstream_task_ids == {publish.task_id}
