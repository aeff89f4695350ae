"""Keep the tables that streams write fast to read, while they are written, and tell of records that no figure counts.

## Reads

Files and snapshots of the Iceberg tables of the project that Flink writes; the dead letters of its topics; how many
records of each hour broke a rule.

## Writes

The same tables, in another layout: small files are joined, snapshots older than a day are given up. No row changes;
that is checked between the snapshot before and the one after. An alert is open while dead letters wait, and one while
there are hours in which more than one record in twenty broke a rule.

## Cadence

Every half hour once it is switched on.

## Rerun

Any time: a table with few files is left alone.

## Triage

- A conflict with the stream: the table is tried again at once, three times; then the next run does it.
- The rows differ: the table is named, roll it back to the snapshot before and look at both.
- Trino does not answer: `quintet doctor`.
- `tell_refused` warns: the alert says which records, and where they lie.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG

from quintet.airflow.defaults import at_times, dag_defaults
from quintet.airflow.ecommerce import OWNER, SLUG, tell_refused
from quintet.airflow.flink import care_streams

with DAG(
    dag_id="ecommerce_care_streams",
    description="Compaction of the streams' tables; records that were put aside or broken",
    schedule=at_times("*/30 * * * *"),
    is_paused_upon_creation=True,
    doc_md=__doc__,
    **dag_defaults(SLUG, "care", owner=OWNER, ends_within=timedelta(minutes=30)),
):
    care_streams(SLUG)
    tell_refused()
