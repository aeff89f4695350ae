"""Prove that the live figures are the batch layer's, and put them right where they are not.

## Reads

`delta.silver_ecommerce.minute_figures`, `.user_sessions` and `.publications`; of the speed layer the live minutes in
PostgreSQL (`live_ecommerce.minutes`) and `iceberg.silver_ecommerce.sessions`.

## Writes

Nothing when both layers agree: difference 0. Where a settled minute or session is missing in the speed layer, too much
there or other than it should be, that row of the speed layer, and an alert.

## Cadence

Each time the batch layer has published.

## Rerun

Any time: it compares what is there. A second run after a repair finds nothing.

## Triage

- An alert tells of a repair: the stream was down for longer than its state remembers, or was deployed anew in between.
- `reconcile` fails because rows still differ after their repair: the stream writes them at the same time. Run it again;
  when it stays so, deploy the stream anew.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG

from quintet.airflow.assets import SILVER_ECOMMERCE
from quintet.airflow.defaults import dag_defaults
from quintet.airflow.ecommercebatch import OWNER, SLUG, reconcile

with DAG(
    dag_id="ecommerce_reconcile_figures",
    description="Speed layer against batch layer: difference 0, or repaired",
    schedule=[SILVER_ECOMMERCE],
    is_paused_upon_creation=False,
    doc_md=__doc__,
    **dag_defaults(SLUG, "silver", owner=OWNER, ends_within=timedelta(minutes=30)),
):
    reconcile()
