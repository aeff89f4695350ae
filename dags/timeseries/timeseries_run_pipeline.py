"""Files to points, then retention, compaction, tiers and a backup with its drill, in one view.

## Reads

The folder in parameter `input`, and the store.

## Writes

Points, blocks and a backup. Tells no asset: the single DAGs are not started by it.

## Cadence

By hand, or by `quintet run timeseries`.

## Rerun

Any task, any time; another run does the same.

## Triage

The red task's log ends with what failed, on which object and what to do. What a task means is told by the DAG that has
it alone: `timeseries_load_points`, `timeseries_retain_blocks`, `timeseries_compact_blocks`, `timeseries_move_tiers`,
`timeseries_backup_store`.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG

from quintet.airflow.defaults import dag_defaults
from quintet.airflow.timeseries import (
    OWNER,
    SLUG,
    backup,
    compact,
    input_params,
    load,
    move,
    retain,
)

with DAG(
    dag_id="timeseries_run_pipeline",
    description="Files to points, then all care, in one view",
    schedule=None,
    is_paused_upon_creation=False,
    params=input_params(),
    doc_md=__doc__,
    **dag_defaults(SLUG, "pipeline", owner=OWNER, ends_within=timedelta(hours=1)),
):
    # Retention before compaction: what it hides is then taken off the disk. The backup is of the store in order.
    load() >> retain(keep=False) >> compact() >> move() >> backup()
