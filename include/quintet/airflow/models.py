"""dbt models of a project as a task group: Cosmos over the manifest, dbt itself in its own environment."""

from __future__ import annotations

from airflow.sdk import BaseOperator, TaskGroup, TriggerRule
from cosmos import DbtTaskGroup, ExecutionConfig, ProfileConfig, ProjectConfig, RenderConfig
from cosmos.constants import ExecutionMode, InvocationMode, LoadMode, TestBehavior

from quintet import dbt
from quintet.airflow.jobs import environment_of
from quintet.airflow.operators import CallOperator
from quintet.errors import SettingsError
from quintet.settings import Lab, load_lab

__all__ = ["build_models", "check_freshness"]

#: Pool of the tasks that start dbt.
POOL = "dbt"

#: Folders of the dbt project with a sub-folder a project of the platform.
_FOLDERS = ("models/staging", "models/intermediate", "models/marts", "snapshots")


def check_freshness(slug: str) -> CallOperator:
    """Tell that what the project's models read is old, also when there is nothing to build: nothing waits for it."""
    return CallOperator(
        task_id="check_freshness",
        function="quintet.dbt:check_freshness",
        arguments={"project": slug, "run_id": "{{ run_id }}", "told_by": "{{ ti.task_id }}"},
        environment="dbt",
        pool=POOL,
        # What goes before is skipped when it has nothing to do.
        trigger_rule=TriggerRule.NONE_FAILED,
    )


def build_models(slug: str, *, full_refresh: str, announce: BaseOperator) -> CallOperator:
    """Build the project's models on Trino, then tell of them (`announce`) and publish their documentation.

    Returns:
        The first task, for what goes before.

    """
    # One task that says so in the place of every model, each after all its tries.
    check_trino = CallOperator(task_id="check_trino", function="quintet.lake.trino:check_answers")
    models = _models("models", load_lab(), slug, full_refresh=full_refresh)
    docs = CallOperator(
        task_id="publish_docs",
        function="quintet.dbt:publish_docs",
        arguments={"project": slug},
        environment="dbt",
        pool=POOL,
    )
    # Gold is told when all models are built, whatever becomes of their documentation.
    check_trino >> models >> [announce, docs]
    return check_trino


def _models(group_id: str, lab: Lab, slug: str, *, full_refresh: str) -> TaskGroup:
    """Task group with one task a model or snapshot of the project; their tests are part of their tasks.

    Raises:
        SettingsError: the deployed code has no manifest; Airflow shows it as an import error.

    """
    project, manifest = dbt.project(lab), dbt.manifest(lab)
    if not manifest.is_file():
        raise SettingsError(f"there is no dbt manifest at {manifest}", remedy="Run: make deploy")
    return DbtTaskGroup(
        group_id=group_id,
        project_config=ProjectConfig(
            dbt_project_path=project, manifest_path=manifest, project_name="quintet", install_dbt_deps=False
        ),
        profile_config=ProfileConfig(
            profile_name=dbt.PROFILE, target_name=dbt.TARGET, profiles_yml_filepath=project / "profiles.yml"
        ),
        execution_config=ExecutionConfig(
            execution_mode=ExecutionMode.WATCHER,
            invocation_mode=InvocationMode.SUBPROCESS,
            dbt_executable_path=lab.environment("dbt").program("dbt"),
        ),
        render_config=RenderConfig(
            load_method=LoadMode.DBT_MANIFEST,
            select=[f"path:{folder}/{slug}" for folder in _FOLDERS],
            test_behavior=TestBehavior.AFTER_EACH,
            # Assets of this platform are layers, declared in quintet.airflow.assets.
            emit_datasets=False,
            enable_owner_inheritance=False,
        ),
        operator_args={
            "append_env": False,
            # Not the operator's own full_refresh: a snapshot that is tried again alone would be given the option too,
            # which `dbt snapshot` refuses.
            "env": environment_of(lab) | dbt.environment(lab) | {"DBT_FULL_REFRESH": full_refresh},
            "pool": POOL,
        },
    )
