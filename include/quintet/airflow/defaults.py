"""What every DAG of the platform has in common."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import AsyncCallback, CronTriggerTimetable, DeadlineAlert, DeadlineReference

from quintet.airflow.callbacks import alert_failure, alert_late_run, clear_alerts
from quintet.airflow.retries import BACK_OFF, RETRY_BY_CLASS

__all__ = ["at_times", "dag_defaults"]

#: A last time that is longer ago starts no run. With False one of up to a tenth of the interval ago would, which is
#: most of a Sunday for what is done on Sundays; zero comes back from JSON as a whole number, which counts as False.
NO_LAST_TIME = timedelta(milliseconds=1)


def dag_defaults(slug: str, layer: str, *, owner: str, ends_within: timedelta) -> dict[str, Any]:
    """Keyword arguments of `DAG`: tags, owner, retries, alerts, one run at a time, and a deadline from queueing."""
    return {
        "tags": [slug, layer],
        "catchup": False,
        "max_active_runs": 1,
        "default_args": {
            "owner": owner,
            "retry_policy": RETRY_BY_CLASS,
            "on_failure_callback": alert_failure,
            **BACK_OFF,
        },
        "on_success_callback": clear_alerts,
        "deadline": DeadlineAlert(
            reference=DeadlineReference.DAGRUN_QUEUED_AT,
            interval=ends_within,
            callback=AsyncCallback(alert_late_run, kwargs={"within": str(ends_within)}),
            name=f"ends within {ends_within}",
        ),
    }


def at_times(cron: str) -> CronTriggerTimetable:
    """Schedule by a cron expression in UTC.

    A DAG that is switched on waits for its next time: a bare expression would start a run for the last one, before
    the run that a person is about to trigger.
    """
    return CronTriggerTimetable(cron, timezone="UTC", run_immediately=NO_LAST_TIME)
