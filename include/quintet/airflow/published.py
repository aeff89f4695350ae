"""Gold published in the object store: when it starts, and the tasks of `lakehouse_publish_gold`."""

from __future__ import annotations

from airflow.sdk import Asset, TaskGroup

from quintet.airflow.assets import GOLD_LAKEHOUSE, PUBLISHED_LAKEHOUSE
from quintet.airflow.operators import CallOperator
from quintet.catalogue.published import PUBLISHED
from quintet.settings import Lab, load_lab

__all__ = ["after_gold", "publish"]


def after_gold(lab: Lab | None = None) -> list[Asset] | None:
    """Schedule: whenever gold is told; None, which is by hand only, in a lab without an object store."""
    return [GOLD_LAKEHOUSE] if "objects" in (lab or load_lab()).options else None


def publish(lab: Lab | None = None) -> None:
    """Publish each table and tell of it; a table that cannot be published holds up no other."""
    # Only there is Kafka's client, and only with Kafka it is needed.
    environment = "streaming" if "kafka" in (lab or load_lab()).options else "spark"
    for entry in PUBLISHED:
        with TaskGroup(entry.table, tooltip=f"{entry.source} by {entry.partition}"):
            written = CallOperator(
                task_id="publish", function="quintet.lakehouse.publish:publish", arguments={"table": entry.table}
            )
            told = CallOperator(
                task_id="tell",
                function="quintet.lakehouse.publishtell:tell",
                arguments={"publication": written.output},
                environment=environment,
                # What was told before is not told again: the asset stays as it is.
                skip_unless="changed",
                outlets=[PUBLISHED_LAKEHOUSE[entry.table]],
            )
            # Order that must not change: nobody is sent to files that are not there.
            written >> told
