"""Move blocks of the time-series database that nobody writes to any more to the folder for old ones.

## Reads

Blocks of the store that are older than `timeseries_warm_after`.

## Writes

The same blocks in the warm folder (`timeseries_warm_folder`), which may be on another disk. Queries read both.

## Cadence

Whenever blocks are in order.

## Rerun

Any time: a block is copied, synced and only then taken from its old place.

## Triage

- The folder cannot be written: nothing was moved that is not there whole. Make room or correct its owner, then clear
  the task.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG

from quintet.airflow.assets import BLOCKS_TIMESERIES
from quintet.airflow.defaults import dag_defaults
from quintet.airflow.timeseries import OWNER, SLUG, move

with DAG(
    dag_id="timeseries_move_tiers",
    description="Move old blocks to the folder for them",
    schedule=[BLOCKS_TIMESERIES],
    is_paused_upon_creation=False,
    doc_md=__doc__,
    **dag_defaults(SLUG, "care", owner=OWNER, ends_within=timedelta(hours=1)),
):
    move()
