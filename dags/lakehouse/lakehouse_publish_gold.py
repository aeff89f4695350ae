"""Publish the data products of gold in the object store, for other teams: Parquet with Hive partitions.

## Reads

`iceberg.gold_lakehouse.*` through Trino: the tables of `quintet.catalogue.published`, the columns of their contracts.

## Writes

`s3://lake/gold_lakehouse/<table>/<partition>=<value>/part-….parquet` and, last, the manifest `_current.json` beside the
partitions. Tells an asset for each table and, with the profile streaming, the topic `lakehouse.gold.published`.

## Cadence

In a lab with the profile objects whenever gold is told. In other labs by hand only, and then it says what is missing.

## Rerun

Any task, any time: the same gold makes the same objects, and nothing is written or told. What a killed run left is
ended or removed; readers see the former files until the manifest is exchanged.

## Triage

- `publish` fails and names a product or a column: the contract does not let other teams read the table, or a row is
  not as promised. Readers keep what was published before. Mend contract or model, then clear the task.
- `publish` fails because somebody else has written the manifest: several runs published the table at once. Clear it.
- The object store refuses: users and keys come with `make install`.
- `tell` fails: Kafka or the registry does not answer. Files are published; the next run, or clearing the task, tells.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG

from quintet.airflow.defaults import dag_defaults
from quintet.airflow.lakehouse import OWNER, SLUG
from quintet.airflow.published import after_gold, publish

with DAG(
    dag_id="lakehouse_publish_gold",
    description="Data products as Parquet in the object store, for other teams",
    schedule=after_gold(),
    is_paused_upon_creation=False,
    doc_md=__doc__,
    **dag_defaults(SLUG, "gold", owner=OWNER, ends_within=timedelta(hours=1)),
):
    publish()
