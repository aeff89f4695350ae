"""Deploy the stream of figures, sessions, trends and flags, or bring it to the code's version.

## Reads

`flink_jobs/ecommerce/live_figures` of the deployed code; the ledger of deployments in PostgreSQL; the topics of events
`ecommerce.<entity>.<event>`.

## Writes

The job in Flink, its row in the ledger, and through the job the tables `live_*` and `sessions` of `silver_ecommerce`,
tables of `live_ecommerce`, the topics of late events and of minutes. Tells the asset `stream_live_figures` when the
job runs within its thresholds.

## Cadence

By hand: after a deployment of code that changed the job, or to roll back, stop or save it (parameter `action`).

## Rerun

Any time: the version that runs already is left alone. A killed deployment goes on where it was. A new version starts
from the savepoint of the old one; when it does not start, the old one is started again from the same savepoint.

## Triage

- `deploy` fails with a statement that Flink refused, or with the root exception of a job that does not start: mend
  the SQL. When it says that the version before runs again, nothing is lost meanwhile.
- It says that the state does not fit: another graph of operators. Its tables in the lake are only added to: empty the
  project (`quintet run ecommerce --fresh`) before it is deployed with `fresh`.
- `check_health` fails: the message names what is beyond the thresholds of job.yaml.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG

from quintet.airflow.assets import STREAM_LIVE_FIGURES
from quintet.airflow.defaults import dag_defaults
from quintet.airflow.ecommerce import OWNER, SLUG, prepare
from quintet.airflow.flink import deploy_job, deploy_params

with DAG(
    dag_id="ecommerce_deploy_live_figures",
    description="Deploy or upgrade the stream of figures, sessions, trends and flags",
    schedule=None,
    is_paused_upon_creation=False,
    params=deploy_params(),
    doc_md=__doc__,
    **dag_defaults(SLUG, "stream", owner=OWNER, ends_within=timedelta(minutes=30)),
):
    # Order that must not change: a stream without its topics and tables fails.
    prepare() >> deploy_job(SLUG, "live_figures", outlets=[STREAM_LIVE_FIGURES], within=timedelta(minutes=3))
