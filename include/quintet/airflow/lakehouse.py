"""Task groups of the project `lakehouse`: ingest, silver, gold, care.

The wiring stands here once: the single DAGs use the groups with asset outlets, the master uses the same groups in one
graph. Every group decides by itself whether it has something to do and skips the rest of itself when not, so that a
run after a failure picks up what was left, whoever starts it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow.sdk import Asset, Param, TaskGroup, TriggerRule

from quintet.airflow import parameters
from quintet.airflow.models import build_models, check_freshness
from quintet.airflow.operators import ApproveFullRefresh, CallOperator, SparkJobOperator
from quintet.airflow.parameters import DAYS, FULL_REFRESH, INPUT, range_params
from quintet.catalogue.lakehouse import OWNER, SLUG

__all__ = ["OWNER", "SLUG", "care", "full_refresh_param", "gold", "ingest", "input_param", "range_params", "silver"]

#: Pool of the tasks that start a Spark driver; its one slot also keeps two runs from writing silver at a time.
SPARK = "spark"


def input_param() -> dict[str, Param]:
    """Parameter `input`: the folder with the files."""
    return parameters.input_param("Folder with daily CSV files, or with by_day/, customers/ and products/ in it")


def full_refresh_param() -> dict[str, Param]:
    """Parameter `full_refresh`: throw away and compute anew, after a person's approval."""
    consequence = "Compute the tables anew from all files. The run waits for an approval before it begins"
    return parameters.full_refresh_param("Full refresh", consequence)


def ingest(*, outlets: Sequence[Asset] = ()) -> TaskGroup:
    """Land every pending file once; refused files fail the last task, after all good ones have landed."""
    with TaskGroup("ingest", tooltip="Files to bronze") as group:
        check_input = CallOperator(
            task_id="check_input", function="quintet.lakehouse.land:check_input", arguments={"input_dir": INPUT}
        )
        list_pending = CallOperator(
            task_id="list_pending",
            function="quintet.lakehouse.land:list_pending",
            arguments={"input_dir": INPUT, "from_": DAYS["from"], "to": DAYS["to"]},
        )
        land = CallOperator.partial(
            task_id="land",
            function="quintet.lakehouse.land:land_chunk",
            arguments={"batch_id": "{{ run_id }}"},
            map_index_template="{{ task.more['chunk']['files'] | length }} files",
        ).expand(more=list_pending.output.map(_as_chunk))
        # Runs also when nothing was pending: an earlier run may have landed files and failed on others, and only
        # this task tells silver that bronze is complete.
        raise_refused = CallOperator(
            task_id="raise_refused",
            function="quintet.lakehouse.land:raise_refused",
            arguments={"batch_id": "{{ run_id }}"},
            trigger_rule=TriggerRule.NONE_FAILED,
            outlets=list(outlets),
        )
        # Order that must not change: refused files are told after the good ones have landed.
        check_input >> list_pending >> land >> raise_refused
    return group


def silver(*, outlets: Sequence[Asset] = ()) -> TaskGroup:
    """Judge pending files, publish what passes; nothing is published when the gate refuses."""
    with TaskGroup("silver", tooltip="Gate, then typed tables with history") as group:
        approve = _approve(
            "All silver tables of the project **lakehouse** are computed anew from bronze, and gold after them.\n\n"
            "Readers see the old rows until the new ones are complete. Decisions on quarantined rows are kept."
        )
        find_changes = _find_changes("silver", asked_for="".join([*DAYS.values(), _asked(FULL_REFRESH)]))
        options = {"run-id": "{{ run_id }}", **DAYS, "full-refresh": FULL_REFRESH}
        gate = SparkJobOperator(task_id="gate", application="lakehouse/gate.py", options=options, pool=SPARK)
        build = SparkJobOperator(task_id="build", application="lakehouse/silver.py", options=options, pool=SPARK)
        announce = _announce("silver", find_changes, outlets)
        # Orders that must not change: approval before anything is computed anew, the gate before silver, and the note
        # of what silver was built from after silver.
        approve >> find_changes >> gate >> build >> announce
    return group


def gold(*, outlets: Sequence[Asset], approves: bool) -> TaskGroup:
    """Build the dbt models on Trino, then their documentation; `approves`: ask a person before a full refresh."""
    with TaskGroup("gold", tooltip="dbt models on Trino") as group:
        check_freshness(SLUG)
        find_changes = _find_changes("gold", asked_for=_asked(FULL_REFRESH))
        if approves:
            body = "All gold tables of the project **lakehouse** are dropped and built anew from silver."
            _approve(body) >> find_changes
        announce = _announce("gold", find_changes, outlets)
        find_changes >> build_models(SLUG, full_refresh=FULL_REFRESH, announce=announce)
    return group


def care() -> TaskGroup:
    """Compact, cluster, vacuum, expire snapshots, compute statistics; measured before and after."""
    with TaskGroup("care", tooltip="Table care") as group:
        # Without Spark, but in its pool: no Spark job of the project writes meanwhile.
        CallOperator(
            task_id="tables", function="quintet.lake.care:care_tables", arguments={"project": SLUG}, pool=SPARK
        )
        CallOperator(task_id="lineage_events", function="quintet.lineage.keeping:forget_events", environment="airflow")
    return group


def _as_chunk(chunk: Mapping[str, Any]) -> dict[str, Any]:
    return {"chunk": dict(chunk)}


def _asked(boolean: str) -> str:
    """Template that is empty unless the boolean template is true."""
    return boolean.replace(" }}", " or '' }}")


def _approve(body: str) -> ApproveFullRefresh:
    return ApproveFullRefresh(task_id="approve_full_refresh", body=body)


def _find_changes(layer: str, *, asked_for: str) -> CallOperator:
    return CallOperator(
        task_id="find_changes",
        function="quintet.lakehouse.changes:find_changes",
        arguments={"layer": layer, "asked_for": asked_for},
        skip_unless="changed",
        # The approval is skipped in an ordinary run, earlier groups when they have nothing to do: this task decides.
        trigger_rule=TriggerRule.NONE_FAILED,
    )


def _announce(layer: str, find_changes: CallOperator, outlets: Sequence[Asset]) -> CallOperator:
    return CallOperator(
        task_id="announce",
        function="quintet.lakehouse.changes:record",
        arguments={"layer": layer, "found": find_changes.output},
        outlets=list(outlets),
    )
