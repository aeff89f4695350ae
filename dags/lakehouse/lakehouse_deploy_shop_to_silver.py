"""Deploy the stream that keeps a copy of the shop's tables in Iceberg, or bring it to the code's version.

## Reads

`flink_jobs/lakehouse/shop_to_silver` of the deployed code; the ledger of deployments in PostgreSQL; the topics
`lakehouse.<table>.changes`.

## Writes

The job in Flink, its row in the ledger, and through the job the tables `iceberg.silver_lakehouse.shop_*`. Tells the
asset `stream_shop_to_silver` when the job runs within its thresholds.

## Cadence

By hand: after a deployment of code that changed the job, or to roll back, stop or save it (parameter `action`).

## Rerun

Any time: the version that runs already is left alone. A killed deployment goes on where it was. A new version starts
from the savepoint of the old one; when it does not start, the old one is started again from the same savepoint.

## Triage

- `deploy` fails with a statement that Flink refused, or with the root exception of a job that does not start: mend
  the SQL. When it says that the version before runs again, nothing is lost meanwhile.
- It says that the state does not fit: another graph of operators. Deploy it with `fresh`: the topics are read again.
- `check_health` fails: the message names what is beyond the thresholds of job.yaml.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG

from quintet.airflow.assets import STREAM_SHOP_TO_SILVER
from quintet.airflow.defaults import dag_defaults
from quintet.airflow.flink import deploy_job, deploy_params
from quintet.airflow.lakehouse import OWNER, SLUG

with DAG(
    dag_id="lakehouse_deploy_shop_to_silver",
    description="Deploy or upgrade the stream from the shop's changes to Iceberg",
    schedule=None,
    is_paused_upon_creation=False,
    params=deploy_params(),
    doc_md=__doc__,
    **dag_defaults(SLUG, "stream", owner=OWNER, ends_within=timedelta(minutes=30)),
):
    deploy_job(SLUG, "shop_to_silver", outlets=[STREAM_SHOP_TO_SILVER], within=timedelta(minutes=3))
