"""Task groups of the batch layer of the project `ecommerce`: land, judge, publish, reconcile, gold.

The wiring stands here once: the single DAGs use the groups with asset outlets, the master uses the same in one graph.
"""

from __future__ import annotations

from collections.abc import Sequence

from airflow.sdk import Asset, Param, TaskGroup, TriggerRule

from quintet.airflow import parameters
from quintet.airflow.lakehouse import SPARK
from quintet.airflow.models import build_models, check_freshness
from quintet.airflow.operators import ApproveFullRefresh, CallOperator, SparkJobOperator
from quintet.airflow.parameters import FULL_REFRESH, INPUT
from quintet.catalogue.ecommerce import OWNER, SLUG
from quintet.ecommerce.definitions import KINDS

__all__ = [
    "OWNER",
    "SLUG",
    "batch_layer",
    "full_refresh_param",
    "gold",
    "input_param",
    "publish",
    "reconcile",
    "withdraw",
    "withdraw_params",
]

_BATCH = "quintet.ecommerce.batch"


def input_param() -> dict[str, Param]:
    """Parameter `input`: the folder with the shop's lists, for a run that nobody gives one."""
    return {
        "input": Param(
            "",
            type="string",
            title="Input folder",
            description="Folder with the shop's lists in catalogue/; empty: of the input that was sent last",
        )
    }


def full_refresh_param() -> dict[str, Param]:
    """Parameter `full_refresh`: compute anew, after a person's approval."""
    consequence = "Compute all tables anew from the whole log. The run waits for an approval before it begins"
    return parameters.full_refresh_param("Full refresh", consequence)


def publish(*, outlets: Sequence[Asset] = ()) -> TaskGroup:
    """Land what is in the topics, load the lists, judge, publish; nothing is published when the gate refuses."""
    with TaskGroup("batch", tooltip="Events to figures") as group:
        approve = ApproveFullRefresh(
            task_id="approve_full_refresh",
            body="All tables of the batch layer of **ecommerce** are computed anew from the whole log of events.\n\n"
            "Readers see the old rows of each table until its new ones are complete.",
        )
        land = CallOperator(
            task_id="land",
            function=f"{_BATCH}.land:run",
            arguments={"run_id": "{{ run_id }}"},
            environment="streaming",
            # The approval is skipped in an ordinary run.
            trigger_rule=TriggerRule.NONE_FAILED,
        )
        lists = CallOperator(
            task_id="load_lists", function=f"{_BATCH}.masterdata:run", arguments={"input_dir": INPUT}, pool=SPARK
        )
        gate = SparkJobOperator(
            task_id="gate", application="ecommerce/gate.py", options={"run-id": "{{ run_id }}"}, pool=SPARK
        )
        figures = SparkJobOperator(
            task_id="figures",
            application="ecommerce/figures.py",
            options={"run-id": "{{ run_id }}", "full-refresh": FULL_REFRESH},
            pool=SPARK,
            outlets=list(outlets),
        )
        held = CallOperator(
            task_id="raise_held",
            function=f"{_BATCH}.land:raise_held",
            arguments={"landed": land.output},
            environment="streaming",
        )
        # Orders that must not change: approval before anything is computed anew, the gate before the figures, and a
        # broken contract is told after everything else has gone its way.
        approve >> land >> lists >> gate >> figures >> held
    return group


def batch_layer(*, outlets: Sequence[Asset]) -> TaskGroup:
    """Publish, reconcile, gold in one graph; the first of them, for what goes before."""
    published = publish()
    # Order that must not change: gold serves what both layers say alike. A topic that broke its contract, which the
    # last task of the first group tells, keeps nothing from being reconciled and built.
    published.get_child_by_label("figures") >> reconcile() >> gold(outlets=outlets)
    return published


def withdraw_params() -> dict[str, Param]:
    """Parameters `kind`, `day` and `reason` of what is taken back."""
    return {
        "kind": Param(
            KINDS[0], type="string", enum=list(KINDS), title="Kind of event", description="As the gate named it"
        ),
        "day": Param(
            "2025-01-01", type="string", format="date", title="Day of arrival", description="As the gate named it"
        ),
        "reason": Param("", type="string", title="Reason", description="For whoever asks later why figures changed"),
    }


def withdraw() -> CallOperator:
    """Take back what has landed of a kind that arrived on a day."""
    return CallOperator(
        task_id="withdraw",
        function=f"{_BATCH}.state:withdraw",
        arguments={
            "kind": "{{ params.kind }}",
            "arrived_date": "{{ params.day }}",
            "reason": "{{ params.reason }}",
            "by": "{{ dag_run.triggering_user_name or 'airflow' }}",
        },
    )


def reconcile() -> CallOperator:
    """Compare the speed layer with the batch layer, and repair it where it differs."""
    return CallOperator(
        task_id="reconcile",
        function=f"{_BATCH}.reconcile:run",
        arguments={"run_id": "{{ run_id }}"},
        environment="streaming",
    )


def gold(*, outlets: Sequence[Asset]) -> TaskGroup:
    """Build the dbt models on Trino, then their documentation."""
    with TaskGroup("gold", tooltip="dbt models on Trino") as group:
        check_freshness(SLUG)
        announce = CallOperator(task_id="announce", function="quintet.lake.trino:check_answers", outlets=list(outlets))
        build_models(SLUG, full_refresh="False", announce=announce)
    return group
