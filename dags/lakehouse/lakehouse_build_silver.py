"""Judge new bronze files and publish what passes: typed, keyed, without duplicates, with history.

## Reads

`delta.bronze_lakehouse.*`, and `delta.silver_lakehouse.invoice_lines__quarantine` for rows that a person has
accepted.

## Writes

`delta.silver_lakehouse.invoice_lines`, `.customers`, `.products`, `.day_balance`, `.invoice_lines__quarantine`,
`.gate_results`, the quality pages (Data Docs) and, on trouble, an alert. Tells the asset `silver_lakehouse`; that
starts `lakehouse_build_gold`.

## Cadence

Whenever bronze is told to be complete. Ends as skipped when nothing has changed since the last good run.

## Rerun

Any task, any time; start with `find_changes` to include files that landed meanwhile. `from` and `to` recompute the
files of those days, `full_refresh` recomputes everything after an approval. All three end in the same tables.

## Triage

- `gate` fails: a poison file or a broken rule over the whole batch. The message and the alert name file, rule, rows
  and what to do; published tables are as before. Broken rows are in quarantine: `quintet quarantine list lakehouse`.
- `build` fails on conservation: rows in and out do not add up. Nothing was published; the message names the file.
- `approve_full_refresh` waits: open it in the run's graph and answer. No answer in a day counts as a rejection.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG

from quintet.airflow.assets import BRONZE_LAKEHOUSE, SILVER_LAKEHOUSE
from quintet.airflow.defaults import dag_defaults
from quintet.airflow.lakehouse import OWNER, SLUG, full_refresh_param, range_params, silver

with DAG(
    dag_id="lakehouse_build_silver",
    description="Gate, type, de-duplicate, classify, dimensions with history",
    schedule=[BRONZE_LAKEHOUSE],
    is_paused_upon_creation=False,
    params={**range_params(), **full_refresh_param()},
    doc_md=__doc__,
    **dag_defaults(SLUG, "silver", owner=OWNER, ends_within=timedelta(hours=1)),
):
    silver(outlets=[SILVER_LAKEHOUSE])
