"""Build the shop's star schema and reports with dbt on Trino, every model a task with its tests, then their pages.

## Reads

`delta.silver_ecommerce.*` and, for the serving view, `postgres.live_ecommerce.minutes`, through Trino.

## Writes

`iceberg.gold_ecommerce.*` and the dbt documentation, which the page Lab shows. Tells the asset `gold_ecommerce`.

## Cadence

Each time the batch layer has published.

## Rerun

Any task, any time: a model is replaced as a whole.

## Triage

- A model fails: its log ends with dbt's message and, for a failed test, the number of rows and the query to see them.
  The models that need it do not run, the others do. Correct it, deploy, clear the failed task.
- All models fail at once: Trino does not answer (`quintet doctor`). Clear them when it does.
- `assert_served_minutes_equal_batch` fails: the batch layer published while the test ran. Clear it.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG

from quintet.airflow.assets import GOLD_ECOMMERCE, SILVER_ECOMMERCE
from quintet.airflow.defaults import dag_defaults
from quintet.airflow.ecommercebatch import OWNER, SLUG, gold

with DAG(
    dag_id="ecommerce_build_gold",
    description="The shop's star schema and reports: dbt models on Trino",
    schedule=[SILVER_ECOMMERCE],
    is_paused_upon_creation=False,
    doc_md=__doc__,
    **dag_defaults(SLUG, "gold", owner=OWNER, ends_within=timedelta(hours=1)),
):
    gold(outlets=[GOLD_ECOMMERCE])
