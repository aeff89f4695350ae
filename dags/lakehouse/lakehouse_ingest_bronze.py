"""Land every pending file of an online shop in bronze, each content once.

## Reads

CSV files of the folder in parameter `input`: invoices in it or in its `by_day/`, change feeds in `customers/` and
`products/`.

## Writes

`delta.bronze_lakehouse.invoice_lines`, `.customer_changes`, `.product_changes` and the ledger `.files`. Tells the
asset `bronze_lakehouse` when bronze is complete; that starts `lakehouse_build_silver`.

## Cadence

Daily at 05:15 UTC once it is switched on; by hand at any time.

## Rerun

Any task, any time. A content that has landed is found by its hash and left alone, whatever its name; changed content
under a known name lands as a new version. With `from` and `to` only the files of those days are looked at.

## Triage

- `check_input` fails: the folder is absent, empty or closed to the lab's user; the message says which.
- `raise_refused` fails: every refused file is listed with line, fault and remedy. The others have landed. Mend or
  remove the listed files and start another run; silver is not started before.
- `land` fails: the lake could not be written (disk full, permissions). Nothing of the batch is half there.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG

from quintet.airflow.assets import BRONZE_LAKEHOUSE
from quintet.airflow.defaults import at_times, dag_defaults
from quintet.airflow.lakehouse import OWNER, SLUG, ingest, input_param, range_params

with DAG(
    dag_id="lakehouse_ingest_bronze",
    description="Land every pending file once",
    schedule=at_times("15 5 * * *"),
    is_paused_upon_creation=True,
    params={**input_param(), **range_params()},
    doc_md=__doc__,
    **dag_defaults(SLUG, "bronze", owner=OWNER, ends_within=timedelta(minutes=30)),
):
    ingest(outlets=[BRONZE_LAKEHOUSE])
