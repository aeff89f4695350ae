"""Merge the blocks of the time-series database, bring its rollups up to date, take deleted points off the disk.

## Reads

The log and the blocks of the store.

## Writes

The rollups of the days that are over, and the same points in fewer, wider blocks. Windows computed, points, blocks,
bytes and deletions before and after are the result of the task. Tells the asset `blocks_timeseries`; that starts
`timeseries_move_tiers`.

## Cadence

Whenever points were loaded. The database also merges by itself while it is written to.

## Rerun

Any time: blocks that are in order and windows that are up to date stay as they are.

## Triage

- A damaged block: the blocks stay as they were, the message names file and offset. Restore a backup, or run
  `python -m quintet.timeseries check` on the stopped store.
- A damaged rollup: stop the service, run `python -m quintet.timeseries rebuild-rollups` on the store.
- The disk is full: old blocks are removed only after the new one is whole. Make room, clear the task.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG

from quintet.airflow.assets import BLOCKS_TIMESERIES, POINTS_TIMESERIES
from quintet.airflow.defaults import dag_defaults
from quintet.airflow.timeseries import OWNER, SLUG, compact

with DAG(
    dag_id="timeseries_compact_blocks",
    description="Merge blocks, take deleted points off the disk",
    schedule=[POINTS_TIMESERIES],
    is_paused_upon_creation=False,
    doc_md=__doc__,
    **dag_defaults(SLUG, "care", owner=OWNER, ends_within=timedelta(hours=1)),
):
    compact(outlets=[BLOCKS_TIMESERIES])
