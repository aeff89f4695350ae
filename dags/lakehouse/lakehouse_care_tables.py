"""Keep the tables of the lakehouse fast and small: compaction, clustering, vacuum, snapshot expiry, statistics.

## Reads

The logs and files of all Delta tables of the project, and the snapshots of its Iceberg tables; the lineage collector.

## Writes

The same tables, in another layout: no row changes. Files that no kept version needs are removed. File count, bytes
and read time before and after are the result of the task. Events of lineage older than 90 days are removed; what flows
where, and since when, stays known.

## Cadence

Sundays at 06:30 UTC once it is switched on; by hand at any time.

## Rerun

Any time: on tables that are in shape it changes nothing.

## Triage

- A conflict with a writer: the task is tried again and then finds the writer's commit. It shares the pool of the
  Spark jobs, so only landing and dbt can write meanwhile.
- Trino does not answer: the Delta part is done, the Iceberg part is not. Clear the task when Trino is back.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG

from quintet.airflow.defaults import at_times, dag_defaults
from quintet.airflow.lakehouse import OWNER, SLUG, care

with DAG(
    dag_id="lakehouse_care_tables",
    description="Compaction, clustering, vacuum, snapshot expiry, statistics",
    schedule=at_times("30 6 * * 0"),
    is_paused_upon_creation=True,
    doc_md=__doc__,
    **dag_defaults(SLUG, "care", owner=OWNER, ends_within=timedelta(hours=1)),
):
    care()
