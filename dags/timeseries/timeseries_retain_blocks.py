"""Remove points of the time-series database that are older than its retention.

## Reads

The times of the blocks of the store.

## Writes

Blocks that are old as a whole are removed; older points of the others are out of sight at once and off the disk after
the next `timeseries_compact_blocks`.

## Cadence

Daily at 02:10 UTC once it is switched on; by hand at any time.

## Rerun

Any time: what is gone is gone. `keep_days` asks for another retention than `timeseries_retention`, for this run only.

## Triage

- Points that should be there are gone: restore a backup (`backups/timeseries`) into a folder of its own and read it
  with `python -m quintet.timeseries query --data FOLDER`.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG

from quintet.airflow.defaults import at_times, dag_defaults
from quintet.airflow.timeseries import OWNER, SLUG, keep_param, retain

with DAG(
    dag_id="timeseries_retain_blocks",
    description="Remove what is older than the retention",
    schedule=at_times("10 2 * * *"),
    is_paused_upon_creation=True,
    params=keep_param(),
    doc_md=__doc__,
    **dag_defaults(SLUG, "care", owner=OWNER, ends_within=timedelta(minutes=30)),
):
    retain(keep=True)
