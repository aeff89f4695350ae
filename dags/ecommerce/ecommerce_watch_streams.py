"""Look after the streams of the shop and the capture of its price list: lag, checkpoints, restarts, slot; alerts.

## Reads

The ledger of deployments, and of each job in it what Flink measures; the capture's connector and its slot.

## Writes

Alerts about what is beyond the thresholds of a job's job.yaml, once for as long as it lasts; the record `streams` of
the project. A job that is gone, because its JobManager was started anew or because it failed for good, is started
again from its newest checkpoint. While the capture has failed, lost its slot or holds back much of the
database's log, an alert is open that names the cause.

## Cadence

Every minute once it is switched on.

## Rerun

Any time: it looks again.

## Triage

- `watch` fails: a job could not be started again; the message is its root exception. It is tried again by later runs,
  with growing pauses. Deploying the job tries at once.
- `check_capture` fails only where it cannot look. Of a lost slot nothing is lost: `quintet capture recover ecommerce`.
- Flink does not answer: `quintet doctor`.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG

from quintet.airflow.defaults import at_times, dag_defaults
from quintet.airflow.ecommerce import OWNER, SLUG, check_capture
from quintet.airflow.flink import WatchStreamsOperator

with DAG(
    dag_id="ecommerce_watch_streams",
    description="Lag, checkpoints, restarts and back-pressure of the streams; capture of the price list",
    schedule=at_times("* * * * *"),
    is_paused_upon_creation=True,
    doc_md=__doc__,
    **dag_defaults(SLUG, "stream", owner=OWNER, ends_within=timedelta(minutes=10)),
):
    WatchStreamsOperator(task_id="watch", slug=SLUG)
    check_capture()
