"""Keep the tables that streams write fast to read, while they are written, and tell of records that were put aside.

## Reads

Files and snapshots of the Iceberg tables of the project that Flink writes; the dead letters of its topics.

## Writes

The same tables, in another layout: deletions are worked into the data files, small files are joined, snapshots older
than a day are given up. No row changes; that is checked between the snapshot before and the one after. An alert is open
while dead letters wait.

## Cadence

Every half hour once it is switched on.

## Rerun

Any time: a table with few deletions and few files is left alone.

## Triage

- A conflict with the stream: the table is tried again at once, three times; then the next run does it.
- The rows differ: the table is named, roll it back to the snapshot before and look at both.
- Trino does not answer: `quintet doctor`.
- `tell_dead_letters` warns: `quintet deadletters list lakehouse` says which records and why.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG

from quintet.airflow.defaults import at_times, dag_defaults
from quintet.airflow.flink import care_streams
from quintet.airflow.lakehouse import OWNER, SLUG
from quintet.airflow.operators import CallOperator

with DAG(
    dag_id="lakehouse_care_streams",
    description="Compaction and snapshot expiry of the tables that streams write",
    schedule=at_times("*/30 * * * *"),
    is_paused_upon_creation=True,
    doc_md=__doc__,
    **dag_defaults(SLUG, "care", owner=OWNER, ends_within=timedelta(minutes=30)),
):
    care_streams(SLUG)
    CallOperator(
        task_id="tell_dead_letters",
        function="quintet.lakehouse.shop.pipeline:tell_dead_letters",
        arguments={"run_id": "{{ run_id }}"},
        environment="streaming",
    )
