"""Task groups of the project `timeseries`: load, care, backup, watch.

The wiring stands here once: the single DAGs use the tasks with asset outlets, the master uses the same in one graph.
Every task asks the database's service over HTTP; what changes the store goes through one slot of the pool, so that a
backup is compared with a store that no other task of the project changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow.sdk import Asset, Param, TaskGroup, TriggerRule

from quintet.airflow.operators import CallOperator
from quintet.airflow.parameters import DAYS, FULL_REFRESH, INPUT, full_refresh_param, input_param, range_params
from quintet.catalogue.timeseries import OWNER, SLUG

__all__ = [
    "OWNER",
    "SLUG",
    "backup",
    "compact",
    "input_params",
    "keep_param",
    "load",
    "move",
    "retain",
    "watch",
]

#: Environment of the engine, and the pool of what changes the store.
ENVIRONMENT = POOL = "timeseries"


def input_params() -> dict[str, Param]:
    """Parameters of loading: the folder with the files, the days, and whether known files are sent again."""
    again = "Send files that were sent before too; the same points stay the same points"
    return {
        **input_param("Folder with files of line protocol (*.lp, *.lp.gz), or with by_day/ in it"),
        **range_params(),
        **full_refresh_param("Send again", again),
    }


def keep_param() -> dict[str, Param]:
    """Parameter `keep_days`: another retention for this run."""
    return {
        "keep_days": Param(
            None,
            type=["null", "number"],
            exclusiveMinimum=0,
            title="Days to keep",
            description="Remove points older than this; empty: as the database is set",
        )
    }


def load(*, outlets: Sequence[Asset] = ()) -> TaskGroup:
    """Send every file once; a file with too many broken lines fails the last task, after all good ones were sent."""
    with TaskGroup("load", tooltip="Files to points") as group:
        check_input = _call("check_input", "loading:check_input", {"input_dir": INPUT})
        send = _call(
            "send",
            "loading:send_files",
            {
                "input_dir": INPUT,
                "run_id": "{{ run_id }}",
                "from_": DAYS["from"],
                "to": DAYS["to"],
                "again": FULL_REFRESH,
            },
            pool=POOL,
        )
        gate = _call("gate", "loading:raise_refused", {"run_id": "{{ run_id }}"}, outlets=list(outlets))
        # Order that must not change: refused files are told after the good ones were sent.
        check_input >> send >> gate
    return group


def retain(*, keep: bool) -> CallOperator:
    """Remove what is older than the retention; `keep`: the run may ask for another one."""
    days = {"days": "{{ params.keep_days or '' }}"} if keep else {}
    return _call("retain", "upkeep:retain", days, pool=POOL)


def compact(*, outlets: Sequence[Asset] = ()) -> CallOperator:
    """Bring rollups up to date, merge blocks and take deleted points off the disk."""
    return _call("compact", "upkeep:compact", {}, pool=POOL, outlets=list(outlets))


def move() -> CallOperator:
    """Move old blocks to the folder for them, and to S3."""
    return _call("move", "upkeep:move_tiers", {}, pool=POOL)


def backup() -> TaskGroup:
    """Snapshot to the backups, restore it into a scratch folder, compare, remove the oldest ones."""
    with TaskGroup("backup", tooltip="Snapshot with a restore drill") as group:
        snapshot = _call("snapshot", "upkeep:back_up", {"name": "{{ run_id }}"}, pool=POOL)
        drill = _call("drill", "upkeep:drill", {"backup": snapshot.output})
        prune = _call("prune", "upkeep:prune", {}, trigger_rule=TriggerRule.ALL_SUCCESS)
        # Order that must not change: an old backup goes only when the new one was restored.
        snapshot >> drill >> prune
    return group


def watch() -> CallOperator:
    """Look at the database's figures, write alerts and close those that are over."""
    return _call("look", "watch:look", {"run_id": "{{ run_id }}"})


def _call(task_id: str, function: str, arguments: Mapping[str, Any], **kwargs: Any) -> CallOperator:
    return CallOperator(
        task_id=task_id,
        function=f"quintet.timeseries.{function}",
        arguments=dict(arguments),
        environment=ENVIRONMENT,
        **kwargs,
    )
