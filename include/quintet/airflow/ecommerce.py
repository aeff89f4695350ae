"""Tasks of the project `ecommerce`: prepare, deploy capture and streams, send an input, wait until it is through.

The wiring stands here once: the single DAGs use the tasks with asset outlets, the master uses the same in one graph.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from airflow.sdk import Param, TaskGroup

from quintet.airflow import parameters
from quintet.airflow.flink import FlinkHealthSensor, FlinkJobOperator
from quintet.airflow.operators import CallOperator
from quintet.catalogue.ecommerce import OWNER, SLUG

__all__ = [
    "OWNER",
    "SLUG",
    "check_capture",
    "check_input",
    "deploy_capture",
    "input_params",
    "prepare",
    "send",
    "stream",
    "tell_refused",
    "wait",
]

#: Environment of what speaks to Kafka.
ENVIRONMENT = "streaming"
#: How long the streams may take for an input.
LONGEST = timedelta(hours=1)


def input_params() -> dict[str, Param]:
    """Parameters of a run: the folder with the input; a stream knows no days."""
    unused = {
        name: Param(None, type=["null", "string"], title=name, description="Not used: an input is sent whole")
        for name in ("from", "to")
    }
    return {**parameters.input_param("Folder with by_day/ and catalogue/ of generated events"), **unused}


def check_input() -> CallOperator:
    """Look at the input, and whether it was sent before."""
    return _call("check_input", "check_input", {"input_dir": parameters.INPUT})


def prepare() -> CallOperator:
    """Make topics and tables that are missing."""
    return _call("prepare", "prepare", {})


def deploy_capture() -> CallOperator:
    """Have the price list captured into the topic of the products' versions."""
    return _call("deploy_capture", "deploy_capture", {})


def check_capture() -> CallOperator:
    """Open or clear the alert about the capture of the price list."""
    return _call("check_capture", "check_capture", {"run_id": "{{ run_id }}"})


def stream(job: str) -> TaskGroup:
    """Deploy a stream and look whether it is well; without state when the project was emptied."""
    with TaskGroup(job, tooltip=f"Deploy {SLUG}/{job}") as group:
        deploy = FlinkJobOperator(
            task_id="deploy",
            slug=SLUG,
            job=job,
            fresh="{{ (task_instance.xcom_pull(task_ids='check_input') or {}).get('fresh', False) }}",
        )
        health = FlinkHealthSensor(task_id="check_health", slug=SLUG, job=job, within=timedelta(minutes=3))
        # Order that must not change: nothing is sent to a stream that does not run.
        deploy >> health
    return group


def send(checked: CallOperator) -> CallOperator:
    """Send the input, unless it was sent before."""
    return _call("send", "send_input", {"input_dir": parameters.INPUT, "checked": checked.output})


def wait() -> CallOperator:
    """Wait until both streams have done and published what was sent."""
    return _call("wait", "wait_for_streams", {"minutes": LONGEST.total_seconds() / 60})


def tell_refused() -> CallOperator:
    """Open or clear the alerts about records that no figure counts."""
    return _call("tell_refused", "tell_refused", {"run_id": "{{ run_id }}"})


def _call(task_id: str, function: str, arguments: Mapping[str, Any]) -> CallOperator:
    return CallOperator(
        task_id=task_id,
        function=f"quintet.ecommerce.pipeline:{function}",
        arguments=dict(arguments),
        environment=ENVIRONMENT,
    )
