"""The whole path in one view: topics and tables, both streams, an input sent, and counted to its end.

## Reads

The folder in parameter `input` (events by day, catalogue); the record `sent` of the project.

## Writes

The topics `ecommerce.*`; through the streams the tables of `silver_ecommerce` and `live_ecommerce`. Tells no asset: the
single DAGs do.

## Cadence

By hand, or by `quintet run ecommerce`.

## Rerun

Any task, any time. An input is sent once: another run over it sends nothing and finds the same. Sending that was
interrupted has left part of the input in the topics: `check_input` then asks for an emptied project (`--fresh`).

## Triage

- `check_input` fails: the topics hold another input, or part of one; empty the project.
- A stream fails: see its own deployment, `ecommerce_deploy_live_figures` or `ecommerce_deploy_live_products`.
- `wait` fails: the streams were not through within an hour; the message says how far they are. Clear it to wait on.
- `tell_refused` opens alerts about dead letters and broken records; it fails only where it cannot look.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG

from quintet.airflow.defaults import dag_defaults
from quintet.airflow.ecommerce import OWNER, SLUG, check_input, input_params, prepare, send, stream, tell_refused, wait

with DAG(
    dag_id="ecommerce_run_pipeline",
    description="Topics, both streams, an input sent and counted, in one view",
    schedule=None,
    is_paused_upon_creation=False,
    params=input_params(),
    doc_md=__doc__,
    **dag_defaults(SLUG, "pipeline", owner=OWNER, ends_within=timedelta(hours=2)),
):
    checked = check_input()
    # Order that must not change: the streams run before the first record, and are asked after the last one.
    (
        checked
        >> prepare()
        >> [stream("live_figures"), stream("live_products")]
        >> send(checked)
        >> wait()
        >> tell_refused()
    )
