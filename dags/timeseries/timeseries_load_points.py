"""Send every file of line protocol to the time-series database, each content once.

## Reads

Files `*.lp` and `*.lp.gz` of the folder in parameter `input` and of its `by_day/`, in the order of their names.

## Writes

Points of the time-series database, a line in `data/landing/timeseries/ledger.jsonl` for each file, and a report of the
run below `data/docs/timeseries/loads`. Tells the asset `points_timeseries`; that starts `timeseries_compact_blocks`.

## Cadence

Daily at 04:40 UTC once it is switched on; by hand at any time.

## Rerun

Any task, any time. A content that was sent whole is found by its hash and left alone; one that a kill has interrupted
is sent again and gives the same points. `full_refresh` sends all files again, in order.

## Triage

- `check_input` fails: the folder is absent, empty or closed to the lab's user; the message says which.
- `gate` fails: a file has more than 5 % broken lines, or cannot be unpacked. Nothing of it was written, the others were
  sent. The report names every line; correct the file, keep its name, start another run.
- `send` fails: the database does not answer (`quintet doctor`). It is tried again and goes on with the next file.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG

from quintet.airflow.assets import POINTS_TIMESERIES
from quintet.airflow.defaults import at_times, dag_defaults
from quintet.airflow.timeseries import OWNER, SLUG, input_params, load

with DAG(
    dag_id="timeseries_load_points",
    description="Send every file of line protocol once",
    schedule=at_times("40 4 * * *"),
    is_paused_upon_creation=True,
    params=input_params(),
    doc_md=__doc__,
    **dag_defaults(SLUG, "points", owner=OWNER, ends_within=timedelta(minutes=30)),
):
    load(outlets=[POINTS_TIMESERIES])
