"""The whole path in one view: capture and both streams, an input sent and counted, batch layer, difference, gold.

## Reads

The folder in parameter `input` (events by day, catalogue); the record `sent` of the project; whatever an earlier run
has left to do in the topics and the batch layer.

## Writes

The price list of the shop's database, and the topics `ecommerce.*`; through the streams the tables `live_*` and
`sessions` of `silver_ecommerce` and `live_ecommerce`; then all tables of the batch layer in `bronze_ecommerce` and
`silver_ecommerce`, and `gold_ecommerce`. Tells the asset `gold_ecommerce` only: the single DAGs are not started by it.

## Cadence

By hand, or by `quintet run ecommerce`.

## Rerun

Any task, any time. An input is sent once: another run over it sends nothing, publishes what is new in the topics, and
finds the same. Sending that was interrupted has left part of the input in the topics: `check_input` then asks for an
emptied project (`--fresh`). `full_refresh` computes the batch layer anew after an approval.

## Triage

- `check_input` fails: the topics hold another input, or part of one; empty the project.
- `deploy_capture` fails, or `send` says that versions were not captured: the message holds the connector's first cause;
  `quintet capture show ecommerce`.
- A stream fails: see its own deployment, `ecommerce_deploy_live_figures` or `ecommerce_deploy_live_products`.
- `wait` fails: the streams were not through within an hour; the message says how far they are. Clear it to wait on.
- `tell_refused` opens alerts about dead letters and broken records; it fails only where it cannot look.
- `batch.gate` fails: `ecommerce_build_batch` says what to do. Live figures stand, batch layer and gold are as before.
- `reconcile` fails: see `ecommerce_reconcile_figures`; gold was not built.
- A model of `gold` fails: see `ecommerce_build_gold`.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG

from quintet.airflow.assets import GOLD_ECOMMERCE
from quintet.airflow.defaults import dag_defaults
from quintet.airflow.ecommerce import (
    OWNER,
    SLUG,
    check_input,
    deploy_capture,
    input_params,
    prepare,
    send,
    stream,
    tell_refused,
    wait,
)
from quintet.airflow.ecommercebatch import batch_layer, full_refresh_param

with DAG(
    dag_id="ecommerce_run_pipeline",
    description="The whole path in one view: events to live figures, batch layer and gold",
    schedule=None,
    is_paused_upon_creation=False,
    params={**input_params(), **full_refresh_param()},
    doc_md=__doc__,
    **dag_defaults(SLUG, "pipeline", owner=OWNER, ends_within=timedelta(hours=3)),
):
    checked = check_input()
    # Order that must not change: capture and streams run before the first record, and the streams are asked after the
    # last one; what is compared with them is computed when they are through.
    (
        checked
        >> prepare()
        >> [deploy_capture(), stream("live_figures"), stream("live_products")]
        >> send(checked)
        >> wait()
        >> [tell_refused(), batch_layer(outlets=[GOLD_ECOMMERCE])]
    )
