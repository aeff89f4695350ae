"""Move blocks of the time-series database that nobody writes to any more to the folder for old ones, and to S3.

## Reads

Blocks of the store that are older than `timeseries_warm_after`, and those older than `timeseries_s3_after` where the
lab has S3 (`timeseries_s3_endpoint`, or the profile `objects`).

## Writes

The same blocks in the warm folder (`timeseries_warm_folder`), which may be on another disk, and as objects in S3.
Queries read all of them.

## Cadence

Whenever blocks are in order.

## Rerun

Any time: a block is copied, synced and only then taken from its old place. What a killed run left in S3 goes with the
next move.

## Triage

- The folder cannot be written: nothing was moved that is not there whole. Make room or correct its owner, then clear
  the task.
- S3 does not answer or refuses: what was moved before stays moved, the message names endpoint and block. Start it, or
  correct its keys (`make install`), then clear the task. Queries over blocks in S3 are answered as unavailable
  meanwhile.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG

from quintet.airflow.assets import BLOCKS_TIMESERIES
from quintet.airflow.defaults import dag_defaults
from quintet.airflow.timeseries import OWNER, SLUG, move

with DAG(
    dag_id="timeseries_move_tiers",
    description="Move old blocks to the folder for them, and to S3",
    schedule=[BLOCKS_TIMESERIES],
    is_paused_upon_creation=False,
    doc_md=__doc__,
    **dag_defaults(SLUG, "care", owner=OWNER, ends_within=timedelta(hours=1)),
):
    move()
