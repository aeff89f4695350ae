"""Build the gold layer with dbt on Trino, every model and snapshot a task with its tests, then its documentation.

## Reads

`delta.silver_lakehouse.*` through Trino.

## Writes

`iceberg.gold_lakehouse.*` and the dbt documentation, which the page Lab shows. Tells the asset `gold_lakehouse`.

## Cadence

Whenever silver is told to be complete. Ends as skipped when neither silver nor the deployed models have changed.

## Rerun

Any task, any time: a model is replaced as a whole, and a snapshot that finds nothing new adds no row. `full_refresh`
drops the tables and builds them anew after an approval; snapshots are kept.

## Triage

- A model fails: its log ends with dbt's message and, for a failed test, the number of rows and the query to see them.
  The models that need it do not run, the others do. Correct it, deploy, clear the failed task.
- All models fail at once: Trino does not answer (`quintet doctor`). Clear them when it does.
- `assert_value_forecast_beats_naive_ones` fails: the forecast of `customer_value` is further from what came than the
  last 90 days or one mean for all, see `customer_value_backtest`; its variables are in `dbt_project.yml`.
- `check_freshness` warns: silver was not loaded for two days. Nothing waits for it; do files still arrive?
- `publish_docs` fails: gold is complete, only its documentation is old.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG

from quintet.airflow.assets import GOLD_LAKEHOUSE, SILVER_LAKEHOUSE
from quintet.airflow.defaults import dag_defaults
from quintet.airflow.lakehouse import OWNER, SLUG, full_refresh_param, gold

with DAG(
    dag_id="lakehouse_build_gold",
    description="dbt models on Trino",
    schedule=[SILVER_LAKEHOUSE],
    is_paused_upon_creation=False,
    params=full_refresh_param(),
    doc_md=__doc__,
    **dag_defaults(SLUG, "gold", owner=OWNER, ends_within=timedelta(hours=1)),
):
    gold(outlets=[GOLD_LAKEHOUSE], approves=True)
