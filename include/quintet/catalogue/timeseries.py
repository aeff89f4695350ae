"""Catalogue entry of the project `timeseries`; its points lie in a store of its own, not in tables."""

from __future__ import annotations

from quintet.catalogue.model import Dag, Project

__all__ = ["OWNER", "SLUG", "TIMESERIES"]

SLUG = "timeseries"
OWNER = "measurement-data"

TIMESERIES = Project(
    slug=SLUG,
    title="Time-series database of our own",
    question="Can a database that a reader understands take a factory's measurements, lose none of them, and answer "
    "to the last digit?",
    profiles=("core", "timeseries"),
    entry_dag="timeseries_run_pipeline",
    dags=(
        Dag("timeseries_run_pipeline", "Files to points, then all care, in one view"),
        Dag("timeseries_load_points", "Send every file of line protocol once"),
        Dag("timeseries_retain_blocks", "Remove what is older than the retention"),
        Dag("timeseries_compact_blocks", "Merge blocks, take deleted points off the disk"),
        Dag("timeseries_move_tiers", "Move old blocks to the folder for them, and to S3"),
        Dag("timeseries_backup_store", "Snapshot to the backups, with a restore drill"),
        Dag("timeseries_watch_store", "Tell people before points are lost or refused"),
    ),
    tables=(),
)
