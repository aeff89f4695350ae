"""Take back what has landed of a kind of event that arrived on a day, so that it can be sent again whole.

## Reads

Which landing is the newest.

## Writes

A row in `delta.bronze_ecommerce.withdrawals`. The log of events keeps every record; from the next run of
`ecommerce_build_batch` on, those that are taken back count no more, and what lands later counts.

## Cadence

By hand, after a refusal of the gate: it names the kind and the day.

## Rerun

Each run takes back what has landed up to then: not after the corrected records have landed.

## Triage

- `withdraw` fails: there is no such kind, or nothing has landed. The message lists the kinds.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG

from quintet.airflow.defaults import dag_defaults
from quintet.airflow.ecommercebatch import OWNER, SLUG, withdraw, withdraw_params

with DAG(
    dag_id="ecommerce_withdraw_events",
    description="Take back poisoned events, before they are sent again whole",
    schedule=None,
    is_paused_upon_creation=False,
    params=withdraw_params(),
    doc_md=__doc__,
    **dag_defaults(SLUG, "bronze", owner=OWNER, ends_within=timedelta(minutes=10)),
):
    withdraw()
