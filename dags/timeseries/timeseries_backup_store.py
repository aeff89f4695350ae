"""Copy the time-series database to the backups and prove that the copy can be restored.

## Reads

The whole store, as it is at one moment.

## Writes

A folder in `backups/timeseries`, which is a store itself; every block was read and checked on the way. The seven latest
are kept. The drill restores it into a scratch folder and compares series, points and the hash of everything.

## Cadence

Daily at 03:20 UTC once it is switched on; by hand at any time.

## Rerun

Any task, any time: a backup of the same run is made anew, the drill's folder is removed at its end.

## Triage

- `snapshot` fails: the disk is full, or a block is damaged; the message names it. Older backups are untouched.
- `drill` fails: the copy holds other points than the store did. Keep both and compare them metric by metric.
- `drill` ends with `compared: false`: points came in all the time, so only the copy's own checksums were checked.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG

from quintet.airflow.defaults import at_times, dag_defaults
from quintet.airflow.timeseries import OWNER, SLUG, backup

with DAG(
    dag_id="timeseries_backup_store",
    description="Snapshot to the backups, with a restore drill",
    schedule=at_times("20 3 * * *"),
    is_paused_upon_creation=True,
    doc_md=__doc__,
    **dag_defaults(SLUG, "backup", owner=OWNER, ends_within=timedelta(hours=1)),
):
    backup()
