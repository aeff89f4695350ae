"""The batch layer of the shop: topics to the log of events, the gate, and every figure anew for the days that changed.

## Reads

The five topics of events (`ecommerce.<entity>.<event>`) and the shop's lists: `catalogue/` of the folder in parameter
`input`, or of the input that was sent last.

## Writes

`delta.bronze_ecommerce.event_log` (every record, once), `delta.silver_ecommerce.*` (events, order lines, figures of
minutes and days, sessions, quarantine, balance) and, on trouble, an alert. Tells the asset `silver_ecommerce`; that
starts `ecommerce_reconcile_figures` and `ecommerce_build_gold`.

## Cadence

Every night at 01:30 UTC once it is switched on; by hand at any time.

## Rerun

Any task, any time: what has landed is not landed again, and a day is replaced as a whole. `full_refresh` computes all
days anew after an approval; both end in the same rows.

## Triage

- `land` fails: the broker or the registry does not answer (`quintet doctor`). What was committed stays.
- `gate` fails: too many records of a kind that arrived on a day break a rule, or two orders have one number. The
  message and the alert name kind, day, rule and what to do; published tables are as before.
- `figures` fails on conservation: events differ from the records. The next run computes the same days again.
- `raise_held` fails: a topic broke its contract; the message names field and owner. Its records wait in the topic.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG

from quintet.airflow.assets import SILVER_ECOMMERCE
from quintet.airflow.defaults import at_times, dag_defaults
from quintet.airflow.ecommercebatch import OWNER, SLUG, full_refresh_param, input_param, publish

with DAG(
    dag_id="ecommerce_build_batch",
    description="Events to figures of minutes and days, sessions: the batch layer",
    schedule=at_times("30 1 * * *"),
    is_paused_upon_creation=True,
    params={**input_param(), **full_refresh_param()},
    doc_md=__doc__,
    **dag_defaults(SLUG, "silver", owner=OWNER, ends_within=timedelta(hours=2)),
):
    publish(outlets=[SILVER_ECOMMERCE])
