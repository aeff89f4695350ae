"""What a message in Kafka starts: the schedule, the triggerer's part, and the tasks of `lakehouse_receive_inputs`.

The message is a bell only. A triggerer that is killed may lose one that it has just heard, so that runs come at times,
too; what was announced is read from the topic itself, from the place that the run before has left there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import Asset, AssetOrTimeSchedule, AssetWatcher, TriggerRule
from airflow.sdk.exceptions import AirflowSkipException

from quintet.airflow.defaults import at_times
from quintet.airflow.operators import CallOperator
from quintet.airflow.secrets import KAFKA_BELL
from quintet.catalogue.inputs import INPUTS_ANNOUNCED
from quintet.catalogue.lakehouse import LAKEHOUSE
from quintet.settings import Lab, load_lab

__all__ = ["MISSED", "StartRunOperator", "announcements", "receive", "ring"]

#: When it is looked whether a bell was missed.
MISSED = "*/15 * * * *"
_STEPS = "quintet.lakehouse.announced"
_ENVIRONMENT = "streaming"


class StartRunOperator(TriggerDagRunOperator):
    """Start a run of another DAG, mapped."""

    # Its link reads a field that a mapped operator does not have: each task's log would end with that error.
    operator_extra_links = ()


def announcements(lab: Lab | None = None) -> AssetOrTimeSchedule | None:
    """Schedule of what starts with an announcement; None, which is by hand only, in a lab without Kafka.

    There the triggerer must not look for a broker.
    """
    if "kafka" not in (lab or load_lab()).options:
        return None
    # Importing it looks through all providers.
    from airflow.providers.common.messaging.triggers.msg_queue import MessageQueueTrigger

    trigger = MessageQueueTrigger(
        scheme="kafka",
        kafka_config_id=KAFKA_BELL,
        topics=[INPUTS_ANNOUNCED.name],
        apply_function=f"{__name__}.ring",
        poll_timeout=1,
        poll_interval=1,
    )
    asset = Asset(
        name=INPUTS_ANNOUNCED.name.replace(".", "_"),
        uri=f"quintet://kafka/{INPUTS_ANNOUNCED.name}",
        group=INPUTS_ANNOUNCED.project,
        watchers=[AssetWatcher(name="bell", trigger=trigger)],
    )
    return AssetOrTimeSchedule(timetable=at_times(MISSED), assets=[asset])


def ring(message: Any) -> dict[str, Any]:
    """Any record rings, whatever it holds; called in the triggerer."""
    return {"topic": message.topic(), "partition": message.partition(), "offset": message.offset()}


def receive() -> None:
    """Read what was announced, start a run for each folder, move the place; fail for folders that cannot be taken."""
    read = CallOperator(
        task_id="read", function=f"{_STEPS}:read", arguments={"run_id": "{{ run_id }}"}, environment=_ENVIRONMENT
    )
    start = StartRunOperator.partial(
        task_id="start",
        trigger_dag_id=LAKEHOUSE.entry_dag,
        # Runs of one instant are not the same run.
        logical_date=None,
        # A start that is done again, or a record that came twice, finds the run there.
        skip_when_already_exists=True,
        openlineage_inject_parent_info=False,
        map_index_template="{{ task.trigger_run_id }}",
    ).expand_kwargs(read.output.map(_as_run))
    settle = CallOperator(
        task_id="settle",
        function=f"{_STEPS}:settle",
        arguments={"received": read.output},
        environment=_ENVIRONMENT,
        # Runs that were there already are skipped, and so is the whole step when there is none to start.
        trigger_rule=TriggerRule.NONE_FAILED,
    )
    refuse = CallOperator.partial(
        task_id="refuse",
        function=f"{_STEPS}:refuse",
        arguments={"run_id": "{{ run_id }}"},
        environment=_ENVIRONMENT,
        map_index_template="{{ task.more['folder'] }}",
        trigger_rule=TriggerRule.NONE_FAILED,
    ).expand(more=read.output.map(_as_refusal))
    # Orders that must not change: the place moves after the runs were started, and what cannot be taken is told once,
    # after all others have gone their way.
    read >> start >> settle >> refuse


def _as_run(entry: Mapping[str, Any]) -> dict[str, Any]:
    if entry["verdict"] != "start":
        raise AirflowSkipException(f"{entry['verdict']}: offset {entry['offset']}")
    return {"trigger_run_id": entry["run_id"], "conf": {"input": entry["folder"]}}


def _as_refusal(entry: Mapping[str, Any]) -> dict[str, Any]:
    if entry["verdict"] != "unfit":
        raise AirflowSkipException(f"{entry['verdict']}: offset {entry['offset']}")
    return {name: entry[name] for name in ("folder", "sender", "announced_at", "fault")}
