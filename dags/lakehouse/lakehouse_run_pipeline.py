"""The whole path in one view: files to bronze, gate and silver, gold.

## Reads

The folder in parameter `input`, and whatever an earlier run has left to do in bronze and silver.

## Writes

All tables of `bronze_lakehouse`, `silver_lakehouse` and `gold_lakehouse`, the quality pages and the dbt
documentation. Tells the asset `gold_lakehouse` only: the single DAGs are not started by it.

## Cadence

By hand, or by `quintet run lakehouse`.

## Rerun

Any task, any time; another run does the same. Groups that have nothing to do end as skipped. `from` and `to` limit
landing and silver to the files of those days; `full_refresh` computes silver and gold anew after an approval.

## Triage

The red task's log ends with what failed, on which object and what to do. What the tasks of a group mean is told by
the DAG that has the group alone: `lakehouse_ingest_bronze`, `lakehouse_build_silver`, `lakehouse_build_gold`.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG

from quintet.airflow.assets import GOLD_LAKEHOUSE
from quintet.airflow.defaults import dag_defaults
from quintet.airflow.lakehouse import (
    OWNER,
    SLUG,
    full_refresh_param,
    gold,
    ingest,
    input_param,
    range_params,
    silver,
)

with DAG(
    dag_id="lakehouse_run_pipeline",
    description="The whole path in one view: files to gold",
    schedule=None,
    is_paused_upon_creation=False,
    params={**input_param(), **range_params(), **full_refresh_param()},
    doc_md=__doc__,
    **dag_defaults(SLUG, "pipeline", owner=OWNER, ends_within=timedelta(hours=2)),
):
    # Outlets stay off in the middle: with them, one run would start the single DAGs as well.
    ingest() >> silver() >> gold(outlets=[GOLD_LAKEHOUSE], approves=False)
