"""Back PostgreSQL up, prove that the backup can be restored, and copy it to the object store.

## Reads

The cluster of PostgreSQL, all its databases, and the log of changes that it archives all the time.

## Writes

`backups/postgres`, a repository of pgBackRest: a full backup on Sundays, on other days what changed since. The drill
writes rows into the table `drill.marks` of the database `postgres`, and restores into `data/postgres-drill`, which it
removes. With the profile `objects`, the bucket `backups` gets a copy of the repository.

## Cadence

Daily at 02:20 UTC once it is switched on; by hand at any time.

## Rerun

Any task, any time: another backup is one more, a drill marks a moment of its own, a copy sends what is missing.

## Triage

- `take` fails: the disk is full, or the log is not archived (`quintet doctor`). Older backups are untouched.
- `check` names a damaged file, or a segment of the log that is missing: what can still be restored is in the message.
- `drill` fails: rows differ from those of the moment, or the log ends before it. Nothing was rotated away: take a full
  backup (`quintet backup postgres --kind full`) and drill again.
- `upload` refuses: the copy has a backup that this repository never made. Decide which of them is the one to keep.
- On several nodes: the task says so when the primary is not beside Airflow. Take the backup there.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG

from quintet.airflow.defaults import at_times, dag_defaults
from quintet.airflow.platform import OWNER, SLUG, back_up

with DAG(
    dag_id="platform_backup_postgres",
    description="Backup of PostgreSQL, with a restore drill and a copy in the object store",
    schedule=at_times("20 2 * * *"),
    is_paused_upon_creation=True,
    doc_md=__doc__,
    **dag_defaults(SLUG, "backup", owner=OWNER, ends_within=timedelta(hours=2)),
):
    back_up()
