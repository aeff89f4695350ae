"""Bring the changes of the shop's database into Delta: topics to the change log, the change log to copies and history.

## Reads

The topics `lakehouse.<table>.changes`, which Debezium writes, and their schemas in the registry.

## Writes

`delta.bronze_lakehouse.shop_changes` (every change, once), `delta.silver_lakehouse.shop_<table>` (the tables as they
are now) and `delta.silver_lakehouse.shop_customers_history` (customers in two times).

## Cadence

Every 15 minutes once it is switched on; by hand, and by `quintet run lakehouse --cdc`, at any time. The stream into
Iceberg does not wait for it.

## Rerun

Any task, any time: what has landed or is merged is not landed or merged again. `full_refresh` makes the copies anew
from the whole change log.

## Triage

- `check_capture` fails: the connector has failed or lost its slot; the message holds the first cause and what to do.
  Nothing is lost while it is away, as long as its slot is kept.
- `land` warns of records that cannot be read: `quintet deadletters list lakehouse`.
- `raise_held` fails: a topic broke its contract; the message names column and owner. Its changes wait in the topic, all
  others have gone their way.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG

from quintet.airflow.capture import merge_changes
from quintet.airflow.defaults import at_times, dag_defaults
from quintet.airflow.lakehouse import OWNER, SLUG, full_refresh_param

with DAG(
    dag_id="lakehouse_merge_shop_changes",
    description="Changes of the shop's database: topics to the change log to silver",
    schedule=at_times("*/15 * * * *"),
    is_paused_upon_creation=True,
    params=full_refresh_param(),
    doc_md=__doc__,
    **dag_defaults(SLUG, "silver", owner=OWNER, ends_within=timedelta(hours=1)),
):
    merge_changes()
