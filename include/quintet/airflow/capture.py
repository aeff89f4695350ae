"""Tasks that bring captured changes into Delta."""

from __future__ import annotations

from airflow.sdk import TriggerRule

from quintet.airflow.lakehouse import SPARK
from quintet.airflow.operators import ApproveFullRefresh, CallOperator, SparkJobOperator
from quintet.airflow.parameters import FULL_REFRESH

__all__ = ["merge_changes"]

_STEPS = "quintet.lakehouse.shop.pipeline"


def merge_changes() -> None:
    """Check the capture, land what is in the topics, merge it; tell at last what waits for its contract."""
    approve = ApproveFullRefresh(
        task_id="approve_full_refresh",
        body="The copies of the shop's tables and the history of its customers are made anew from the change log.\n\n"
        "Each table is empty until its changes are merged.",
    )
    check = CallOperator(
        task_id="check_capture",
        function=f"{_STEPS}:check_capture",
        arguments={"run_id": "{{ run_id }}"},
        environment="streaming",
        # The approval is skipped in an ordinary run.
        trigger_rule=TriggerRule.NONE_FAILED,
    )
    land = CallOperator(
        task_id="land",
        function=f"{_STEPS}:land_changes",
        arguments={"run_id": "{{ run_id }}"},
        environment="streaming",
    )
    merge = SparkJobOperator(
        task_id="merge",
        application="lakehouse/merge_shop_changes.py",
        options={"run-id": "{{ run_id }}", "full-refresh": FULL_REFRESH},
        pool=SPARK,
    )
    held = CallOperator(
        task_id="raise_held",
        function=f"{_STEPS}:raise_held",
        arguments={"landed": land.output},
        environment="streaming",
    )
    # Orders that must not change: approval before anything is thrown away, and a broken contract is told after
    # everything else has gone its way.
    approve >> check >> land >> merge >> held
